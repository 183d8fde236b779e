"""Filters as Milvus's boolean expressions, which let pass what `filters.mask` lets pass.

Texts are kept, and compared, as numbers that hash their lower-case form: no length is too long,
and nothing that a person enters gets into an expression. Two texts share one of 2^63 numbers once
in 10^18 pairs.
"""

import hashlib
import json
import math
from collections.abc import Mapping, Sequence
from functools import lru_cache

from components.collection.filters import Filters, is_number, unknown_column
from components.collection.milvus.publication import Column

NO_TEXT = 0  # stands for a missing text, and is the hash of none
JSON_FIELD = "more"  # holds the columns for which the schema has no field left
_NOTHING = "draw < 0"  # no row: it is a number from 0 up
_LARGEST = "1.7976931348623157e308"


@lru_cache(maxsize=200_000)
def hash_of(text: str) -> int:
    """Return a number from 1 to 2^63 - 1 that is the same for equal texts."""
    digest = hashlib.blake2b(text.encode("utf-8", "surrogatepass"), digest_size=8).digest()
    return (int.from_bytes(digest, "big") >> 1) or 1


def folder_hashes(path: str) -> list[int]:
    """Return what a lower-case ``path`` is found by: itself, and all folders that it is in."""
    ends = [end for end, letter in enumerate(path) if letter == "/"]
    return [hash_of(path), *(_inside(path[:end]) for end in ends)]


def _inside(path: str) -> int:
    return hash_of(f"{path}/\0")  # no path has this end: told apart from the path itself


def expression(columns: Mapping[str, Column], filters: Filters) -> str:
    """Return the expression of what passes every column by any of its values; "" where all do.

    Raises FilterError for a column that is not there.
    """
    conditions = []
    for name, values in filters.items():
        if values:
            if name not in columns:
                raise unknown_column(name, list(columns))
            conditions.append(_condition(columns[name], values))
    return " and ".join(f"({each})" for each in conditions)


def _condition(column: Column, values: Sequence[str]) -> str:
    if column.kind == "number":
        passing = [each for value in values if (each := _numbers(column.field, value))]
        return " or ".join(f"({each})" for each in passing) or _NOTHING
    hashes = [each for value in values for each in _hashes(column, value.lower())]
    if column.field.startswith(JSON_FIELD):
        return f"json_contains_any({column.field}, {hashes})"
    if column.kind == "text":
        return f"{column.field} in {hashes}"
    return f"array_contains_any({column.field}, {hashes})"


def _hashes(column: Column, value: str) -> list[int]:
    if column.kind == "folder":
        return [hash_of(value), _inside(value.rstrip("/"))]
    return [hash_of(value)]


def _numbers(field: str, value: str) -> str:
    """Return the condition of a number or a range, "" where nothing fulfils it.

    Where a number is missing, the field is not one, which fulfils no comparison.
    """
    low, dots, high = value.partition("..")
    if dots and is_number(low or "0") and is_number(high or "0"):
        least, most = float(low or "-inf"), float(high or "inf")
    elif is_number(value):
        least = most = float(value)
    else:
        return ""
    ends = [_at_least(field, least), _at_most(field, most)]
    return " and ".join(f"({end})" for end in ends) if all(ends) else ""


def _at_least(field: str, number: float) -> str:
    if math.isnan(number):
        return ""
    if math.isinf(number):
        return f"{field} > {_LARGEST}" if number > 0 else _any(field)
    return f"{field} >= {number!r}"


def _at_most(field: str, number: float) -> str:
    if math.isnan(number):
        return ""
    if math.isinf(number):
        return f"{field} < -{_LARGEST}" if number < 0 else _any(field)
    return f"{field} <= {number!r}"


def _any(field: str) -> str:
    return f"{field} <= 0 or {field} > 0"


def ids_expression(ids: Sequence[str]) -> str:
    """Return the expression of some ids."""
    return f"id in {json.dumps(list(ids))}"
