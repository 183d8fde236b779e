"""``check``: the wrong captions, duplicates and leaks of a captioned dataset."""

import re
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from components.check.findings.finding import KINDS
from components.collection.build import BuildJob, build, describe, summary
from components.collection.manifest import CHECK
from components.collection.sources.source import SourceSpec
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
from components.encoder import Encoder
from components.errors import CaptionLensError
from components.words import count, shorten

if TYPE_CHECKING:
    from components.check.checked import Checked
    from components.check.decisions import Decisions

SUSPECT = 3  # the exit status where more is suspect than --fail-above allows
MAX_PAIRS = 200_000


def check(
    data: Annotated[
        str,
        typer.Argument(
            help="A file that lists images with captions, its folder, or a collection's name."
        ),
    ],
    images: Annotated[
        Path | None,
        typer.Option(help="The folder of the images. Default: the usual ones beside the file."),
    ] = None,
    top: Annotated[int, typer.Option(min=0, help="Pairs that are shown, worst first.")] = 30,
    out: Annotated[
        Path | None, typer.Option(help="Write the dataset's table with columns added.")
    ] = None,
    cleaned: Annotated[
        Path | None, typer.Option(help="Write the dataset's table as it was decided.")
    ] = None,
    decisions: Annotated[
        Path | None, typer.Option(help="A file of decisions. Default: those of the page Check.")
    ] = None,
    report: Annotated[Path | None, typer.Option(help="Write an HTML report.")] = None,
    fail_above: Annotated[
        float | None,
        typer.Option(min=0.0, max=1.0, help="Status 3 where a larger share is suspect."),
    ] = None,
    model: ModelOption = "",
    form: FormatOption = Format.table,
    data_dir: DataOption = None,
) -> None:
    """Find the captions that are probably wrong, duplicates, leaks between splits, and more.

    The images are encoded once, into a collection, and the dataset is never changed. Status 1:
    images are missing or unreadable; 3: --fail-above; 130 or 143: stopped, and what is encoded is
    kept.
    """
    source = Path(data).expanduser()
    if form is Format.csv:
        raise CaptionLensError("The output formats of check are table and json; --out writes CSV.")
    tables = [(path, clean) for path, clean in ((out, False), (cleaned, True)) if path]
    for path, clean in tables:
        _check_output(source, path, clean)
    encoder = load_encoder(model)
    with stopping("What is encoded is kept.") as stop:
        collection = _collection(source, images, encoder, stop)
        checked = _checked(encoder, collection, stop)
    known = _decisions(decisions, collection)
    for path, clean in tables:
        _write(source, path, checked, known, clean)
    if report:
        _report(report, encoder, collection, checked, known)
    typer.echo(_json(checked, encoder) if form is Format.json else _table(checked, top))
    _end(checked, collection, fail_above)


def _check_output(source: Path, out: Path, cleaned: bool) -> None:
    from components.output.checked_table import check_output

    if source.exists():
        check_output(source, out, cleaned)
    elif cleaned:
        raise CaptionLensError("--cleaned needs the dataset's own file: a collection has none.")


def _collection(
    source: Path, images: Path | None, encoder: Encoder, stop: Stop
) -> FolderCollection:
    """Return the collection of a dataset's images, built or updated; or the one of that name."""
    if not source.exists():
        return open_folder(str(source))
    job = _job(source, images)
    line = ProgressLine()
    done = build(job, encoder, lambda now: line.show(describe(now)), stop)
    line.end()
    say(summary(done))
    if stop.is_set():
        raise typer.Exit(stop.status)
    return open_folder(job.name)


