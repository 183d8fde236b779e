"""Writes a Parquet file of images with captions again: its types, row groups and metadata stay."""

import io
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from components.datasets.parquet import _BYTES, _expanded
from components.datasets.table import CAPTION_COLUMNS, image_column
from components.output.checked.verdict import Verdicts, free, missing

if TYPE_CHECKING:
    import pyarrow as pa
    import pyarrow.parquet as pq

_BATCH = 1024  # rows


@dataclass(frozen=True)
class Row:
    """A row: its place in its group, its image, and each caption with the column it is in."""

    place: int
    image: str
    captions: list[str]
    columns: list[int]


@dataclass(frozen=True)
class Groups:
    """A Parquet file, read by row groups."""

    file: Path

    @cached_property
    def parquet(self) -> "pq.ParquetFile":
        """The file, open."""
        import pyarrow.parquet as pq

        return pq.ParquetFile(self.file)

    @cached_property
    def schema(self) -> "pa.Schema":
        """The columns."""
        return self.parquet.schema_arrow

    @cached_property
    def columns(self) -> dict[str, int]:
        """The places of columns that the reader knows by name: those of bytes it passes over."""
        import pyarrow as pa

        kinds = enumerate(self.schema)
        return {field.name: place for place, field in kinds if not pa.types.is_binary(field.type)}

    def tables(self) -> Iterator["pa.Table"]:
        """Yield the row groups. Raises ValueError where they expand to far more than the file."""
        _check_expansion(self.file)
        for number in range(self.parquet.num_row_groups):
            yield self.parquet.read_row_group(number)

    def rows(self, table: "pa.Table") -> Iterator[Row]:
        """Yield the rows of a row group, as `components.datasets.captioned.read` reads them."""
        images = table.column(self.columns[image_column(self.file.name, self.columns)]).to_pylist()
        places = [self.columns[name] for name in CAPTION_COLUMNS if name in self.columns]
        cells = {place: table.column(place).to_pylist() for place in places}
        for number, image in enumerate(images):
            found = [(text, place) for place in places for text in _texts(cells[place][number])]
            yield Row(
                number, str(image or ""), [text for text, _ in found], [place for _, place in found]
            )

    def writer(self, draft: Path, schema: "pa.Schema") -> "pq.ParquetWriter":
        """Return a writer of a file of that schema, compressed like this one."""
        import pyarrow.parquet as pq

        metadata = self.parquet.metadata
        groups = metadata.num_row_groups and metadata.num_columns
        kind = metadata.row_group(0).column(0).compression if groups else "SNAPPY"
        return pq.ParquetWriter(
            draft, schema, compression="NONE" if kind == "UNCOMPRESSED" else kind
        )


def mark(file: Path, draft: Path, verdicts: Verdicts) -> None:
    """Write the file with columns added. Raises CaptionLensError, OSError or ValueError."""
    import pyarrow as pa

    groups = Groups(file)
    names = free(verdicts.columns, groups.schema.names)
    kinds = [pa.float64(), *[pa.string()] * (len(names) - 1)]
    schema = groups.schema
    for name, kind in zip(names, kinds, strict=True):
        schema = schema.append(pa.field(name, kind))
    with groups.writer(draft, schema) as writer:
        for table in groups.tables():
            cells = [verdicts.cells(row.image, row.captions) for row in groups.rows(table)]
            columns = zip(*cells, strict=True) if cells else ([] for _ in names)
            added = [pa.array(each, kind) for each, kind in zip(columns, kinds, strict=True)]
            writer.write_table(pa.table([*table.columns, *added], schema=schema), len(table) or 1)


def clean(file: Path, draft: Path, verdicts: Verdicts) -> None:
    """Write the file with its decisions carried out. Raises CaptionLensError, OSError, ValueError.

    A row is left out when its last caption is gone. A caption that moves gets a row of its own,
    in its place: a copy of the first row of its new image.
    """
    groups = Groups(file)
    firsts = _first_rows(groups, verdicts)
    with groups.writer(draft, groups.schema) as writer:
        for table in groups.tables():
            rows = _cleaned(groups, table, verdicts, firsts)
            writer.write_table(rows, len(rows) or 1)


def _cleaned(
    groups: Groups, table: "pa.Table", verdicts: Verdicts, firsts: dict[str, "pa.Table"]
) -> "pa.Table":
    """Return what a row group becomes."""
    parts = []
    begun = 0  # of the rows that have not changed since the last part
    for row in groups.rows(table):
        kept = verdicts.kept(row.image, row.captions)
        if kept == row.captions:
            continue
        parts.append(table.slice(begun, row.place - begun))
        begun = row.place + 1
        if any(kept):
            parts.append(_with(groups, table.slice(row.place, 1), row.columns, kept))
        for image, caption in verdicts.moves(row.image, row.captions):
            if image not in firsts:
                raise missing(image)
            parts.append(_only(groups, firsts[image], caption))
    return _joined([*parts, table.slice(begun)])


def _only(groups: Groups, first: "pa.Table", caption: str) -> "pa.Table":
    """Return an image's first row with one caption."""
    (row,) = groups.rows(first)
    others = [None] * (len(row.captions) - 1)
    return _with(groups, first, row.columns, [caption, *others])


def _with(
    groups: Groups, table: "pa.Table", columns: list[int], captions: list[str | None]
) -> "pa.Table":
    """Return a row with other captions, each in the column where it was; None for none."""
    import pyarrow as pa

    for place in dict.fromkeys(columns):
        pairs = zip(columns, captions, strict=True)
        texts = [text for at, text in pairs if at == place and text]
        field = groups.schema.field(place)
        is_list = isinstance(table.column(place)[0].as_py(), list)
        value = texts if is_list else next(iter(texts), None)
        table = table.set_column(place, field, pa.array([value], field.type))
    return table


def _first_rows(groups: Groups, verdicts: Verdicts) -> dict[str, "pa.Table"]:
    """Return the first row with captions of each image that captions move to."""
    firsts: dict[str, Any] = {}
    for table in groups.tables() if verdicts.targets else ():
        for row in groups.rows(table):
            if row.image in verdicts.targets and row.captions and row.image not in firsts:
                firsts[row.image] = table.take([row.place])
    return firsts


def _joined(parts: list["pa.Table"]) -> "pa.Table":
    import pyarrow as pa

    return pa.concat_tables(parts).combine_chunks()


def _texts(value: Any) -> list[str]:
    """Return the captions of a cell."""
    texts = value if isinstance(value, list) else [value] if value else []
    return [" ".join(str(text).split()) for text in texts]


def _check_expansion(file: Path) -> None:
    """Raise ValueError where the cells of a file take far more than a file of its size should."""
    import pyarrow.parquet as pq

    with file.open("rb") as data:
        limit = _BYTES + 50 * data.seek(0, io.SEEK_END)
        schema = pq.ParquetFile(data).schema
        leaves = [schema.column(number) for number in range(len(schema.names))]
        kept = [leaf.path for leaf in leaves if leaf.physical_type == "BYTE_ARRAY"]
        table = pq.ParquetFile(data, read_dictionary=kept)
        # Group by group: Arrow cannot put lists of dictionaries of two groups into one batch.
        for number in range(table.num_row_groups):
            for batch in table.iter_batches(_BATCH, row_groups=[number], columns=kept):
                limit -= sum(map(_expanded, batch.columns))
                if limit < 0:
                    raise ValueError("it expands to far more than a file of its size should")
