"""``match``: rank images for captions."""

import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated

import typer

from components.commands.console import (
    SKIPPED,
    Format,
    FormatOption,
    ModelOption,
    load_encoder,
    say,
)
from components.encoder import Encoder
from components.errors import CaptionLensError
from components.images import Source, find_images
from components.scores import Match
from components.words import EMPTY, shorten


def match(
    images: Annotated[list[Path], typer.Argument(help="Image files or folders.")],
    caption: Annotated[list[str], typer.Option("--caption", "-c", help="A caption; repeatable.")],
    model: ModelOption = "",
    top: Annotated[int, typer.Option("--top", min=0, help="Images per caption; 0: all.")] = 0,
    form: FormatOption = Format.table,
) -> None:
    """Rank IMAGES for each caption. Exit status 1: some images were skipped; 2: usage error."""
    from components.encoder import parse_captions

    captions = parse_captions("\n".join(caption)).captions
    if not captions:
        raise CaptionLensError("Every --caption is empty: write at least one word.")
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
    """Return each caption's matches, best first, and why images were skipped."""
    from components.encoder import Encoded, Skipped, bank_vectors, encode, score_encoded
    from components.scores import ranked

    with typer.progressbar(
        encode(encoder, sources), len(sources), label="Encoding", file=sys.stderr
    ) as bar:
        items = list(bar)
    images = [item for item in items if isinstance(item, Encoded)]
    skipped = [item.reason for item in items if isinstance(item, Skipped)]
    if not images:
        return [], skipped
    bank = bank_vectors(encoder)
    scores = score_encoded(encoder, captions, encoder.texts(captions), images, bank)
    return [match for matches in ranked(scores, top=top or None) for match in matches], skipped


def _say_cut(encoder: Encoder, captions: Sequence[str]) -> None:
    for caption, reading in zip(captions, encoder.read(captions), strict=True):
        if reading.cut:
            say(f"cut at {reading.limit} of {reading.tokens} tokens: {shorten(caption)}")


_HEADER = "rank  cosine  pctile     z  band       prob.  image"


def _written(matches: Sequence[Match], form: Format) -> str:
    from components.output.export import to_csv, to_json

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
    return f"{value:>6.3f}" if value is not None else f"{EMPTY:>6}"