def _job(source: Path, images: Path | None) -> BuildJob:
    """Return the collection to build. Raises DataError, and CaptionLensError where it is large."""
    from components.datasets.captioned import list_file, read

    file = list_file(source).resolve()
    pairs = sum(len(example.captions) for example in read(file, images).examples)
    if pairs > MAX_PAIRS:
        raise CaptionLensError(
            f"{file.name} has {pairs:,} captions; a check takes up to {MAX_PAIRS:,}. Check it in"
            " parts."
        )
    name = re.sub(r"[^\w -]+", "-", f"{file.parent.name} {file.stem}").strip(" -_")[:60]
    root = str(images.expanduser().absolute()) if images else ""
    return BuildJob(f"{name or 'captions'} check", SourceSpec("captions", str(file), root))


def _checked(encoder: Encoder, collection: FolderCollection, stop: Stop) -> "Checked":
    from components.check.indexed import check_indexed, encode_captions, of_collection

    line = ProgressLine()

    def show(share: float, stage: str) -> None:
        if stop.is_set():
            raise typer.Exit(stop.status)
        line.show(f"{stage}: {share:.0%}")

    collection.manifest.check_model(encoder.spec.id, encoder.revision)
    indexed = of_collection(collection)
    texts = encode_captions(encoder, indexed.data.captions, collection.folder, show)
    checked = check_indexed(encoder, indexed, texts, show)
    line.end()
    return checked


def _decisions(file: Path | None, collection: FolderCollection) -> "Decisions":
    """Return the decisions of a file, or those that were made on the page."""
    from components.check.decisions import Decisions
    from components.check.indexed import DECISIONS

    kept = file or collection.folder / CHECK / DECISIONS
    return Decisions.load(kept) if file or kept.exists() else Decisions()


def _write(source: Path, out: Path, checked: "Checked", known: "Decisions", clean: bool) -> None:
    from components.files import write_bytes
    from components.output.checked_table import checked_csv, verdicts, write_checked

    if source.exists():
        write_checked(source, out, verdicts(checked, known), clean)
    else:
        write_bytes(out, checked_csv(checked, known).encode())


def _report(
    file: Path,
    encoder: Encoder,
    collection: FolderCollection,
    checked: "Checked",
    known: "Decisions",
) -> None:
    from components.files import write_bytes
    from components.output.check_report import CheckReport, html
    from components.output.report import receipt

    page = html(CheckReport(checked, collection.thumbnail_at, known, receipt(encoder)))
    write_bytes(file, page.encode())


def _json(checked: "Checked", encoder: Encoder) -> str:
    from components.output.check_json import to_json
    from components.output.report import receipt

    return to_json(checked, receipt(encoder))


def _table(checked: "Checked", top: int) -> str:
    data = checked.data
    lines = [
        f"{count(len(data), 'pair')}, {count(len(data.images), 'image')}:"
        f" {checked.suspects:,} more likely wrong than right; about {checked.share:.1%} of all"
        " pairs are wrong",
    ]
    found = [(kind, checked.counts[kind]) for kind in KINDS if checked.counts[kind]]
    lines += [f"{number:>9,}  {kind}" for kind, number in found]
    shown = checked.order[:top]
    if top:
        expected = f"{checked.precision(len(shown)):.0%}"
        lines += ["", f"The first {len(shown)}, of which {expected} are expected to be wrong:"]
    for row in shown.tolist():
        caption = shorten(data.captions[row], 80)
        lines += [f"{checked.probability[row]:>7.1%}  {data.image_of(row)}  {caption}"]
        lines += [f"         {checked.reason(row)}"]
        if (better := int(checked.suggestion[row])) >= 0:
            lines += [f"         Fits better: {shorten(data.captions[better], 80)}"]
    return "\n".join(lines)


def _end(checked: "Checked", collection: FolderCollection, fail_above: float | None) -> None:
    share = checked.suspects / len(checked.data)
    if fail_above is not None and share > fail_above:
        say(f"{share:.1%} of the pairs are suspect, more than {fail_above:.1%}.")
        raise typer.Exit(SUSPECT)
    if skipped := collection.skipped():
        for row in skipped[:20]:
            say(f"skipped: {row['reason']}")
        raise typer.Exit(SKIPPED)
