"""Reads Parquet tables of strangers: a few hundred bytes can state millions of values.

What a file expands to is counted before it is expanded: values and bytes from the headers of its
pages (the footer may state less), text that many rows share from the dictionaries.
"""

import io
import re
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO

if TYPE_CHECKING:
    import pyarrow as pa
    import pyarrow.parquet as pq

_COLUMNS = 1_000
_VALUES = 1_000_000  # that any file may have; a larger file one more for each of its bytes
ANY_FILE_BYTES = 100_000_000  # that any file may expand to; a larger one 50 more for each byte
_PAGE = 10  # values that a page counts as, beside its own: reading its header takes as long
_HEADER = 16_384  # bytes: more than a page's header takes
_BATCH = 1024  # rows
# Writers of 2013 and before: for their sake Arrow reads 100 bytes beyond a column, maybe a page.
_OLD_WRITERS = re.compile(r"\s*parquet-mr(?! version (1\.([3-9]|\d\d)|[2-9]|\d\d))", re.IGNORECASE)


def read_parquet(file: Path | BinaryIO) -> Iterator[dict[str, Any]]:
    """Yield the rows of a Parquet file, without its columns of bytes.

    Raises OSError or ValueError where it cannot be read or expands to far more than its size.
    """
    import pyarrow as pa

    with file.open("rb") if isinstance(file, Path) else file as data:
        try:
            yield from _read(data)
        except pa.ArrowException as error:
            raise ValueError(str(error)) from error


def _read(file: BinaryIO) -> Iterator[dict[str, Any]]:
    import pyarrow.parquet as pq

    metadata = pq.read_metadata(file)
    size = file.seek(0, io.SEEK_END)
    _check_pages(file, metadata, size)
    leaves = [metadata.schema.column(number) for number in range(metadata.num_columns)]
    text = [leaf.path for leaf in leaves if leaf.logical_type.type == "STRING"]
    kept = [leaf.path for leaf in leaves if leaf.path in text or not _is_bytes(leaf)]
    table = pq.ParquetFile(file, metadata=metadata, read_dictionary=text)
    yield from _rows(table, kept, ANY_FILE_BYTES + 50 * size)


def _is_bytes(leaf: "pq.ColumnSchema") -> bool:
    return bool(leaf.physical_type == "BYTE_ARRAY" and leaf.logical_type.type == "NONE")


def _rows(table: "pq.ParquetFile", columns: list[str], limit: int) -> Iterator[dict[str, Any]]:
    for group in range(table.num_row_groups):  # lists that lie in two of them cannot be converted
        for batch in table.iter_batches(_BATCH, [group], columns, use_threads=False):
            limit -= sum(map(expanded_bytes, batch.columns))
            if limit < 0:
                raise ValueError("it expands to far more text than a file of its size should")
            values = [column.cast(_plain(column.type)).to_pylist() for column in batch.columns]
            for row in zip(*values, strict=True):
                yield dict(zip(batch.schema.names, row, strict=True))


def _plain(kind: "pa.DataType") -> "pa.DataType":
    """Return a type without its dictionaries: those are slow to turn into Python's objects."""
    import pyarrow as pa

    if pa.types.is_dictionary(kind):
        return kind.value_type
    if pa.types.is_list(kind):
        return pa.list_(_plain(kind.value_type))
    if pa.types.is_struct(kind):
        return pa.struct([pa.field(field.name, _plain(field.type)) for field in kind])
    return kind


def expanded_bytes(array: "pa.Array") -> int:
    """Return the bytes that an array takes once each value has its own text."""
    import pyarrow as pa
    import pyarrow.compute as pc

    if pa.types.is_dictionary(array.type):
        lengths = pc.take(pc.binary_length(array.dictionary), array.indices)
        return pc.sum(lengths).as_py() or 0
    if pa.types.is_list(array.type):
        return expanded_bytes(array.flatten())
    if pa.types.is_struct(array.type):
        return sum(map(expanded_bytes, array.flatten()))
    return int(array.nbytes)


def _check_pages(file: BinaryIO, metadata: "pq.FileMetaData", size: int) -> None:
    """Raise ValueError where a file's pages hold far more than its ``size`` in bytes allows."""
    if metadata.num_columns > _COLUMNS:
        raise ValueError(f"it has more than {_COLUMNS:,} columns")
    if _OLD_WRITERS.match(metadata.created_by or ""):
        raise ValueError("it was written by a version of parquet-mr before 1.3")
    values = expanded = 0
    for group in range(metadata.num_row_groups):
        for number in range(metadata.num_columns):
            for page_values, page_bytes in _pages(file, metadata.row_group(group).column(number)):
                values += page_values + _PAGE
                expanded += page_bytes
                if values > _VALUES + size or expanded > ANY_FILE_BYTES + 50 * size:
                    raise ValueError("it expands to far more than a file of its size should")


def _pages(file: BinaryIO, chunk: "pq.ColumnChunkMetaData") -> Iterator[tuple[int, int]]:
    """Yield how many values each page of a column chunk has, and its bytes once decompressed."""
    place = chunk.data_page_offset
    if chunk.has_dictionary_page and 0 < (chunk.dictionary_page_offset or 0) < place:
        place = chunk.dictionary_page_offset
    end = place + chunk.total_compressed_size
    while place < end:
        file.seek(place)
        header = _Thrift(file.read(_HEADER))
        try:
            page = header.struct()
        except (IndexError, TypeError) as error:
            raise ValueError("the header of a page is damaged") from error
        # Fields of PageHeader in parquet.thrift: sizes, then the kinds of data page and their
        # first field, the number of values.
        sizes = [page.get(number, -1) for number in (2, 3)]
        kinds = [page[number] for number in (5, 8) if isinstance(page.get(number), dict)]
        counts = [kind.get(1, -1) for kind in kinds]
        if not all(isinstance(count, int) and count >= 0 for count in (*sizes, *counts)):
            raise ValueError("the header of a page is damaged")
        yield sum(counts), sizes[0]
        place += header.place + sizes[1]


class _Thrift:
    """Reads a structure in Thrift's compact protocol: its numbers and structures by field."""

    def __init__(self, data: bytes) -> None:
        self._data = data
        self.place = 0

    def struct(self, depth: int = 0) -> dict[int, Any]:
        """Return numbers and structures by field. Raises IndexError where the data ends."""
        if depth > 8:
            raise ValueError("the header of a page is damaged")
        fields: dict[int, Any] = {}
        number = 0
        while head := self._byte():
            number = number + (head >> 4) if head >> 4 else self._whole()
            fields[number] = self._value(head & 15, depth)
        return fields

    def _value(self, kind: int, depth: int) -> Any:
        if kind in {1, 2}:
            return kind == 1
        if kind == 3:
            return self._byte()
        if kind in {4, 5, 6}:
            return self._whole()
        if kind == 12:
            return self.struct(depth + 1)
        if kind not in {7, 8}:  # a page's header has neither lists nor maps
            raise ValueError("the header of a page is damaged")
        length = 8 if kind == 7 else self._varint()
        self.place += length
        return None

    def _byte(self) -> int:
        self.place += 1
        return self._data[self.place - 1]

    def _varint(self) -> int:
        value = shift = 0
        while (byte := self._byte()) & 128:
            value |= (byte & 127) << shift
            shift += 7
        return value | byte << shift

    def _whole(self) -> int:
        value = self._varint()
        return (value >> 1) ^ -(value & 1)
