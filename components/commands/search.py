"""``search``: find images, or moments of films, by text, by an image, or by both."""

from collections.abc import Sequence
from pathlib import Path
from typing import Annotated

import typer

from components.collection.collection import MAX_RESULTS
from components.collection.opening import open_collection
from components.collection.query import compose, parse
from components.collection.search import WITHIN, Hit, Limits, hits
from components.collection.search import search as find
from components.commands.console import DataOption, Format, FormatOption, load_encoder
from components.encoder import Encoder
from components.errors import CaptionLensError
from components.files import write_bytes
from components.films.moment import clock, film_of
from components.images import decode, source_of
from components.output.export import rows_to_csv, rows_to_json, to_zip
from components.output.moments import (
    EDL_RATE,
    Moment,
    chapter_files,
    moments_of,
    rows_of,
    to_chapters,
    to_edl,
)
from components.scores import Floats


def search(
    name: Annotated[str, typer.Argument(help="A collection; see `index list`.")],
    text: Annotated[
        str, typer.Argument(help="Query, for example: 2*golden retriever, snow, -person")
    ] = "",
    image: Annotated[Path | None, typer.Option(help="An image to search by.")] = None,
    top: Annotated[
        int, typer.Option(min=1, max=MAX_RESULTS, help="Maximum number of results.")
    ] = 10,
    filters: Annotated[
        list[str] | None, typer.Option("--filter", help="COLUMN=VALUE; repeatable.")
    ] = None,
    templates: Annotated[
        bool, typer.Option(help="Average each term over several phrasings.")
    ] = False,
    within: Annotated[
        float,
        typer.Option(
            min=0.0,
            help="Frames of a film this many seconds apart are one moment; 0: every frame alone.",
        ),
    ] = WITHIN,
    edl: Annotated[
        Path | None,
        typer.Option(help="Write the moments into an edit decision list (CMX3600), best first."),
    ] = None,
    edl_rate: Annotated[
        float, typer.Option(min=1.0, max=240.0, help="Frames a second of the EDL's project.")
    ] = EDL_RATE,
    chapters: Annotated[
        Path | None,
        typer.Option(
            help="Write the moments as chapters (FFmpeg metadata); into a .zip for several films."
        ),
    ] = None,
    form: FormatOption = Format.table,
    data_dir: DataOption = None,
) -> None:
    """Find what is nearest to TEXT, to --image, or to both: images, or moments of films.

    NAME is a collection. --edl and --chapters are for films.
    """
    collection, chosen = open_collection(name), _filters(filters or ())
    films = collection.manifest.source.has_films
    if (edl or chapters) and not films:
        raise CaptionLensError(f"{name} has no films: --edl and --chapters write moments of films.")
    encoder = load_encoder(collection.manifest.model)
    collection.manifest.check_model(encoder.spec.id, encoder.revision)
    by_image = _vector(encoder, image) if image else None
    query = compose(encoder, parse(text), by_image, templates=templates)
    limits = Limits(top, chosen, within=within if films else 0.0)
    results = find(collection, query.vector, limits)
    found = hits(collection, results.ids, [*map(float, results.cosines)])
    moments = moments_of(found, results.frames) if films else []
    if edl:
        write_bytes(edl, to_edl(moments, text or name, edl_rate).encode())
    if chapters:
        write_bytes(chapters, _chapters(chapters, moments, text or name))
    typer.echo(_formatted(found, results.frames, form))


def _chapters(file: Path, moments: Sequence[Moment], title: str) -> bytes:
    """Return the chapters of the one film, or an archive of those of each."""
    made = chapter_files(to_chapters(moments, title))
    if file.suffix.lower() == ".zip":
        return to_zip(made)
    if len(made) > 1:
        raise CaptionLensError(
            f"The moments are of {len(made)} films, and {file.name} has room for one: choose it"
            " with --filter film=FILM, or name a .zip."
        )
    return next(iter(made.values()), b";FFMETADATA1\n")


def _filters(pairs: Sequence[str]) -> dict[str, list[str]]:
    filters: dict[str, list[str]] = {}
    for pair in pairs:
        column, equals, value = pair.partition("=")
        if not equals:
            raise CaptionLensError(f"{pair!r} is not a filter. Use COLUMN=VALUE.")
        filters.setdefault(column.strip(), []).append(value.strip())
    return filters


def _vector(encoder: Encoder, file: Path) -> Floats:
    vector: Floats = encoder.images([decode(source_of(file))[1]])[0]
    return vector


def _formatted(results: Sequence[Hit], frames: Sequence[Sequence[str]], form: Format) -> str:
    if form is not Format.table:
        rows = rows_of(results, frames)
        return rows_to_json(rows) if form is Format.json else rows_to_csv(rows).rstrip("\r\n")
    moments = [film_of(hit.id) for hit in results]
    if moments and all(moments):
        lines = [
            f"{hit.rank:>4}  {hit.cosine:>6.3f}  {clock(moment[1]):>8}  {moment[0]}"
            for hit, moment in zip(results, moments, strict=True)
            if moment
        ]
        return "\n".join(["rank  cosine      time  film", *lines])
    lines = [f"{hit.rank:>4}  {hit.cosine:>6.3f}  {hit.image}" for hit in results]
    return "\n".join(["rank  cosine  image", *lines])
