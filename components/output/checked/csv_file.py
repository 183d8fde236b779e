"""Writes a CSV file of images with captions again, as `components.datasets.table` reads it.

A record is written as the text that it was read from, quoting and line ends included, with cells
added at its end. Only a record that `clean` changes is put together anew, quoted where needed.
"""

import csv
import io
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import BinaryIO

from components.datasets.table import CAPTION_COLUMNS, TableError, image_column
from components.output.checked.original import Original, as_text
from components.output.checked.verdict import Verdicts, free, missing
from components.output.export import inert

_CELL = 1_000_000  # characters, as the reader allows
_EXTRA = 100  # cells that a record may have beyond its header's: every other record gets as many


@dataclass(frozen=True)
class Record:
    """A record as it was read, its cells, and where its image and its captions are.

    ``text``, without the ``end`` of its line, may be followed by more cells.
    """

    raw: str
    text: str
    end: str
    cells: list[str]
    image_at: int | None
    captions_at: tuple[int, ...]

    @property
    def image(self) -> str:
        """The image's name as the reader gives it, empty where there is none."""
        return "" if self.image_at is None else self.cells[self.image_at].strip()

    @property
    def captions(self) -> list[str]:
        """The captions as the reader gives them."""
        return [" ".join(self.cells[place].split()) for place in self.captions_at]


@dataclass(frozen=True)
class Sheet:
    """A CSV file, read record by record."""

    original: Original

    @cached_property
    def delimiter(self) -> str:
        """The delimiter that the reader takes."""
        with self.original.text() as lines:
            head = lines.readline()
        return max(",;\t|", key=head.count)

    @cached_property
    def names(self) -> list[str]:
        """The names in the header."""
        return [name.strip() for name in next(self._raw())[1]]

    def header(self) -> Record:
        """Return the header as a record."""
        text, cells = next(self._raw())
        return self._record(text, cells, None, {})

    def records(self) -> Iterator[Record]:
        """Yield the records after the header; an empty line is one without cells."""
        column = None
        records = self._raw()
        next(records)
        for text, cells in records:
            row = enumerate(zip(self.names, cells, strict=False))
            places = {name: place for place, (name, cell) in row if name and cell}
            if cells and column is None:
                column = image_column(self.original.name, places)
            yield self._record(text, cells, places.get(column or ""), places)

    def line(self, cells: Sequence[object]) -> str:
        """Return cells as the text of a record."""
        out = io.StringIO(newline="")
        csv.writer(out, delimiter=self.delimiter, lineterminator="").writerow(cells)
        return out.getvalue()

    def _record(
        self, text: str, cells: list[str], image_at: int | None, places: dict[str, int]
    ) -> Record:
        body = text.rstrip("\r\n")
        end = text[len(body) :]
        if cells and len(self._cells(body + self.delimiter)) == len(cells):
            body, end = f'{text}"', ""  # the last record of a file whose last quote is left open
        captions_at = tuple(places[name] for name in CAPTION_COLUMNS if name in places)
        return Record(text, body, end, cells, image_at, captions_at)

    def _cells(self, text: str) -> list[str]:
        return next(csv.reader([text], delimiter=self.delimiter, skipinitialspace=True))

    def _raw(self) -> Iterator[tuple[str, list[str]]]:
        """Yield each record's text, with its cells."""
        csv.field_size_limit(_CELL)
        taken: list[str] = []  # the lines of the record being read

        def noted(lines: Iterable[str]) -> Iterator[str]:
            for line in lines:
                taken.append(line)
                yield line

        with self.original.text() as lines:
            for cells in csv.reader(noted(lines), delimiter=self.delimiter, skipinitialspace=True):
                yield "".join(taken), cells
                taken.clear()


def mark(original: Original, out: BinaryIO, verdicts: Verdicts) -> None:
    """Write the file with columns added. Raises CaptionLensError, OSError or ValueError."""
    sheet = Sheet(original)
    width = _width(sheet)
    header = sheet.header()
    with as_text(out, original.encoding) as lines:
        lines.write(_longer(sheet, header, width, free(verdicts.columns, sheet.names)))
        for record in sheet.records():
            cells = map(inert, verdicts.cells(record.image, record.captions))
            lines.write(_longer(sheet, record, width, list(cells)))


def clean(original: Original, out: BinaryIO, verdicts: Verdicts) -> None:
    """Write the file with its decisions carried out. Raises CaptionLensError, OSError, ValueError.

    A row is left out when its last caption is gone. A caption that moves gets a row of its own,
    in its place: a copy of the first row of its new image.
    """
    sheet = Sheet(original)
    firsts = _first_rows(sheet, verdicts)
    with as_text(out, original.encoding) as lines:
        lines.write(sheet.header().raw)
        for record in sheet.records():
            lines.writelines(_cleaned(sheet, record, verdicts, firsts))


def _cleaned(
    sheet: Sheet, record: Record, verdicts: Verdicts, firsts: dict[str, Record]
) -> Iterator[str]:
    """Yield the lines that a record becomes."""
    captions = record.captions
    kept = verdicts.kept(record.image, captions)
    end = record.end or "\n"
    if kept == captions:
        yield record.raw
    elif any(kept):
        yield sheet.line(_with(record, kept)) + end
    for image, caption in verdicts.moves(record.image, captions):
        if image not in firsts:
            raise missing(image)
        first = firsts[image]
        others = [None] * (len(first.captions_at) - 1)
        yield sheet.line(_with(first, [caption, *others])) + end


def _with(record: Record, captions: Sequence[str | None]) -> list[str]:
    """Return a record's cells with other captions, None for an empty cell."""
    cells = list(record.cells)
    for place, old, new in zip(record.captions_at, record.captions, captions, strict=True):
        cells[place] = cells[place] if new == old else new or ""
    return cells


def _first_rows(sheet: Sheet, verdicts: Verdicts) -> dict[str, Record]:
    """Return the first row with captions of each image that captions move to."""
    firsts: dict[str, Record] = {}
    if verdicts.targets:
        for record in sheet.records():
            image = verdicts.image_of(record.image)
            if image in verdicts.targets and record.captions_at:
                firsts.setdefault(image, record)
    return firsts


def _width(sheet: Sheet) -> int:
    """Return the number of cells of the longest record. Raises TableError where that is absurd."""
    longest = max((len(record.cells) for record in sheet.records()), default=0)
    if longest > len(sheet.names) + _EXTRA:
        raise TableError(
            f"A row of {sheet.original.name} has {longest:,} cells where the header names"
            f" {len(sheet.names):,}. Correct it first."
        )
    return max(longest, len(sheet.names))


def _longer(sheet: Sheet, record: Record, width: int, cells: Sequence[object]) -> str:
    """Return a record with cells added behind those of the longest record."""
    if not record.cells:
        return record.raw
    space = sheet.delimiter * (width - len(record.cells) + 1)
    return record.text + space + sheet.line(cells) + record.end
