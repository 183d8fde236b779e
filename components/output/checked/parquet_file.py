"""Writes a Parquet file of images with captions again: its types, row groups and metadata stay."""

import io
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any, BinaryIO, Self

from components.datasets.parquet import ANY_FILE_BYTES, expanded_bytes
from components.datasets.table import CAPTION_COLUMNS, image_column
from components.output.checked.original import Original
from components.output.checked.verdict import Verdicts, free, missing

if TYPE_CHECKING:
    import pyarrow as pa
    import pyarrow.parquet as pq

_BATCH = 1024  # rows


@dataclass(frozen=True)
class Row:
    """A row of captions: its image, and its cells of captions by the place of their column.

    ``texts`` are the captions as they are in the cells, and ``places`` says in which cells.
    """

    image: str
    cells: dict[int, Any]
    texts: list[str]
    places: list[int]

    @classmethod
    def of(cls, image: Any, cells: dict[int, Any]) -> Self:
        """Return the row of an image and its cells."""
        found = [(str(text), place) for place, cell in cells.items() for text in _texts(cell)]
        return cls(str(image or ""), cells, [text for text, _ in found], [at for _, at in found])

    @property
    def captions(self) -> list[str]:
        """The captions as the reader gives them."""
        return [" ".join(text.split()) for text in self.texts]

    def with_captions(self, captions: Sequence[str | None]) -> dict[int, Any]:
        """Return the cells with other captions, each where it was; None for one that is gone."""
        cells = dict(self.cells)
        olds = zip(self.texts, self.captions, captions, self.places, strict=True)
        kept = [(text if new == old else new, place) for text, old, new, place in olds]
        for place in self.places:
            texts = [text for text, at in kept if at == place and text is not None]
            cells[place] = texts if isinstance(cells[place], list) else next(iter(texts), None)
        return cells


@dataclass(frozen=True)
class Groups:
    """A Parquet file, open as ``data``, that is read by row groups."""

    name: str
    data: BinaryIO

    @cached_property
    def parquet(self) -> "pq.ParquetFile":
        """What reads the file."""
        import pyarrow.parquet as pq

        return pq.ParquetFile(self.data)

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

    @property
    def caption_places(self) -> list[int]:
        """The places of columns of captions, in the reader's order."""
        return [self.columns[name] for name in CAPTION_COLUMNS if name in self.columns]

    def tables(self) -> Iterator["pa.Table"]:
        """Yield the row groups. Raises ValueError where they expand to far more than the file."""
        _check_expansion(self.data)
        for number in range(self.parquet.num_row_groups):
            yield self.parquet.read_row_group(number, use_threads=False)  # see records.py

    def rows(self, table: "pa.Table") -> Iterator[Row]:
        """Yield the rows of a row group, as `components.datasets.captioned.read` reads them."""
        images = table.column(self.columns[image_column(self.name, self.columns)])
        cells = [table.column(place).to_pylist() for place in self.caption_places]
        for image, *values in zip(images.to_pylist(), *cells, strict=True):
            yield Row.of(image, dict(zip(self.caption_places, values, strict=True)))

    def writer(self, out: BinaryIO, schema: "pa.Schema") -> "pq.ParquetWriter":
        """Return a writer of a file of that schema, compressed like this one."""
        import pyarrow.parquet as pq

        metadata = self.parquet.metadata
        groups = metadata.num_row_groups and metadata.num_columns
        kind = metadata.row_group(0).column(0).compression if groups else "SNAPPY"
        return pq.ParquetWriter(out, schema, compression="NONE" if kind == "UNCOMPRESSED" else kind)


