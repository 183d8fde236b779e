"""``label``: each image's best label of a list."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import numpy as np
import typer

from components.collection.store import FolderCollection, open_folder
from components.commands.console import (
    SKIPPED,
    DataOption,
    Format,
    FormatOption,
    ModelOption,
    ProgressLine,
    load_encoder,
    say,
)
from components.commands.stopping import Stop, stopping
from components.encoder import Encoded, Encoder, Skipped, bank_vectors, batched, encode
from components.errors import CaptionLensError
from components.files import write_bytes
from components.images import sample_sources
from components.labels.assign import LEAST_GIVEN, Scorer
from components.labels.images import Given, label_column, read_images, rows_of
from components.labels.label_list import (
    TEMPLATES,
    LabelError,
    LabelList,
    label_vectors,
    parse_labels,
    parse_templates,
)
from components.labels.labelled import Labelled, label_images, rows
from components.output.export import provenance, rows_to_csv, rows_to_json
from components.scores import Floats
from components.words import count, shorten

_SHOWN = 20  # suspicious labels
_LIST_BYTES = 10_000_000  # a larger list of labels or templates is another kind of file
_GROUP = 1024  # images whose vectors are kept together


@dataclass(frozen=True)
class _Images:
    """What is labelled: names, unit vectors in chunks, given labels; how many were skipped."""

    names: Sequence[str]
    chunks: Iterable[Floats]
    given: Sequence[str] = ()
    skipped: int = 0


def label(
    labels: Annotated[
        Path, typer.Argument(help="A text file: a label a line, synonyms after a comma or |.")
    ],
    place: Annotated[
        str, typer.Argument(help="A folder, a table or dataset, a collection's name, or: samples")
    ],
    out: Annotated[
        Path | None, typer.Option(help="Write every image's labels to this CSV or JSON file.")
    ] = None,
    templates: Annotated[
        Path | None, typer.Option(help="A text file: a phrase a line, {} in place of the label.")
    ] = None,
    true: Annotated[
        str, typer.Option(help="The column of the labels that the images have already.")
    ] = "",
    model: ModelOption = "",
    form: FormatOption = Format.table,
    data_dir: DataOption = None,
) -> None:
    """Give each image of PLACE its best label of the file LABELS, or "None of these".

    Status 1: some images were skipped; 130 or 143: it was stopped.
    """
    if out and out.suffix.lower() not in {".csv", ".json"}:
        raise CaptionLensError(f"{out.name} must end with .csv or .json.")
    listed = _labels(labels)
    phrases = parse_templates(_text(templates)) if templates else TEMPLATES
    collection, given = _opened(place, true)
    encoder = load_encoder(model or (collection.manifest.model if collection else ""))
    with stopping("Nothing is written.") as stop:
        images = _encoded(encoder, collection, given, stop)
        labelled = _labelled(encoder, listed, phrases, images, stop)
    table = rows(labelled, images.given)
    if out:
        write_bytes(out, _file(table, encoder, out.suffix.lower() == ".json").encode())
        say(f"Wrote {count(len(table), 'image')} to {out.name}.")
    if form is Format.table:
        typer.echo(_summary(labelled, images.given))
    else:
        typer.echo(_file(table, encoder, form is Format.json).rstrip("\r\n"))
    if images.skipped:
        raise typer.Exit(SKIPPED)


def _labels(file: Path) -> LabelList:
    listed = parse_labels(_text(file))
    if not listed.labels:
        raise LabelError(f"{file.name} has no label. Write one a line.")
    if listed.merged:
        say(f"{count(listed.merged, 'repeated label')} merged.")
    if listed.dropped:
        say(f"{count(listed.dropped, 'label')} above the limit of {len(listed.labels):,} left out.")
    return listed


def _text(file: Path) -> str:
    with file.open("rb") as opened:
        data = opened.read(_LIST_BYTES + 1)
    if len(data) > _LIST_BYTES:
        raise LabelError(f"{file.name} is larger than {_LIST_BYTES // 1_000_000} MB: not a list.")
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise LabelError(f"{file.name} is not text in UTF-8.") from error


def _opened(place: str, true: str) -> tuple[FolderCollection | None, Given]:
    """Return the collection of a name, or the images of files; the given labels of either."""
    if place == "samples":
        return None, Given(sample_sources())
    path = Path(place).expanduser()
    if path.exists():
        return None, read_images(path, true)
    collection = open_folder(place)
    column = label_column(collection.columns, true)
    values = collection.table[column].to_pylist() if column else []
    return collection, Given((), ["" if value is None else str(value) for value in values])


def _encoded(
    encoder: Encoder, collection: FolderCollection | None, given: Given, stop: Stop
) -> _Images:
    if collection:
        collection.manifest.check_model(encoder.spec.id, encoder.revision)
        names = [str(id_) for id_ in collection.table["id"].to_pylist()]
        return _Images(names, collection.matrix.chunks(), given.labels)
    kept: list[int] = []
    reasons = [*given.missing]
    chunks = [
        np.stack(group) for group in batched(_vectors(encoder, given, kept, reasons, stop), _GROUP)
    ]
    for reason in reasons:
        say(f"skipped: {reason}")
    if not kept:
        raise CaptionLensError("There are no images that can be read.")
    names = [given.sources[row].name for row in kept]
    labels = [given.labels[row] for row in kept] if given.labels else ()
    return _Images(names, chunks, labels, len(reasons))


def _vectors(
    encoder: Encoder, given: Given, kept: list[int], reasons: list[str], stop: Stop
) -> Iterator[Floats]:
    """Yield the vectors of the images that can be read, whose numbers are added to ``kept``."""
    line = ProgressLine()
    for row, item in enumerate(encode(encoder, given.sources)):
        _check(stop, line)
        line.show(f"Encoding {row + 1:,} of {len(given.sources):,} images")
        if isinstance(item, Skipped):
            reasons.append(item.reason)
        elif isinstance(item, Encoded):
            kept.append(row)
            yield item.vector
    line.end()


def _labelled(
    encoder: Encoder, listed: LabelList, phrases: Sequence[str], images: _Images, stop: Stop
) -> Labelled:
    line = ProgressLine()

    def progress(done: int, total: int) -> None:
        _check(stop, line)
        line.show(f"Encoding {done:,} of {total:,} phrases of labels")

    def watched() -> Iterator[Floats]:
        done = 0
        for chunk in images.chunks:
            _check(stop, line)
            yield chunk
            done += len(chunk)
            line.show(f"Labelled {done:,} of {len(images.names):,} images")

    vectors = label_vectors(encoder.texts, listed.labels, phrases, progress)
    scorer = Scorer(vectors, bank_vectors(encoder))
    known = rows_of(images.given, listed.labels) if images.given else None
    labelled = label_images(images.names, listed.names, scorer, watched(), known)
    line.end()
    return labelled


def _check(stop: Stop, line: ProgressLine) -> None:
    """End the command where a person has stopped it."""
    if stop.is_set():
        line.end()
        raise typer.Exit(stop.status)


def _file(table: Sequence[dict[str, object]], encoder: Encoder, as_json: bool) -> str:
    return rows_to_json(table, provenance(encoder)) if as_json else rows_to_csv(table)


def _summary(labelled: Labelled, given: Sequence[str]) -> str:
    """Return how many images each label has, the most frequent first, and the suspicious labels."""
    labelling = labelled.labelling
    lines = [" images  confidence  label"]
    for label_row in np.argsort(-labelling.counts, kind="stable").tolist():
        rows_of_label = labelling.images_of(label_row)
        if len(rows_of_label):
            mean = labelling.confidence[rows_of_label].mean()
            name = shorten(labelling.names[label_row], 80)
            lines.append(f"{len(rows_of_label):>7,}  {mean:>10.1%}  {name}")
    unused = len(labelling.names) - len(lines) + 1
    if unused:
        lines.append(f"{count(unused, 'label')} of no image.")
    return "\n".join([*lines, *_of_given(labelled, given)])


def _of_given(labelled: Labelled, given: Sequence[str]) -> list[str]:
    """Return what the given labels tell: accuracy, calibration, the suspicious ones."""
    opposed = labelled.opposed
    if opposed is None:
        return ["", "None of the given labels is in the list."] if any(given) else []
    known = int((opposed.given >= 0).sum())
    fit = (
        "confidences are fitted to the given labels"
        if labelled.fitted
        else f"too few to fit confidences to, which takes {LEAST_GIVEN}"
    )
    found = labelled.suspicious
    lines = [
        "",
        f"{known:,} of {count(len(labelled.images), 'image')} have a label of the list; the best"
        f" label is the given one for {labelled.accuracy:.1%}; expected calibration error"
        f" {labelled.calibration_error:.3f}; {fit}.",
        f"{count(len(found), 'suspicious label')}"
        + (f", the first {_SHOWN}:" if len(found) > _SHOWN else ":" if len(found) else "."),
    ]
    names = labelled.labelling.names
    for row in found[:_SHOWN].tolist():
        lines.append(
            f"  {shorten(labelled.images[row])}: {shorten(given[row], 40)}"
            f" ({opposed.confidence[row]:.1%}), rather {shorten(names[opposed.other[row]], 40)}"
            f" ({opposed.other_confidence[row]:.1%})"
        )
    return lines
