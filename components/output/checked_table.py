"""A checked dataset as people take it away: its own list with columns added, or cleaned.

In the columns added, text that a spreadsheet would run as a formula is made inert, as in every
export; what the list held already comes back as it was, character by character.
"""

from collections import defaultdict
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from components.check.checked import Checked
from components.check.decisions import Decisions
from components.datasets.captioned import (
    DAMAGE,
    DataError,
    coco_rows,
    flickr30k_rows,
    list_file,
    reader_of,
    text_rows,
)
from components.errors import CaptionLensError
from components.files import write_whole
from components.output.checked import coco_file, csv_file, parquet_file, text_file
from components.output.checked.verdict import Verdict, Verdicts
from components.output.export import rows_to_csv

_Write = Callable[[Path, Path, Verdicts], None]
_TABLE = ""  # the ending of tables: any but those of the other formats
_ENDINGS = {".parquet": ".parquet", ".pq": ".parquet", ".json": ".json", ".txt": ".txt"}
_ENDINGS |= {".token": ".txt"}


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
    form = _format(file)
    write = form.clean if cleaned else form.mark
    write_whole(out, lambda draft: _write(write, file, draft, rows))


def _write(write: _Write, file: Path, draft: Path, rows: Verdicts) -> None:
    try:
        write(file, draft, rows)
    except OSError:
        raise
    except (*DAMAGE, NotImplementedError) as error:  # Arrow's, of a type that it does not write
        reason = (str(error).splitlines() or [type(error).__name__])[0][:200]
        raise DataError(f"{file.name} cannot be written again: {reason}.") from error


def _format(file: Path) -> _Format:
    if file.suffix.lower() in {".parquet", ".pq"}:
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
        split = data.splits[data.owner[row]] if data.splits else ""
        suggestion = data.captions[better] if better >= 0 else None
        cells = [image, caption, split, *known.cells(image, [caption]), suggestion]
        rows.append(dict(zip(columns, cells, strict=True)))
    text = rows_to_csv(rows, columns)
    return text.encode(errors="replace").decode()  # JSON may have brought half a character
