"""``search``: find images of a collection by text, by an image, or by both."""

from collections.abc import Sequence
from pathlib import Path
from typing import Annotated

import typer

from components.collection.collection import MAX_RESULTS
from components.collection.opening import open_collection
from components.collection.query import compose, parse
from components.collection.search import Hit, Limits, hits
from components.collection.search import search as find
from components.commands.console import DataOption, Format, FormatOption, load_encoder
from components.encoder import Encoder
from components.errors import CaptionLensError
from components.images import decode, source_of
from components.output.export import rows_to_csv, rows_to_json
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
    form: FormatOption = Format.table,
    data_dir: DataOption = None,
) -> None:
    """Find the images of collection NAME nearest to TEXT, to --image, or to both."""
    collection, chosen = open_collection(name), _filters(filters or ())
    encoder = load_encoder(collection.manifest.model)
    collection.manifest.check_model(encoder.spec.id, encoder.revision)
    by_image = _vector(encoder, image) if image else None
    query = compose(encoder, parse(text), by_image, templates=templates)
    results = find(collection, query.vector, Limits(top, chosen))
    typer.echo(_formatted(hits(collection, results.ids, [*map(float, results.cosines)]), form))


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


def _formatted(results: Sequence[Hit], form: Format) -> str:
    rows = [hit.flat() for hit in results]
    if form is Format.json:
        return rows_to_json(rows)
    if form is Format.csv:
        return rows_to_csv(rows).rstrip("\r\n")
    lines = [f"{hit.rank:>4}  {hit.cosine:>6.3f}  {hit.image}" for hit in results]
    return "\n".join(["rank  cosine  image", *lines])
