"""What Milvus keeps of each image: the schema, and the rows of it that a folder's shards make."""

import json
import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from components.collection.filters import is_list, is_numeric, lower_case
from components.collection.manifest import CollectionError
from components.collection.milvus.expression import JSON_FIELD, NO_TEXT, folder_hashes, hash_of
from components.collection.milvus.publication import Column, Kind
from components.collection.records import INTERNAL, Record
from components.collection.store import FolderCollection

_TEXT = 65_535  # bytes of a text at most
_LIST = 4096  # elements of an array at most
_FIELDS = 48  # of columns; Milvus has 64 in all, and advises fewer
_BATCH = 8_000_000  # bytes of rows in one call, of the 64 MB that a server takes
_SLICE = 500  # rows that are made at a time
# What a result cannot be shown without; never cut from a record that is too long.
_ESSENTIAL = frozenset({"id", "image", "location", "width", "height"})
_LARGEST = 1.7976931348623157e308
Row = dict[str, Any]


@dataclass(frozen=True)
class Batch:
    """Rows for one call, and how many of their records had to be cut."""

    rows: list[Row]
    cut: int


def columns_of(schema: pa.Schema) -> tuple[Column, ...]:
    """Return how each column is kept: numbers first, for which the JSON field is slowest."""
    names = [name for name in schema.names if name not in INTERNAL]
    kinds = {name: _kind(name, schema.field(name).type) for name in names}
    order = sorted(names, key=lambda name: kinds[name] != "number")
    fields = {name: f"c{n}" if n < _FIELDS else _key(n) for n, name in enumerate(order)}
    return tuple(Column(name, kinds[name], fields[name]) for name in names)


def _key(number: int) -> str:
    return f'{JSON_FIELD}["c{number}"]'


def _kind(name: str, kind: pa.DataType) -> Kind:
    if is_numeric(kind):
        return "number"
    if name == "folder":
        return "folder"
    return "list" if is_list(kind) else "text"


def in_json(column: Column) -> bool:
    """Return whether a column has no field of its own."""
    return column.field.startswith(JSON_FIELD)


def schema_of(columns: Sequence[Column], width: int, description: str) -> Any:
    """Return the schema of a Milvus collection."""
    from pymilvus import DataType, MilvusClient

    schema = MilvusClient.create_schema(description=description)
    schema.add_field("id", DataType.VARCHAR, is_primary=True, max_length=_TEXT)
    schema.add_field("vector", DataType.FLOAT_VECTOR, dim=width)
    schema.add_field("draw", DataType.DOUBLE)  # random and fixed, for browsing and samples
    for name in ("shard", "start", "size"):  # of the thumbnail; the first is the shard's number
        schema.add_field(name, DataType.INT64)
    schema.add_field("record", DataType.VARCHAR, max_length=_TEXT)
    schema.add_field(JSON_FIELD, DataType.JSON)
    types = {"number": DataType.DOUBLE, "text": DataType.INT64}
    for column in columns:
        if in_json(column):
            continue
        if kind := types.get(column.kind):
            schema.add_field(column.field, kind)
        else:
            schema.add_field(
                column.field, DataType.ARRAY, element_type=DataType.INT64, max_capacity=_LIST
            )
    return schema


def batches(collection: FolderCollection, columns: Sequence[Column]) -> Iterator[Batch]:
    """Yield all rows of a collection. Raises CollectionError for an id that is too long."""
    rows: list[Row] = []
    size = cut = 0
    for row, record in _rows(collection, columns):
        text, shortened = _fitted(record)
        row["record"] = text
        rows.append(row)
        cut += shortened
        size += len(text) + 4 * collection.manifest.width + 1000
        if size >= _BATCH:
            yield Batch(rows, cut)
            rows, size, cut = [], 0, 0
    if rows:
        yield Batch(rows, cut)


