"""A checked dataset as people take it away: its own list with columns added, or cleaned.

In the columns added, text that a spreadsheet would run as a formula is made inert, as in every
export; what the list held already comes back as it was, character by character.
"""

import io
from collections import defaultdict
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import BinaryIO

from components.check.caption_set import CaptionSet
from components.check.checked import Checked
from components.check.decisions import Decision, Decisions
from components.datasets.captioned import (
    DAMAGE,
    DataError,
    coco_rows,
    flickr30k_rows,
    list_file,
    reader_of,
    text_rows,
)
from components.datasets.pairs import caption_of, image_of
from components.errors import CaptionLensError
from components.files import write_whole
from components.output.checked import coco_file, csv_file, parquet_file, text_file
from components.output.checked.original import Original
from components.output.checked.verdict import Verdict, Verdicts
from components.output.export import Row, rows_to_csv

_Write = Callable[[Original, BinaryIO, Verdicts], None]
_TABLE = ""  # the ending of tables: any but those of the other formats
_PARQUET_ENDINGS = (".parquet", ".pq")
_ENDINGS = dict.fromkeys(_PARQUET_ENDINGS, ".parquet")
_ENDINGS |= {".json": ".json", ".txt": ".txt", ".token": ".txt"}


@dataclass(frozen=True)
class _Format:
    """How a format's list is written, and with which endings of the file's name."""

    mark: _Write
    clean: _Write
    marked: str = _TABLE
    cleaned: str = _TABLE


_CSV = _Format(csv_file.mark, csv_file.clean)
_PARQUET = _Format(parquet_file.mark, parquet_file.clean, ".parquet", ".parquet")
_FORMATS: dict[Callable[[Path], object], _Format] = {
    coco_rows: _Format(coco_file.mark, coco_file.clean, ".json", ".json"),
    text_rows: _Format(text_file.mark, text_file.clean, _TABLE, ".txt"),
    flickr30k_rows: _Format(text_file.mark, text_file.clean),
}


def verdicts(checked: Checked, decisions: Decisions) -> Verdicts:
    """Return what is written about each pair of a checked dataset.

    Findings about an image alone are of all of its captions, also where it could not be checked.
    Of a pair that the dataset has several times, the largest probability counts.
    """
    data = checked.data
    by_image: dict[str, dict[str, None]] = defaultdict(dict)
    for finding in checked.findings:
        for image in () if finding.rows else finding.images:
            by_image[image][finding.kind] = None
    by_pair = {(image, ""): Verdict(None, tuple(kinds)) for image, kinds in by_image.items()}
    for row in checked.order[::-1].tolist():
        pair = image, _ = (data.image_of(row), data.captions[row])
        kinds = dict.fromkeys([*checked.kinds(row), *by_image.get(image, ())])
        probability = float(checked.probability[row])
        by_pair[pair] = Verdict(probability, tuple(kinds), decisions.get(pair))
    return Verdicts(by_pair)


def check_output(source: Path, out: Path, cleaned: bool) -> None:
    """Raise CaptionLensError where `write_checked` would refuse to write ``out``."""
    file = list_file(source)
    if out.resolve() == file.resolve() or (out.exists() and out.samefile(file)):
        raise CaptionLensError(f"{out.name} is the dataset's own list, which is never changed.")
    form = _format(file)
    ending = form.cleaned if cleaned else form.marked
    if _ENDINGS.get(out.suffix.lower(), _TABLE) != ending:
        raise CaptionLensError(
            f"What is written of {file.name} needs a name that ends in {ending or '.csv'},"
            f" not {out.name}."
        )


def write_checked(source: Path, out: Path, rows: Verdicts, cleaned: bool) -> None:
    """Write a dataset's list again, in its format, its columns and its order, whole or not at all.

    ``source`` is the list or its folder, as `components.datasets.captioned.read` takes it.
    `Verdicts.columns` are added (a name that the list has already gets "_2" at its end); none if
    ``cleaned``: then what was decided is carried out. Flickr8k's and Flickr30k's text lists have
    no room for columns: marked, they become CSV. Raises CaptionLensError, and OSError where
    writing fails.
    """
    check_output(source, out, cleaned)
    file = list_file(source)
    original, form = Original(file.name, lambda: file.open("rb")), _format(file)

    def write(draft: Path) -> None:
        with draft.open("wb") as data:
            _write(form, original, data, rows, cleaned)

    write_whole(out, write)


def checked_bytes(name: str, data: bytes, rows: Verdicts, cleaned: bool) -> bytes:
    """Return a CSV or Parquet file again as `write_checked` writes it, without touching the disk.

    ``data`` are the bytes of a file ``name``, and ``rows`` are about pairs that were read from it
    by `components.datasets.pairs.read_pairs`. Raises CaptionLensError.
    """
    form = _PARQUET if Path(name).suffix.lower() in _PARQUET_ENDINGS else _CSV
    named = replace(rows, image_of=image_of, caption_of=caption_of)
    out = io.BytesIO()
    _write(form, Original(name, partial(io.BytesIO, data)), out, named, cleaned)
    return out.getvalue()


def _write(form: _Format, original: Original, out: BinaryIO, rows: Verdicts, cleaned: bool) -> None:
    try:
        (form.clean if cleaned else form.mark)(original, out, rows)
    except (*DAMAGE, NotImplementedError) as error:  # Arrow's, of a type that it does not write
        if isinstance(error, OSError) and error.errno:  # Arrow's about damage has no number
            raise
        reason = (str(error).splitlines() or [type(error).__name__])[0][:200]
        raise DataError(f"{original.name} cannot be written again: {reason}.") from error


def _format(file: Path) -> _Format:
    if file.suffix.lower() in _PARQUET_ENDINGS:
        return _PARQUET
    return _FORMATS.get(reader_of(file), _CSV)


def checked_csv(checked: Checked, decisions: Decisions) -> str:
    """Return a CSV file of all pairs in the dataset's order, for a dataset without a list.

    Its columns are image, caption, split, `Verdicts.columns`, and suggestion: the caption that
    fits better.
    """
    data, known = checked.data, verdicts(checked, decisions)
    columns = ["image", "caption", "split", *known.columns, "suggestion"]
    rows = []
    for row, caption in enumerate(data.captions):
        image, better = data.image_of(row), checked.suggestion[row]
        split = data.splits[data.owner[row]]
        suggestion = data.captions[better] if better >= 0 else None
        cells = [image, caption, split, *known.cells(image, [caption]), suggestion]
        rows.append(dict(zip(columns, cells, strict=True)))
    return _csv(rows, columns)


def cleaned_csv(data: CaptionSet, decisions: Decisions) -> str:
    """Return a CSV file of all pairs with the decisions carried out, for a dataset without a list.

    Its columns are image, caption and, where the dataset has any, split.
    """
    splits = dict(zip(data.images, data.splits, strict=True))
    rows = []
    for row, caption in enumerate(data.captions):
        image = data.image_of(row)
        decision = decisions.get((image, caption)) or Decision("keep")
        if decision.action != "drop":
            place, text = decision.image or image, decision.caption or caption
            rows.append({"image": place, "caption": text, "split": splits.get(place, "")})
    return _csv(rows, ["image", "caption", *(["split"] if any(splits.values()) else [])])


def _csv(rows: Sequence[Row], columns: Sequence[str]) -> str:
    text = rows_to_csv(rows, columns)
    return text.encode(errors="replace").decode()  # JSON may have brought half a character
