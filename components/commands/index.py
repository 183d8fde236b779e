"""``index``: build, update, list, verify and remove collections."""

from pathlib import Path
from typing import Annotated, get_args

import typer

from components.collection.build import BuildJob, build, describe, summary
from components.collection.cluster import cluster
from components.collection.manifest import (
    PUBLISHED,
    UNDER_WAY,
    CollectionError,
    Manifest,
    folder_of,
    read_manifest,
)
from components.collection.opening import remove
from components.collection.shared import check_not_shared
from components.collection.sources.source import Kind, SourceSpec
from components.collection.store import collections, open_folder, verify
from components.commands.console import (
    SKIPPED,
    DataOption,
    ModelOption,
    ProgressLine,
    load_encoder,
    say,
)
from components.commands.stopping import stopping
from components.errors import CaptionLensError
from components.settings import Settings
from components.words import EMPTY, count

index_app = typer.Typer(
    no_args_is_help=True, help="Build and manage collections of images to search."
)
_WITH_PATH = ("folder", "videos", "table", "captions")
_UNSPLASH_LIMIT = 1000  # of 25,000 photographs, enough to try it
RayOption = Annotated[
    str,
    typer.Option(
        "--ray",
        metavar="auto|ADDRESS",
        help="Encode on a Ray cluster: HOST:PORT of one that this machine has joined, or auto: the"
        " one that runs here, else one of this machine's own. Workers read the images and write"
        " into the folder of the collections: both must be at the same path on every node.",
    ),
]


@index_app.command("build")
def build_command(
    kind: Annotated[
        str,
        typer.Argument(help="The source: samples, folder, videos, table, captions or unsplash."),
    ],
    place: Annotated[
        str,
        typer.Argument(help="The folder, the table (CSV or Parquet), or the captioned dataset."),
    ] = "",
    name: Annotated[
        str, typer.Option(help="Name of the collection. Default: that of the folder or file.")
    ] = "",
    limit: Annotated[
        int | None,
        typer.Option(
            min=0, help="Maximum number of images; 0: all. Default: all; 1000 for unsplash."
        ),
    ] = None,
    zip_file: Annotated[
        str, typer.Option("--zip", help="Unsplash Lite's zip or folder, if already downloaded.")
    ] = "",
    images: Annotated[
        str,
        typer.Option(
            help="The folder that a table's paths are relative to. Default: the table's own."
        ),
    ] = "",
    rebuild: Annotated[
        bool, typer.Option("--rebuild", help="Encode every image again; was --fresh until 0.1.")
    ] = False,
    fresh: Annotated[bool, typer.Option("--fresh", hidden=True)] = False,
    model: ModelOption = "",
    ray: RayOption = "",
    data_dir: DataOption = None,
) -> None:
    """Build a collection of the samples, a folder of images or films, a table, or Unsplash Lite.

    Run it again to resume a build that was stopped. Status 1: some images were skipped; 130 or
    143: it was stopped.
    """
    spec = _spec(kind, place, zip_file, images, limit)
    _run(BuildJob(name or _default_name(spec), spec, rebuild or fresh), model, ray)


def _spec(kind: str, place: str, zip_file: str, images: str, limit: int | None) -> SourceSpec:
    if kind not in get_args(Kind):
        raise CaptionLensError(f"{kind!r} is not a source. Use one of {', '.join(get_args(Kind))}.")
    if kind in _WITH_PATH and not place:
        raise CaptionLensError(f"The path of the {kind} is missing: `index build {kind} PATH`.")
    location = place if kind in _WITH_PATH else zip_file
    if location and "://" not in location:
        location = str(Path(location).expanduser().absolute())
    default = _UNSPLASH_LIMIT if kind == "unsplash" else 0
    root = str(Path(images).expanduser().absolute()) if images else ""
    return SourceSpec(kind, location, root, default if limit is None else limit)  # type: ignore[arg-type]


def _default_name(spec: SourceSpec) -> str:
    if spec.kind == "unsplash":
        return "unsplash-lite"
    return Path(spec.location).stem.strip(" .") if spec.location else spec.kind


def _run(job: BuildJob, model: str, ray: str) -> None:
    encoder = load_encoder(model)
    engine = cluster(ray, encoder) if ray else None
    line = ProgressLine()
    with stopping("Finished images are kept.") as stop:
        report = build(job, encoder, lambda now: line.show(describe(now)), stop, engine=engine)
    line.end()
    say(summary(report))
    if stop.is_set():
        raise typer.Exit(stop.status)
    if report.skipped:
        for row in open_folder(job.name).skipped()[:20]:
            say(f"skipped: {row['reason']}")
        raise typer.Exit(SKIPPED)


@index_app.command("list")
def list_command(data_dir: DataOption = None) -> None:
    """List the collections."""
    states = collections()
    for state in states:
        if isinstance(state, CollectionError):
            typer.echo(f"{'–':>9}  {state}")  # noqa: RUF001 - as in every empty cell
        else:
            facts = f"{state.model}, {state.updated[:10]}{_unfinished(state)}"
            typer.echo(f"{state.rows:>9,}  {state.name}  ({facts})")
    if not states:
        say("There is no collection yet. Create one with `index build samples`.")


def _unfinished(manifest: Manifest) -> str:
    return "" if manifest.complete else ", build not finished"


