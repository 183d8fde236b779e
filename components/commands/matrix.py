"""``matrix``: every caption with every image, as a table, a figure, a file or a report."""

import sys
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from components.commands.console import SKIPPED, ModelOption, ProgressLine, load_encoder, say
from components.encoder import Encoder
from components.errors import CaptionLensError
from components.files import write_bytes
from components.words import count

if TYPE_CHECKING:
    from components.encoder import Encoded
    from components.output.report import ReportInput
    from components.scores import Floats, Heatmap, Mode, Scores

_FIGURES = (".png", ".svg", ".pdf")
_TABLES = (".csv", ".parquet")
_SUFFIXES = (*_FIGURES, *_TABLES, ".html")


class ModeName(StrEnum):
    """Which score a cell shows; "by-row" and "by-column" are probabilities."""

    cosine = "cosine"
    percentile = "percentile"
    by_row = "by-row"
    by_column = "by-column"


def matrix(
    captions: Annotated[
        Path,
        typer.Option(help="One caption per line; or a CSV or Parquet table: image, caption."),
    ],
    images: Annotated[list[Path], typer.Option(help="Image files or folders; repeatable.")],
    mode: ModeName = ModeName.cosine,
    out: Annotated[
        Path | None,
        typer.Option(help=f"Output file, format by suffix: {', '.join(_SUFFIXES)}."),
    ] = None,
    cluster: Annotated[bool, typer.Option(help="Order rows and columns by similarity.")] = False,
    assign: Annotated[bool, typer.Option(help="Frame the best one-to-one assignment.")] = False,
    model: ModelOption = "",
) -> None:
    """Score every caption with every image. Exit status 1: some images were skipped."""
    from components.encoder import bank_vectors, score_encoded
    from components.output.report import ReportInput
    from components.scores import Mode

    _check(out)
    texts, pairs = _captions(captions)
    encoder = load_encoder(model)
    encoded, skipped = _encode(encoder, images)
    for reason in skipped:
        say(f"skipped: {reason}")
    if not encoded:
        raise CaptionLensError("None of the files gave an image.")
    bank = bank_vectors(encoder)
    scores = score_encoded(encoder, texts, encoder.texts(texts), encoded, bank)
    heatmap = _heatmap(encoder, scores, bank, Mode[mode.name], cluster, assign)
    if out is None:
        typer.echo(_written(heatmap))
    else:
        inputs = ReportInput(encoder, scores, encoded, heatmap, pairs)
        write_bytes(out, _file(out.suffix.lower(), inputs))
        say(f"Wrote {out}.")
    _say_recall(scores, pairs)
    if skipped:
        raise typer.Exit(SKIPPED)


def _check(out: Path | None) -> None:
    if out is None:
        return
    if out.suffix.lower() not in _SUFFIXES:
        raise CaptionLensError(f"{out.name} must end in one of {', '.join(_SUFFIXES)}.")
    if not out.parent.is_dir():
        raise CaptionLensError(f"The folder {out.parent} does not exist.")


def _captions(file: Path) -> tuple[tuple[str, ...], tuple[tuple[str, str], ...]]:
    """Return the captions and, where the file is a table, the known (image, caption) pairs."""
    from components.datasets.pairs import read_pairs
    from components.encoder import parse_captions

    try:
        data = file.read_bytes()
    except OSError as error:
        raise CaptionLensError(f"{file.name} cannot be read: {error.strerror}.") from error
    if file.suffix.lower() in {".csv", ".tsv", ".parquet", ".pq"}:
        table = read_pairs(file.name, data)
        _say_dropped(table.dropped)
        return table.captions, table.pairs
    parsed = parse_captions(data.decode("utf-8-sig", "replace"))
    _say_dropped(parsed.dropped)
    if not parsed.captions:
        raise CaptionLensError(f"{file.name} contains no captions.")
    return parsed.captions, ()