def mark(original: Original, out: BinaryIO, verdicts: Verdicts) -> None:
    """Write the file with columns added. Raises CaptionLensError, OSError or ValueError."""
    import pyarrow as pa

    with original.open() as data:
        groups = Groups(original.name, data)
        schema, names = groups.schema, free(verdicts.columns, groups.schema.names)
        kinds = [pa.float64(), *[pa.string()] * (len(names) - 1)]
        for name, kind in zip(names, kinds, strict=True):
            schema = schema.append(pa.field(name, kind))
        with groups.writer(out, schema) as writer:
            for table in groups.tables():
                cells = [verdicts.cells(row.image, row.captions) for row in groups.rows(table)]
                columns = zip(*cells, strict=True) if cells else ([] for _ in names)
                added = [pa.array(each, kind) for each, kind in zip(columns, kinds, strict=True)]
                rows = pa.table([*table.columns, *added], schema=schema)
                writer.write_table(rows, len(rows) or 1)


def clean(original: Original, out: BinaryIO, verdicts: Verdicts) -> None:
    """Write the file with its decisions carried out. Raises CaptionLensError, OSError, ValueError.

    A row is left out when its last caption is gone. A caption that moves gets a row of its own,
    in its place: a copy of the first row of its new image.
    """
    with original.open() as data:
        groups = Groups(original.name, data)
        firsts = _first_rows(groups, verdicts)
        with groups.writer(out, groups.schema) as writer:
            for table in groups.tables():
                rows = _cleaned(groups, table, verdicts, firsts)
                writer.write_table(rows, len(rows) or 1)


def _cleaned(
    groups: Groups, table: "pa.Table", verdicts: Verdicts, firsts: dict[str, "pa.Table"]
) -> "pa.Table":
    """Return what a row group becomes."""
    import pyarrow as pa

    numbers = {image: len(table) + number for number, image in enumerate(firsts)}
    rows = list(_rows(groups, table, verdicts, firsts, numbers))
    result = pa.concat_tables([table, *firsts.values()]).take([number for number, _ in rows])
    for place in groups.caption_places:
        field = groups.schema.field(place)
        values = pa.array([cells[place] for _, cells in rows], field.type)
        result = result.set_column(place, field, values)
    return result


def _rows(
    groups: Groups,
    table: "pa.Table",
    verdicts: Verdicts,
    firsts: dict[str, "pa.Table"],
    numbers: dict[str, int],
) -> Iterator[tuple[int, dict[int, Any]]]:
    """Yield each row of the result: the number of the row it copies, and its cells of captions."""
    for number, row in enumerate(groups.rows(table)):
        captions = row.captions
        kept = verdicts.kept(row.image, captions)
        if kept == captions or any(kept):
            yield number, row.with_captions(kept)
        for image, caption in verdicts.moves(row.image, captions):
            if image not in firsts:
                raise missing(image)
            (first,) = groups.rows(firsts[image])
            others = [None] * (len(first.captions) - 1)
            yield numbers[image], first.with_captions([caption, *others])


def _first_rows(groups: Groups, verdicts: Verdicts) -> dict[str, "pa.Table"]:
    """Return the first row with captions of each image that captions move to."""
    firsts: dict[str, Any] = {}
    for table in groups.tables() if verdicts.targets else ():
        for number, row in enumerate(groups.rows(table)):
            image = verdicts.image_of(row.image)
            if image in verdicts.targets and row.texts and image not in firsts:
                firsts[image] = table.take([number])
    return firsts


def _texts(cell: Any) -> list[Any]:
    """Return the captions of a cell."""
    return cell if isinstance(cell, list) else [cell] if cell else []


def _check_expansion(data: BinaryIO) -> None:
    """Raise ValueError where the cells of a file take far more than a file of its size should."""
    import pyarrow.parquet as pq

    limit = ANY_FILE_BYTES + 50 * data.seek(0, io.SEEK_END)
    schema = pq.ParquetFile(data).schema
    leaves = [schema.column(number) for number in range(len(schema.names))]
    kept = [leaf.path for leaf in leaves if leaf.physical_type == "BYTE_ARRAY"]
    table = pq.ParquetFile(data, read_dictionary=kept)
    # Group by group: Arrow cannot put lists of dictionaries of two groups into one batch.
    for number in range(table.num_row_groups):
        for batch in table.iter_batches(_BATCH, [number], kept, use_threads=False):
            limit -= sum(map(expanded_bytes, batch.columns))
            if limit < 0:
                raise ValueError("it expands to far more than a file of its size should")
