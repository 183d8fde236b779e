"""``matrix``: every caption against every image, as a table, a figure, a file or a report."""

import sys
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from components.commands.console import SKIPPED, ModelOption, ProgressLine, load_encoder, say
from components.encoder import Encoder
from components.errors import CaptionLensError
from components.files import write_bytes

if TYPE_CHECKING:
    from components.encoder import Encoded
    from components.output.report import Material
    from components.scores import Floats, Heatmap, Mode, Scores

_FIGURES = (".png", ".svg", ".pdf")
_TABLES = (".csv", ".parquet")
_SUFFIXES = (*_FIGURES, *_TABLES, ".html")


class ModeName(StrEnum):
    """Which number stands in a cell; "by-row" and "by-column" are probabilities."""

    cosine = "cosine"
    percentile = "percentile"
    by_row = "by-row"
    by_column = "by-column"


def matrix(
    captions: Annotated[
        Path, typer.Option(help="One caption a line; or a CSV or Parquet file: image, caption.")
    ],
    images: Annotated[list[Path], typer.Option(help="Images or folders; may be given again.")],
    mode: ModeName = ModeName.cosine,
    out: Annotated[
        Path | None,
        typer.Option(help=f"A file; its ending says what: {', '.join(_SUFFIXES)}."),
    ] = None,
    cluster: Annotated[bool, typer.Option(help="Like rows and columns side by side.")] = False,
    assign: Annotated[bool, typer.Option(help="Frame the best one-to-one pairs.")] = False,
    model: ModelOption = "",
) -> None:
    """Score every caption with every image. Status 1: some were skipped, each named."""
    from components.encoder import score_encoded
    from components.output.report import Material

    _check(out)
    wanted, pairs = _captions(captions)
    encoder = load_encoder(model)
    encoded, skipped = _encode(encoder, images)
    for reason in skipped:
        say(f"skipped: {reason}")
    if not encoded:
        raise CaptionLensError("None of the files gave an image.")
    bank = _bank(encoder)
    scores = score_encoded(encoder, wanted, encoder.texts(wanted), encoded, bank)
    heatmap = _heatmap(encoder, scores, _mode(mode), cluster, assign)
    if out is None:
        typer.echo(_written(heatmap))
    else:
        material = Material(encoder, scores, encoded, heatmap, pairs)
        write_bytes(out, _file(out.suffix.lower(), material))
        say(f"{out} is written.")
    _say_recall(scores, pairs)
    if skipped:
        raise typer.Exit(SKIPPED)


def _check(out: Path | None) -> None:
    if out is None:
        return
    if out.suffix.lower() not in _SUFFIXES:
        raise CaptionLensError(f"{out.name} ends in none of {', '.join(_SUFFIXES)}.")
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
    found = parse_captions(data.decode("utf-8-sig", "replace"))
    _say_dropped(found.dropped)
    if not found.captions:
        raise CaptionLensError(f"{file.name} holds no caption.")
    return found.captions, ()


def _say_dropped(dropped: int) -> None:
    if dropped:
        say(f"{dropped} captions above the limit of CAPTIONLENS_MAX_CAPTIONS are left out.")


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


def _bank(encoder: Encoder) -> "Floats":
    from components.encoder import bank_vectors

    return bank_vectors(encoder)


def _mode(name: ModeName) -> "Mode":
    from components.scores import Mode

    return Mode[name.name]


def _heatmap(
    encoder: Encoder, scores: "Scores", mode: "Mode", cluster: bool, assign: bool
) -> "Heatmap":
    import numpy as np

    from components.encoder import Encoded, encode
    from components.images import sample_sources
    from components.scores import arrange, clustered, scale_of, values

    shown = values(scores, mode, encoder.recipe.score)
    seen = [item.vector for item in encode(encoder, sample_sources()) if isinstance(item, Encoded)]
    scale = scale_of(mode, _bank(encoder) @ np.stack(seen).T)
    return arrange(scores, shown, scale, clustered(shown) if cluster else None, assign)


def _written(heatmap: "Heatmap") -> str:
    """Return the matrix as lines: images by number, so that it fits a terminal."""
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


def _file(suffix: str, material: "Material") -> bytes:
    from components.output.export import matrix_to_csv, matrix_to_parquet, provenance
    from components.output.matrix_figure import FORMS, draw, footer, save

    heatmap, encoder = material.heatmap, material.encoder
    if suffix == ".csv":
        return matrix_to_csv(heatmap).encode()
    if suffix == ".parquet":
        return matrix_to_parquet(heatmap, provenance(encoder))
    if suffix == ".html":
        return _report(material)
    thumbnails = [material.images[i].thumbnail for i in heatmap.columns]
    return save(draw(heatmap, thumbnails, footer(encoder)), FORMS[suffix])


def _report(material: "Material") -> bytes:
    from threading import Event

    from components.output.report import make

    line = ProgressLine()
    page = make(
        material, lambda at: line.show(f"Explaining the best matches: {at[0]} of {at[1]}"), Event()
    )
    line.end()
    return page.encode()


def _say_recall(scores: "Scores", pairs: tuple[tuple[str, str], ...]) -> None:
    from components.scores import KS, both_ways, known_pairs

    for way, found in both_ways(scores.cosine, known_pairs(scores, pairs)).items():
        shares = ", ".join(f"R@{k} {share:.1%}" for k, share in zip(KS, found.recall, strict=True))
        say(
            f"{way}: {shares}, median rank {found.median_rank:g}, MRR {found.mrr:.3f};"
            f" {found.queries:,} queries, gallery of {found.gallery:,}"
        )
