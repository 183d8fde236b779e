"""CaptionLens without a browser: ``python cli.py --help``."""

import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated

import typer

from components import models
from components.catalogue import CATALOGUE
from components.commands.bench import bench_app
from components.commands.console import (
    MISUSE,
    SKIPPED,
    Format,
    FormatOption,
    ModelOption,
    load_encoder,
    say,
)
from components.commands.evaluate import evaluate
from components.commands.explain import explain
from components.commands.index import index_app
from components.commands.matrix import matrix
from components.commands.search import search
from components.commands.train import train_app
from components.encoder import Encoder
from components.errors import CaptionLensError
from components.images import Source, find_images
from components.match import Match

app = typer.Typer(
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
    help="Match pictures and captions, search, explain scores, train matchers, fetch models.",
)
models_app = typer.Typer(no_args_is_help=True, help="List, fetch and remove models.")
app.add_typer(models_app, name="models")
app.add_typer(index_app, name="index")
app.add_typer(bench_app, name="bench")
app.add_typer(train_app, name="train")
app.command()(search)
app.command()(matrix)
app.command()(explain)
app.command()(evaluate)


@app.command()
def match(
    images: Annotated[list[Path], typer.Argument(help="Pictures, or folders of them.")],
    caption: Annotated[list[str], typer.Option("--caption", "-c", help="May be given again.")],
    model: ModelOption = "",
    top: Annotated[int, typer.Option("--top", min=0, help="Pictures a caption; 0: all.")] = 0,
    form: FormatOption = Format.table,
) -> None:
    """Rank IMAGES for each caption. Status 1: some were skipped, each named; 2: misuse."""
    from components.captions import parse

    captions = parse("\n".join(caption)).captions
    if not captions:
        raise CaptionLensError("No caption is left: give --caption some text.")
    sources, missing = find_images(images)
    encoder = load_encoder(model, pairs=True)
    _say_cut(encoder, captions)
    matches, skipped = _match(encoder, captions, sources, top)
    for reason in [*map(str, missing), *skipped]:
        say(f"skipped: {reason}")
    typer.echo(_written(matches, form))
    if missing or skipped:
        raise typer.Exit(SKIPPED)


def _match(
    encoder: Encoder, captions: Sequence[str], sources: Sequence[Source], top: int
) -> tuple[list[Match], list[str]]:
    """Return each caption's matches, best first, and the reasons of the skipped."""
    from components import background
    from components.match import ranked
    from components.pipeline import Encoded, Skipped, encode, score_encoded

    with typer.progressbar(
        encode(encoder, sources), len(sources), label="Encoding", file=sys.stderr
    ) as bar:
        items = list(bar)
    pictures = [item for item in items if isinstance(item, Encoded)]
    skipped = [item.reason for item in items if isinstance(item, Skipped)]
    if not pictures:
        return [], skipped
    bank = background.vectors(encoder)
    scores = score_encoded(encoder, captions, encoder.texts(captions), pictures, bank)
    return [match for matches in ranked(scores, top=top or None) for match in matches], skipped


def _say_cut(encoder: Encoder, captions: Sequence[str]) -> None:
    for caption, reading in zip(captions, encoder.read(captions), strict=True):
        if reading.cut:
            say(f"cut at {reading.limit} of {reading.tokens} tokens: {caption[:60]}…")


_HEADER = "rank  cosine  pctile     z  reads as   prob.  picture"


def _written(matches: Sequence[Match], form: Format) -> str:
    from components.export import to_csv, to_json

    if form is Format.json:
        return to_json(matches)
    if form is Format.csv:
        return to_csv(matches).rstrip("\r\n")
    rows = [
        f"{m.rank:>4}  {_cosine(m.cosine)}  {m.percentile:>6.1%}  {m.zscore:>4.1f}  {m.band:<8}"
        f"  {m.probability:>6.1%}  {m.image}"
        for m in matches
    ]
    lines: list[str] = []
    for item, row in zip(matches, rows, strict=True):
        if item.rank == 1:
            lines += [*([""] if lines else []), item.caption, _HEADER]
        lines.append(row)
    return "\n".join(lines)


def _cosine(value: float | None) -> str:
    return f"{value:>6.3f}" if value is not None else f"{'none':>6}"


@models_app.command("list")
def list_models() -> None:
    """Show the curated models and those on disk."""
    here = {spec.id for spec in models.on_disk()}
    for card in CATALOGUE:
        state = "on disk" if card.spec.id in here else f"{card.size_mb:,} MB"
        typer.echo(f"{state:>10}  {card.spec.id}\n{'':>10}  {card.good_for}")
    for model_id in sorted(here - {card.spec.id for card in CATALOGUE}):
        typer.echo(f"{'on disk':>10}  {model_id}")


@models_app.command()
def pull(
    model: str,
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Do not ask first.")] = False,
) -> None:
    """Download MODEL into model_cache; a download that was stopped goes on where it was."""
    import threading

    from components import hub

    download = hub.plan(models.resolve(model))
    if not yes:
        typer.confirm(f"Download {download.missing_bytes / 1e6:,.0f} MB?", abort=True, err=True)
    with typer.progressbar(
        length=download.total_bytes, label="Downloading", file=sys.stderr
    ) as bar:
        hub.fetch(download, lambda now: bar.update(now.done_bytes - bar.pos), threading.Event())
    say(f"{model} is on disk.")


@models_app.command()
def remove(model: str) -> None:
    """Remove MODEL from model_cache."""
    freed = models.remove(models.resolve(model))
    say(f"{freed / 1e6:,.0f} MB freed.")


@models_app.command()
def prepare(model: Annotated[str, typer.Argument(help="By default, the app's.")] = "") -> None:
    """Make ready what MODEL's first use would wait for: conversion and everyday captions."""
    from components import background

    background.vectors(load_encoder(model))


def main() -> None:
    """Run a command; an error that a person can act on becomes one sentence and status 2."""
    try:
        app()
    except CaptionLensError as error:
        say(str(error))
        sys.exit(MISUSE)


if __name__ == "__main__":
    main()