@index_app.command()
def info(name: str, data_dir: DataOption = None) -> None:
    """Show the size, source, model and index of a collection, and its skipped images."""
    collection = open_folder(name)
    manifest = collection.manifest
    index = manifest.index
    assert index is not None  # noqa: S101 - nothing is published without
    size = sum(file.bytes for file in manifest.files)
    quality = "exact" if index.exact else f"recall@10 {index.recall_at_10:.3f}"
    rows = {
        "images": f"{manifest.rows:,}{_unfinished(manifest)}",
        "source": f"{manifest.source.kind} {manifest.source.location}".strip(),
        "model": f"{manifest.model}, revision {manifest.revision[:12]}, {manifest.precision}",
        "vectors": f"{manifest.width} dimensions, float32",
        "index": f"{index.kind}, {quality}",
        "skipped": f"{manifest.skipped_count:,}",
        "on disk": f"{size / 1e6:,.1f} MB in {collection.folder}",
        "updated": manifest.updated,
        "columns": ", ".join(collection.columns),
    }
    for label, text in rows.items():
        typer.echo(f"{label:>9}  {text}")
    for row in collection.skipped():
        typer.echo(f"  skipped  {row['reason']}")


@index_app.command()
def update(
    name: str, model: ModelOption = "", ray: RayOption = "", data_dir: DataOption = None
) -> None:
    """Update a collection from its source; with another --model, rebuild it."""
    manifest = _manifest(name)
    rebuild = bool(model) and model != manifest.model
    _run(BuildJob(name, manifest.source, rebuild), model or manifest.model, ray)


def _manifest(name: str) -> Manifest:
    for file in (PUBLISHED, UNDER_WAY):
        manifest = read_manifest(folder_of(name), file)
        if manifest:
            return manifest
    check_not_shared(name)
    raise CollectionError(f"There is no collection {name}. List them with `index list`.")


@index_app.command("remove")
def remove_command(
    name: str,
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Remove it without asking.")] = False,
    data_dir: DataOption = None,
) -> None:
    """Remove a collection; the original images are kept."""
    folder_of(name)
    if not yes:
        typer.confirm(f"Remove the collection {name}?", abort=True, err=True)
    say(f"Removed {name}; {remove(name) / 1e6:,.1f} MB freed.")


@index_app.command("verify")
def verify_command(name: str, data_dir: DataOption = None) -> None:
    """Compare every file of a collection with its checksum. Status 1: damaged."""
    errors = verify(name)
    for sentence in errors:
        typer.echo(sentence)
    if errors:
        raise typer.Exit(1)
    say(f"{name} is intact.")


@index_app.command("map")
def map_command(name: str, data_dir: DataOption = None) -> None:
    """Compute the map of a collection, which Search shows; run it again after an update.

    Images keep their places while at most a fifth of them are new. Status 130 or 143: it was
    stopped.
    """
    from components.projection.making import MapStopped, make_map

    collection = open_folder(name)
    encoder = load_encoder(collection.manifest.model)
    collection.manifest.check_model(encoder.spec.id, encoder.revision)
    line = ProgressLine()
    with stopping("The map that was kept before stays.") as stop:
        try:
            found = make_map(
                collection, encoder, lambda share, of: line.show(f"{of}: {share:.0%}"), stop
            )
        except MapStopped:
            line.end()
            raise typer.Exit(stop.status) from None
    line.end()
    for each in found.clusters:
        typer.echo(f"{each.size:>9,}  {each.name or EMPTY}")
    groups = int(found.twins.max(initial=-1)) + 1
    say(
        f"{name}: {count(len(found), 'image')}, {count(len(found.clusters), 'cluster')},"
        f" {count(groups, 'group')} of near-duplicates."
    )


@index_app.command("publish")
def publish_command(
    name: str,
    to: Annotated[
        str,
        typer.Option(
            help="milvus://HOST:PORT/DATABASE, milvuss:// for TLS, or a file of Milvus Lite,"
            " NAME.db; or a shared place: a folder, or s3://BUCKET/PREFIX. Default:"
            " CAPTIONLENS_MILVUS. Its token: CAPTIONLENS_MILVUS_TOKEN."
        ),
    ] = "",
    data_dir: DataOption = None,
) -> None:
    """Publish a collection to a Milvus server, where CAPTIONLENS_MILVUS lets it be searched.

    Or copy it to a shared place, where CAPTIONLENS_SHARED_COLLECTIONS lets others read it.
    Nothing is encoded. Publish again after each update. Status 130 or 143: it was stopped.
    """
    from components.collection.milvus.address import connect, is_address
    from components.collection.milvus.publish import publish

    if to and not is_address(to):
        _share(name, to)
        return
    server = connect(to or Settings().milvus)
    line = ProgressLine()
    with stopping("What was published before stays.") as stop:
        published = publish(name, server, lambda now: line.show(str(now)), stop)
    line.end()
    if published is None:
        raise typer.Exit(stop.status)
    say(str(published))
    if to not in {"", Settings().milvus}:
        say("Set CAPTIONLENS_MILVUS to this address to search it there.")


def _share(name: str, place: str) -> None:
    from components.collection.shared import publish

    line = ProgressLine()
    with stopping("What readers see stays; publish again to copy the rest.") as stop:
        done = publish(name, place, line.show, stop)
    line.end()
    say(done)
    if stop.is_set():
        raise typer.Exit(stop.status)