def _rows(collection: FolderCollection, columns: Sequence[Column]) -> Iterator[tuple[Row, Record]]:
    tables = collection.tables()
    parts = zip(collection.manifest.shards, collection.matrix.parts, tables, strict=True)
    for shard, vectors, whole in parts:
        begin = 0  # of a thumbnail in the shard's file
        for low in range(0, shard.rows, _SLICE):
            table = whole.slice(low, _SLICE)
            sizes = table["thumbnail_bytes"].to_numpy()
            starts = begin + np.cumsum(sizes) - sizes
            begin += int(sizes.sum())
            kept = {column.name: _kept(table[column.name], column) for column in columns}
            records = table.select([column.name for column in columns]).to_pylist()
            for n, record in enumerate(records):
                id_ = str(record["id"])
                _check(id_)
                row: Row = {"id": id_, "vector": np.array(vectors[low + n]), "draw": draw_of(id_)}
                row |= {"shard": shard.number, "start": int(starts[n]), "size": int(sizes[n])}
                row |= _fields(columns, {name: values[n] for name, values in kept.items()})
                yield row, record


def _check(id_: str) -> None:
    if len(id_.encode()) > _TEXT:
        raise CollectionError(
            f"The id {id_[:80]!r} is too long for Milvus, which takes 65,535 bytes. Give the images"
            " shorter ids, and update the collection."
        )


def draw_of(id_: str) -> float:
    """Return a number in [0, 1) that is the same for an id, and as good as random among them."""
    return (hash_of(id_) >> 10) / 2**53


def _fields(columns: Sequence[Column], values: Row) -> Row:
    """Return a row's fields of the columns, those without a field of their own in the JSON."""
    fields: Row = {JSON_FIELD: {}}
    for column in columns:
        value = values[column.name]
        if not in_json(column):
            fields[column.field] = value
        elif column.kind != "number":
            fields[JSON_FIELD][_inside(column)] = value if isinstance(value, list) else [value]
        elif not math.isnan(value):  # JSON has no infinity
            fields[JSON_FIELD][_inside(column)] = min(max(value, -_LARGEST), _LARGEST)
    return fields


def _inside(column: Column) -> str:
    return column.field.split('"')[1]


def _kept(values: pa.ChunkedArray, column: Column) -> list[Any]:
    """Return, for each row, what a column's filter is compared with."""
    if column.kind == "number":
        numbers: list[float | None] = values.cast(pa.float64(), safe=False).to_pylist()
        return [math.nan if number is None else number for number in numbers]
    one = folder_hashes if column.kind == "folder" else lambda text: [hash_of(text)]
    if not is_list(values.type):
        texts = lower_case(values).to_pylist()
        if column.kind == "text":
            return [NO_TEXT if text is None else hash_of(text) for text in texts]
        return [[] if text is None else one(text) for text in texts]
    texts = iter(lower_case(pc.list_flatten(values)).to_pylist())
    counts = pc.fill_null(pc.list_value_length(values), 0).to_pylist()
    return [_hashes(column.name, [next(texts) for _ in range(count)], one) for count in counts]


def _hashes(name: str, texts: Sequence[str | None], one: Callable[[str], list[int]]) -> list[int]:
    hashes = {each for text in texts if text is not None for each in one(text)}
    if len(hashes) > _LIST:
        raise CollectionError(
            f"An image has {len(hashes):,} values in the column {name[:60]!r}, and Milvus takes"
            f" {_LIST:,}. Shorten that list, and update the collection."
        )
    return sorted(hashes)


def _fitted(record: Record) -> tuple[str, bool]:
    """Return a record as JSON that Milvus takes, and whether its longest values were left out."""
    text = _json(record)
    if len(text.encode()) <= _TEXT:
        return text, False
    lengths = {name: len(_json({name: value}).encode()) for name, value in record.items()}
    for name in sorted(lengths, key=lambda name: -lengths[name]):
        if name not in _ESSENTIAL:
            record = {**record, name: None}
            text = _json(record)
            if len(text.encode()) <= _TEXT:
                return text, True
    raise CollectionError(
        f"The id or path of {str(record['id'])[:80]!r} is too long for Milvus. Shorten it, and"
        " update the collection."
    )


def _json(record: Record) -> str:
    return json.dumps(record, ensure_ascii=False, separators=(",", ":"), default=str)
