"""``evaluate``: retrieval figures of a model on a dataset, with 95% intervals."""

import json
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from components import models
from components.commands.console import (
    SKIPPED,
    Format,
    FormatOption,
    ModelOption,
    ProgressLine,
    load_encoder,
    say,
)
from components.encoder import Encoder
from components.errors import CaptionLensError
from components.scores import Floats
from components.words import and_more, count

if TYPE_CHECKING:
    from collections.abc import Sequence

    from components.datasets.captioned import Example, PairData
    from components.datasets.evaluate import Direction, Encodings, Evaluation, Figure


def evaluate(
    data: Annotated[
        Path,
        typer.Argument(help="A file that lists images with captions, or its folder; see README."),
    ],
    split: Annotated[
        str, typer.Option(help="The split to use, where the file has them. Default: all images.")
    ] = "",
    images: Annotated[
        Path | None,
        typer.Option(help="The folder of the images. Default: the usual ones beside the file."),
    ] = None,
    model: ModelOption = "",
    template: Annotated[
        str, typer.Option(help="Text around each caption, for example: a photo of {}")
    ] = "{}",
    form: FormatOption = Format.table,
) -> None:
    """Measure recall, median rank, MRR and pair accuracy. Status 1: images missing or skipped."""
    from components.datasets.captioned import read
    from components.datasets.evaluate import evaluate as measure

    if "{}" not in template:
        raise CaptionLensError("The template must contain {} in place of the caption.")
    if form is Format.csv:
        raise CaptionLensError("The output formats of evaluate are table and json.")
    pairs = read(data, images)
    examples = pairs.split(split) if split else pairs.examples
    say_missing(pairs)
    encoder = load_encoder(model, pairs=True)
    encoded = _encode(encoder, examples, template)
    each = 1000 * encoded.image_seconds / len(encoded.images)
    size = models.parameters(models.locate(encoder.spec))
    evaluation = measure(_scores(encoder, encoded), encoded.owner, encoded.skipped)
    for reason in evaluation.skipped:
        say(f"skipped: {reason}")
    settings: dict[str, object] = {"data": pairs.name, "split": split, "template": template}
    settings |= {"parameters": size, "ms_a_image": each}
    if form is Format.json:
        typer.echo(_json(evaluation, encoder, settings))
    else:
        typer.echo(_table(evaluation))
        typer.echo(
            f"{size / 1e6:.1f} million parameters; {each:.1f} ms per image, reading included"
        )
    if pairs.missing or evaluation.skipped:
        raise typer.Exit(SKIPPED)


def _scores(encoder: Encoder, encoded: "Encodings") -> Floats:
    if encoder.head:
        return encoder.head.logits(encoded.texts, encoded.images)
    return encoded.texts @ encoded.images.T


def say_missing(pairs: "PairData") -> None:
    """Report the images that a dataset lists but that do not exist."""
    if pairs.missing:
        names = and_more(pairs.missing)
        say(f"missing: {count(len(pairs.missing), 'image')} of {pairs.name}: {names}")


def _encode(encoder: Encoder, examples: "Sequence[Example]", template: str) -> "Encodings":
    from components.datasets.evaluate import encode_examples

    line = ProgressLine()

    def show(done: int) -> None:
        line.show(f"Encoding {done:,} of {len(examples):,} images")

    encoded = encode_examples(encoder, examples, template, show)
    line.end()
    return encoded


def _json(evaluation: "Evaluation", encoder: Encoder, settings: dict[str, object]) -> str:
    from components.output.export import provenance

    return json.dumps({**settings, **provenance(encoder), **asdict(evaluation)}, indent=2)


def _table(evaluation: "Evaluation") -> str:
    lines = [
        f"{'':<18}{'R@1':>20}{'R@5':>20}{'R@10':>20}{'median rank':>18}{'MRR':>22}",
        _row("caption to image", evaluation.caption_to_image),
        _row("image to caption", evaluation.image_to_caption),
        "",
        f"{evaluation.caption_to_image.gallery:,} images,"
        f" {evaluation.image_to_caption.gallery:,} captions; in brackets: 95% bootstrap intervals",
        f"{evaluation.pairs.pairs:,} true pairs and as many false ones: accuracy"
        f" {evaluation.pairs.accuracy:.1%}, AUC {evaluation.pairs.auc:.4f}",
    ]
    return "\n".join(lines)


def _row(name: str, direction: "Direction") -> str:
    def shown(figure: "Figure", factor: float, decimals: int) -> str:
        value, low, high = (
            f"{each * factor:.{decimals}f}" for each in (figure.value, figure.low, figure.high)
        )
        return f"{value} [{low}, {high}]"

    recalls = "".join(f"{shown(each, 100, 1):>20}" for each in direction.recall)
    median, mrr = shown(direction.median_rank, 1, 0), shown(direction.mrr, 1, 3)
    return f"{name:<18}{recalls}{median:>18}{mrr:>22}"