def _say_dropped(dropped: int) -> None:
    if dropped:
        say(f"left out: {count(dropped, 'caption')} above CAPTIONLENS_MAX_CAPTIONS")


def _encode(encoder: Encoder, images: list[Path]) -> tuple[list["Encoded"], list[str]]:
    from components.encoder import Encoded, Skipped, encode
    from components.images import find_images

    sources, missing = find_images(images)
    with typer.progressbar(
        encode(encoder, sources, thumbnails=True),
        len(sources),
        label="Encoding",
        file=sys.stderr,
    ) as bar:
        items = list(bar)
    encoded = [item for item in items if isinstance(item, Encoded)]
    reasons = [item.reason for item in items if isinstance(item, Skipped)]
    return encoded, [*map(str, missing), *reasons]


def _heatmap(
    encoder: Encoder, scores: "Scores", bank: "Floats", mode: "Mode", cluster: bool, assign: bool
) -> "Heatmap":
    import numpy as np

    from components.encoder import Encoded, encode
    from components.images import sample_sources
    from components.scores import arrange, clustered, scale_of, values

    shown = values(scores, mode, encoder.recipe.score)
    items = encode(encoder, sample_sources())
    samples = np.stack([item.vector for item in items if isinstance(item, Encoded)])
    scale = scale_of(mode, bank @ samples.T)
    return arrange(scores, shown, scale, clustered(shown) if cluster else None, assign)


def _written(heatmap: "Heatmap") -> str:
    """Return the matrix as lines; columns are numbered images, so that it fits a terminal."""
    width = max(5, *(len(heatmap.scale.text(float(v))) + 1 for v in heatmap.values.ravel()))
    columns = range(1, len(heatmap.images) + 1)
    unit = f" in {heatmap.scale.unit.strip()}" if heatmap.scale.unit else ""
    lines = [f"{number:>4}  {name}" for number, name in zip(columns, heatmap.images, strict=True)]
    lines += [
        "",
        "".join(f"{number:>{width}}" for number in columns) + f"  {heatmap.scale.title}{unit}",
    ]
    for caption, row in zip(heatmap.captions, heatmap.values, strict=True):
        cells = "".join(f"{heatmap.scale.text(float(value)):>{width}}" for value in row)
        lines.append(f"{cells}  {caption}")
    return "\n".join(lines)


def _file(suffix: str, inputs: "ReportInput") -> bytes:
    from components.output.export import footer, matrix_to_csv, matrix_to_parquet, provenance
    from components.output.matrix_figure import FORMS, draw, save

    heatmap, encoder = inputs.heatmap, inputs.encoder
    if suffix == ".csv":
        return matrix_to_csv(heatmap).encode()
    if suffix == ".parquet":
        return matrix_to_parquet(heatmap, provenance(encoder))
    if suffix == ".html":
        return _report(inputs)
    thumbnails = [inputs.images[i].thumbnail for i in heatmap.columns]
    return save(draw(heatmap, thumbnails, footer(encoder)), FORMS[suffix])


def _report(inputs: "ReportInput") -> bytes:
    from threading import Event

    from components.output.report import make

    line = ProgressLine()
    page = make(
        inputs, lambda at: line.show(f"Explaining the best matches: {at[0]} of {at[1]}"), Event()
    )
    line.end()
    return page.encode()


def _say_recall(scores: "Scores", pairs: tuple[tuple[str, str], ...]) -> None:
    from components.scores import KS, both_ways, known_pairs

    for direction, figures in both_ways(scores.cosine, known_pairs(scores, pairs)).items():
        recalls = zip(KS, figures.recall, strict=True)
        shares = ", ".join(f"R@{k} {share:.1%}" for k, share in recalls)
        say(
            f"{direction}: {shares}, median rank {figures.median_rank:g}, MRR {figures.mrr:.3f};"
            f" {figures.queries:,} queries, gallery of {figures.gallery:,}"
        )
