"""``evaluate``: retrieval figures of a model on a dataset, with their intervals."""

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

if TYPE_CHECKING:
    from collections.abc import Sequence

    from components.datasets.captioned import Example, PairData
    from components.datasets.evaluate import Direction, Encodings, Evaluation, Figure

_NAMED = 5


def evaluate(
    data: Annotated[
        Path, typer.Argument(help="A list of images with captions, or its folder: see README.")
    ],
    split: Annotated[str, typer.Option(help="Where the list names splits; empty: all of it.")] = "",
    images: Annotated[Path | None, typer.Option(help="The folder of the images.")] = None,
    model: ModelOption = "",
    template: Annotated[str, typer.Option(help="Such as: a photo of {}")] = "{}",
    form: FormatOption = Format.table,
) -> None:
    """Measure recall, median rank, MRR and pair accuracy. Status 1: images are missing."""
    from components.datasets.captioned import read
    from components.datasets.evaluate import evaluate as measure

    if "{}" not in template:
        raise CaptionLensError("The template needs a place for the caption: {}.")
    if form is Format.csv:
        raise CaptionLensError("Figures come as a table or as JSON.")
    pairs = read(data, images)
    examples = pairs.split(split) if split else pairs.examples
    say_missing(pairs)
    encoder = load_encoder(model, pairs=True)
    encoded = _encode(encoder, examples, template)
    each = 1000 * encoded.image_seconds / len(encoded.images)
    size = models.parameters(models.locate(encoder.spec))
    found = measure(_scores(encoder, encoded), encoded.owner, encoded.skipped)
    for reason in found.skipped:
        say(f"skipped: {reason}")
    about: dict[str, object] = {"data": pairs.name, "split": split, "template": template}
    about |= {"parameters": size, "ms_a_image": each}
    if form is Format.json:
        typer.echo(_json(found, encoder, about))
    else:
        typer.echo(_table(found))
        typer.echo(f"{size / 1e6:.1f} million parameters; {each:.1f} ms an image, from its file")
    if pairs.missing or found.skipped:
        raise typer.Exit(SKIPPED)


def _scores(encoder: Encoder, encoded: "Encodings") -> Floats:
    if encoder.head:
        return encoder.head.logits(encoded.texts, encoded.images)
    return encoded.texts @ encoded.images.T


def say_missing(pairs: "PairData") -> None:
    """Say which images a dataset names and its folder lacks."""
    if pairs.missing:
        named = ", ".join(pairs.missing[:_NAMED])
        more = f" and {len(pairs.missing) - _NAMED:,} more" if len(pairs.missing) > _NAMED else ""
        say(f"missing: {len(pairs.missing):,} images of {pairs.name}: {named}{more}")


def _encode(encoder: Encoder, examples: "Sequence[Example]", template: str) -> "Encodings":
    from components.datasets.evaluate import Encodings, encode_examples

    line = ProgressLine()
    for step in encode_examples(encoder, examples, template):
        if isinstance(step, Encodings):
            line.end()
            return step
        line.show(f"Encoding {step:,} of {len(examples):,} images")
    raise AssertionError("encode_examples ends with its encodings")


def _json(found: "Evaluation", encoder: Encoder, about: dict[str, object]) -> str:
    from components.output.export import provenance

    return json.dumps({**about, **provenance(encoder), **asdict(found)}, indent=2)


def _table(found: "Evaluation") -> str:
    lines = [
        f"{'':<18}{'R@1':>20}{'R@5':>20}{'R@10':>20}{'median rank':>18}{'MRR':>22}",
        _row("caption to image", found.caption_to_image),
        _row("image to caption", found.image_to_caption),
        "",
        f"gallery of {found.caption_to_image.gallery:,} images and"
        f" {found.image_to_caption.gallery:,} captions; in brackets 95% of bootstrap resamples",
        f"{found.pairs.pairs:,} true pairs and as many false: accuracy"
        f" {found.pairs.accuracy:.1%}, AUC {found.pairs.auc:.4f}",
    ]
    return "\n".join(lines)


def _row(name: str, found: "Direction") -> str:
    def shown(figure: "Figure", factor: float, decimals: int) -> str:
        value, low, high = (
            f"{each * factor:.{decimals}f}" for each in (figure.value, figure.low, figure.high)
        )
        return f"{value} [{low}, {high}]"

    recalls = "".join(f"{shown(each, 100, 1):>20}" for each in found.recall)
    median, mrr = shown(found.median_rank, 1, 0), shown(found.mrr, 1, 3)
    return f"{name:<18}{recalls}{median:>18}{mrr:>22}"
