"""An image's row of metadata, and tables of such rows as Parquet."""

from collections.abc import Mapping, Sequence
from pathlib import PurePosixPath
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from components.collection.sources.source import Item
from components.datasets.table import Value
from components.encoder import Encoded

Record = dict[str, Value]
# Columns for internal use: never shown, filtered by or exported.
INTERNAL = ("signature", "thumbnail_bytes")


def record_of(item: Item, encoded: Encoded) -> Record:
    """Return the metadata of an image; the source's values override the file's."""
    photo = encoded.photo
    folder = str(PurePosixPath(photo.name).parent)
    record: Record = {
        "id": item.id,
        "image": photo.name,
        "location": item.location,
        "digest": photo.digest,
        "signature": item.signature,
        "width": photo.width,
        "height": photo.height,
        "file_type": item.file_type or photo.format,
        "folder": None if folder == "." else folder,
        "year": int(photo.taken[:4]) if photo.taken else None,
        "taken": photo.taken or None,
        "colours": [*encoded.colours],
        "thumbnail_bytes": len(encoded.thumbnail),
    }
    own = {name: value for name, value in item.metadata.items() if name not in _RESERVED}
    record |= {
        name: value for name, value in own.items() if value is not None or name not in record
    }
    return {**record, "orientation": _orientation(record["width"], record["height"])}


_RESERVED = frozenset({"id", "image", "location", "digest", "file_type", "colours", *INTERNAL})


def _orientation(width: Value, height: Value) -> str:
    if not isinstance(width, int | float) or not isinstance(height, int | float) or not height:
        return "square"
    ratio = width / height
    return "square" if 0.97 < ratio < 1.03 else "landscape" if ratio > 1 else "portrait"


def table_of(records: Sequence[Mapping[str, Value]]) -> pa.Table:
    """Return a table with a column for every key of any record, in the order they appear."""
    names = dict.fromkeys(name for record in records for name in record)
    return pa.table({name: _column([record.get(name) for record in records]) for name in names})


def _column(values: list[Value]) -> pa.Array:
    try:
        return pa.array(values)
    except (pa.ArrowInvalid, pa.ArrowTypeError, OverflowError):  # numbers and text, say
        return pa.array([None if value is None else str(value) for value in values])


def joined(tables: Sequence[pa.Table]) -> pa.Table:
    """Return the concatenation of tables; a column whose types disagree becomes text."""
    if not tables:
        return pa.table({"id": pa.array([], pa.string())})
    try:
        return pa.concat_tables(tables, promote_options="permissive")
    except (pa.ArrowInvalid, pa.ArrowTypeError):
        types: dict[str, set[pa.DataType]] = {}
        for field in (field for table in tables for field in table.schema):
            types.setdefault(field.name, set()).add(field.type)
        mixed = [name for name, kinds in types.items() if len(kinds - {pa.null()}) > 1]
        return pa.concat_tables(
            [_as_text(table, mixed) for table in tables], promote_options="permissive"
        )


def _as_text(table: pa.Table, names: Sequence[str]) -> pa.Table:
    for name in names:
        if name in table.column_names:
            texts = [None if v is None else str(v) for v in table[name].to_pylist()]
            index = table.column_names.index(name)
            table = table.set_column(index, name, pa.array(texts, pa.string()))
    return table


def read_table(path: Any, columns: Sequence[str] | None = None) -> pa.Table:
    """Return a Parquet file's table, or only those of ``columns`` that it has."""
    with pq.ParquetFile(path) as file:
        present = columns and [name for name in columns if name in file.schema_arrow.names]
        # Arrow's threads, where they still end at the exit of a command, abort it now and then.
        return file.read(columns=present, use_threads=False)


def write_table(table: pa.Table, path: Any) -> None:
    """Write a table as Parquet."""
    pq.write_table(table, path, compression="zstd")
