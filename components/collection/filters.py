"""Filters on a collection's metadata: which columns offer a choice, and which rows pass."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from components.collection.index import Allowed
from components.collection.records import INTERNAL
from components.errors import CaptionLensError

Filters = Mapping[str, Sequence[str]]  # a column's accepted values, as text
ALL: Filters = MappingProxyType({})  # every image passes

# Shown first, as they are used most; other columns of the source follow.
_FIRST = (
    *("film", "orientation", "photographer", "country", "year", "colours", "keywords"),
    *("file_type", "folder"),
)
# Never offered: a different value in nearly every row, or free text.
_NEVER = frozenset(
    {"id", "image", "location", "digest", "taken", "captions", "description", "blurhash"}
    | {"width", "height", "latitude", "longitude", "page_url", "photographer_url", *INTERNAL}
    | {"seconds", "film_seconds"}
)
_MAX_VALUES = 500
_OWN_COLUMNS = 100  # distinct values at most in a column that is not in _FIRST


class FilterError(CaptionLensError):
    """A filter on a column that the collection does not have."""


@dataclass(frozen=True)
class Facet:
    """A column to filter by, with its values as text, the most frequent first, and their counts."""

    column: str
    values: tuple[str, ...]
    counts: tuple[int, ...]


def facets(tables: Iterable[pa.Table]) -> list[Facet]:
    """Return the columns of a collection's metadata that can be filtered by a choice.

    ``tables`` are parts of it, with the same columns and types; one is needed at a time.
    """
    counts: dict[str, pa.Table] = {}
    for table in tables:
        for name in [name for name in table.column_names if name not in _NEVER]:
            before = counts.get(name)
            if before is None:
                counts[name] = _counted(table[name])
            elif name in _FIRST or len(before) <= _OWN_COLUMNS:  # else it has too many values
                counts[name] = _added(before, _counted(table[name]))
    order = [name for name in _FIRST if name in counts] + [n for n in counts if n not in _FIRST]
    choices = [_facet(name, counts[name]) for name in order]
    return [each for each in choices if len(each.values) > 1 and _is_choice(each)]


def _is_choice(facet: Facet) -> bool:
    repeats = len(facet.values) <= _OWN_COLUMNS and max(facet.counts) > 1
    return facet.column in _FIRST or repeats


def _counted(column: pa.ChunkedArray) -> pa.Table:
    """Return the different values of a column, and how often each is there."""
    counted = pc.value_counts(_flat(column).drop_null())
    return pa.table({"value": counted.field("values"), "count": counted.field("counts")})


def _added(counted: pa.Table, more: pa.Table) -> pa.Table:
    found = pa.concat_tables([counted, more]).group_by("value", use_threads=False)
    return found.aggregate([("count", "sum")]).rename_columns(["value", "count"])


def _flat(column: pa.ChunkedArray) -> pa.ChunkedArray:
    return pc.list_flatten(column) if is_list(column.type) else column


def is_list(kind: pa.DataType) -> bool:
    """Return whether a column of this type holds several values a row."""
    return bool(pa.types.is_list(kind) or pa.types.is_large_list(kind))


def _facet(name: str, counted: pa.Table) -> Facet:
    pairs = list(zip(counted["value"].to_pylist(), counted["count"].to_pylist(), strict=True))
    pairs.sort(key=lambda pair: (-pair[1], str(pair[0])))
    kept = pairs[:_MAX_VALUES]
    return Facet(name, tuple(str(value) for value, _ in kept), tuple(count for _, count in kept))


def mask(table: pa.Table, filters: Filters) -> Allowed | None:
    """Return (rows,) which rows pass every column by any of its values; None where all pass.

    Text is compared without regard to case; a number may be a range, "2015..2018"; a folder
    includes its subfolders. Raises FilterError for a column that is not there.
    """
    allowed: Allowed | None = None
    for column, values in filters.items():
        if not values:
            continue
        if column not in table.column_names or column in INTERNAL:
            names = [name for name in table.column_names if name not in INTERNAL]
            raise unknown_column(column, names)
        passing = _passing(table[column], column, values)
        allowed = passing if allowed is None else allowed & passing
    return allowed


def unknown_column(column: str, names: Sequence[str]) -> FilterError:
    """Return the error of a filter on a column that is not one of ``names``."""
    return FilterError(f"There is no column {column[:60]!r}. Filter by one of {', '.join(names)}.")


def _passing(column: pa.ChunkedArray, name: str, values: Sequence[str]) -> Allowed:
    if is_list(column.type):
        flat = _passing(pc.list_flatten(column), name, values)
        passing = np.zeros(len(column), dtype=np.bool_)
        passing[pc.list_parent_indices(column).to_numpy()[flat]] = True
        return passing
    passing = np.zeros(len(column), dtype=np.bool_)
    for value in values:
        passing |= pc.fill_null(_equal(column, name, value), False).to_numpy()
    return passing


def _equal(column: pa.ChunkedArray, name: str, value: str) -> pa.ChunkedArray:
    numeric = is_numeric(column.type)
    low, dots, high = value.partition("..")
    if numeric and dots and is_number(low or "0") and is_number(high or "0"):
        above = pc.greater_equal(column, float(low) if low else float("-inf"))
        return pc.and_(above, pc.less_equal(column, float(high) if high else float("inf")))
    if numeric and is_number(value):
        return pc.equal(column, float(value))
    text = lower_case(column)
    same = pc.equal(text, value.lower())
    if name != "folder":
        return same
    return pc.or_(same, pc.starts_with(text, value.lower().rstrip("/") + "/"))


def lower_case(column: pa.ChunkedArray) -> pa.ChunkedArray:
    """Return a column as text, as it is compared with a value's ``lower()``."""
    return pc.utf8_lower(pc.cast(column, pa.string()))


def is_numeric(kind: pa.DataType) -> bool:
    """Return whether a column of this type is compared by number."""
    return bool(pa.types.is_integer(kind) or pa.types.is_floating(kind))


def is_number(text: str) -> bool:
    """Return whether a filter's value is a number."""
    try:
        float(text)
    except ValueError:
        return False
    return True
