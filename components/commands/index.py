"""``index``: make, update, list, check and remove collections."""

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated, get_args

import typer

from components.collection.build import Job, build, describe, summary
from components.collection.manifest import CollectionError, Manifest, folder_of, read_manifest
from components.collection.sources.source import Kind, SourceSpec
from components.collection.store import collections, open_collection, remove, verify
from components.commands.console import (
    SKIPPED,
    DataOption,
    ModelOption,
    ProgressLine,
    load_encoder,
    say,
)
from components.errors import CaptionLensError

index_app = typer.Typer(no_args_is_help=True, help="Make collections of images to search in.")
_UNSPLASH_LIMIT = 1000  # a first look at 25,000 photographs


@index_app.command("build")
def build_command(
    kind: Annotated[str, typer.Argument(help="samples, folder, table or unsplash.")],
    place: Annotated[str, typer.Argument(help="The folder, or the CSV or Parquet file.")] = "",
    name: Annotated[str, typer.Option(help="By default, that of the folder or file.")] = "",
    limit: Annotated[
        int | None, typer.Option(min=0, help="Images at most; 0: all. Unsplash: 1000.")
    ] = None,
    zip_file: Annotated[
        str, typer.Option("--zip", help="Unsplash Lite, already downloaded: its zip or folder.")
    ] = "",
    images: Annotated[
        str, typer.Option(help="The folder that a table's paths start from. Its own by default.")
    ] = "",
    fresh: Annotated[bool, typer.Option(help="Encode everything again.")] = False,
    model: ModelOption = "",
    data_dir: DataOption = None,
) -> None:
    """Index images: those of the samples, a folder, a table, or Unsplash Lite.

    Run it again to go on where it was stopped. Status 1: some images were skipped.
    """
    spec = _spec(kind, place, zip_file, images, limit)
    _run(Job(name or _default_name(spec), spec, fresh), model)


def _spec(kind: str, place: str, zip_file: str, images: str, limit: int | None) -> SourceSpec:
    if kind not in get_args(Kind):
        raise CaptionLensError(f"{kind!r} is no source: {', '.join(get_args(Kind))} are.")
    if kind in {"folder", "table"} and not place:
        raise CaptionLensError(f"Say which {kind}: `index build {kind} PATH`.")
    where = place if kind in {"folder", "table"} else zip_file
    if where and "://" not in where:
        where = str(Path(where).expanduser().absolute())
    default = _UNSPLASH_LIMIT if kind == "unsplash" else 0
    root = str(Path(images).expanduser().absolute()) if images else ""
    return SourceSpec(kind, where, root, default if limit is None else limit)  # type: ignore[arg-type]


def _default_name(spec: SourceSpec) -> str:
    if spec.kind == "unsplash":
        return "unsplash-lite"
    return Path(spec.location).stem.strip(" .") if spec.location else spec.kind


def _run(job: Job, model: str) -> None:
    encoder = load_encoder(model)
    line = ProgressLine()
    with _stopping() as stop:
        report = build(job, encoder, lambda now: line.show(describe(now)), stop)
    line.end()
    say(summary(report))
    if report.skipped:
        for row in open_collection(job.name).skipped()[:20]:
            say(f"skipped: {row['reason']}")
        raise typer.Exit(SKIPPED)


@contextmanager
def _stopping() -> Iterator[threading.Event]:
    """Turn the first Ctrl-C into a stop that keeps what is done; the second one ends at once."""
    stop = threading.Event()
    before = signal.getsignal(signal.SIGINT)

    def on_interrupt(*_: object) -> None:
        stop.set()
        signal.signal(signal.SIGINT, before)
        say("\nStopping; what is done is kept.")

    signal.signal(signal.SIGINT, on_interrupt)
    try:
        yield stop
    finally:
        signal.signal(signal.SIGINT, before)


@index_app.command("list")
def list_command(data_dir: DataOption = None) -> None:
    """Show the collections."""
    found = collections()
    for each in found:
        if isinstance(each, CollectionError):
            typer.echo(f"{'?':>9}  {each}")
        else:
            state = "" if each.complete else ", stopped before its end"
            typer.echo(f"{each.rows:>9,}  {each.name}  ({each.model}, {each.updated[:10]}{state})")
    if not found:
        say("There is no collection yet: `index build samples` makes one.")


@index_app.command()
def info(name: str, data_dir: DataOption = None) -> None:
    """Show what a collection is made of."""
    collection = open_collection(name)
    facts = collection.manifest
    index = facts.index
    assert index is not None  # noqa: S101 - nothing is published without
    size = sum(file.bytes for file in facts.files)
    finds = "exact" if index.exact else f"recall@10 {index.recall_at_10:.3f}"
    rows = {
        "images": f"{facts.rows:,}" + ("" if facts.complete else ", stopped before its end"),
        "source": f"{facts.source.kind} {facts.source.location}".strip(),
        "model": f"{facts.model}, revision {facts.revision[:12]}, {facts.precision}",
        "vectors": f"{facts.width} dimensions, float32",
        "index": f"{index.kind}, {finds}",
        "skipped": f"{facts.skipped_count:,}",
        "on disk": f"{size / 1e6:,.1f} MB in {collection.folder}",
        "updated": facts.updated,
        "columns": ", ".join(collection.columns),
    }
    for label, text in rows.items():
        typer.echo(f"{label:>9}  {text}")
    for row in collection.skipped():
        typer.echo(f"  skipped  {row['reason']}")


@index_app.command()
def update(name: str, model: ModelOption = "", data_dir: DataOption = None) -> None:
    """Bring a collection up to date with its source; with another --model, index it again."""
    facts = _manifest(name)
    afresh = bool(model) and model != facts.model
    _run(Job(name, facts.source, afresh), model or facts.model)


def _manifest(name: str) -> Manifest:
    for file in ("manifest.json", "build.json"):
        facts = read_manifest(folder_of(name), file)
        if facts:
            return facts
    raise CollectionError(f"There is no collection {name}: `index list` shows those there are.")


@index_app.command("remove")
def remove_command(
    name: str,
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Do not ask first.")] = False,
    data_dir: DataOption = None,
) -> None:
    """Remove a collection; the images that it was made from stay."""
    folder_of(name)
    if not yes:
        typer.confirm(f"Remove the collection {name}?", abort=True, err=True)
    say(f"{remove(name) / 1e6:,.1f} MB freed.")


@index_app.command("verify")
def verify_command(name: str, data_dir: DataOption = None) -> None:
    """Read a collection through and compare every file with its checksum. Status 1: damaged."""
    wrong = verify(name)
    for sentence in wrong:
        typer.echo(sentence)
    if wrong:
        raise typer.Exit(1)
    say(f"{name} is whole.")
