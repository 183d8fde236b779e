"""``train``: a pair matcher, a DenseNet + LSTM, a dual encoder on one's own pairs, or Pocket."""

from collections.abc import Iterator
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, get_args

import typer

from components import models
from components.commands.console import SKIPPED, ProgressLine, say
from components.commands.evaluate import say_missing
from components.errors import CaptionLensError

if TYPE_CHECKING:
    from components.training.jobs import Compared, Job
    from components.training.loader import DecodedExamples, Fit
    from components.training.loop import Dev

train_app = typer.Typer(
    no_args_is_help=True,
    help="Train matchers; broken off, a run goes on when it is started again.",
)

Data = Annotated[Path, typer.Option(help="A list of images with captions, or its folder.")]
Out = Annotated[Path, typer.Option(help="The run's folder; the model comes to lie in its model/.")]
Images = Annotated[Path | None, typer.Option(help="The folder of the images.")]
Name = Annotated[str, typer.Option(help="Keep the model under this name, for the app.")]
Epochs = Annotated[int, typer.Option(min=1)]
Batch = Annotated[int, typer.Option(min=2, help="Pairs a step.")]
Rate = Annotated[float, typer.Option(min=0.0, help="The highest learning rate.")]
Patience = Annotated[int, typer.Option(min=0, help="Epochs without a better dev; 0: all of them.")]
Seed = Annotated[int, typer.Option(min=0)]


@train_app.command()
def matcher(
    data: Data,
    out: Out,
    images: Images = None,
    name: Name = "",
    epochs: Epochs = 10,
    batch: Batch = 32,
    rate: Rate = 1e-3,
    patience: Patience = 0,
    seed: Seed = 0,
) -> None:
    """Train the CNN + BiLSTM, which says of an image and a caption whether they are a pair."""
    from components.training.jobs import Job
    from components.training.loop import Plan

    plan = Plan(epochs, rate, optimizer="adam", patience=patience, seed=seed, device=_device())
    _train(Job("matcher", plan, batch), data, images, out, name)


@train_app.command("densenet-lstm")
def densenet_lstm(
    data: Data,
    out: Out,
    images: Images = None,
    name: Name = "",
    epochs: Epochs = 15,
    batch: Batch = 128,
    rate: Rate = 1e-3,
    patience: Patience = 0,
    seed: Seed = 0,
    margin: Annotated[float, typer.Option(min=0.0, help="Of the triplet loss.")] = 0.2,
    negatives: Annotated[str, typer.Option(help="hardest, semi-hard or all.")] = "hardest",
    tune_backbone: Annotated[bool, typer.Option(help="Train the image network too.")] = False,
    glove: Annotated[
        Path | None, typer.Option(help="A glove.*.txt; else words are learned.")
    ] = None,
    densenet: Annotated[
        Path | None, typer.Option(help="torchvision's densenet121 checkpoint; else from scratch.")
    ] = None,
    mobilenet: Annotated[
        Path | None, typer.Option(help="A MobileNetV2 folder, in place of DenseNet-121.")
    ] = None,
) -> None:
    """Train the DenseNet-121 (or MobileNetV2) + LSTM, by the margin loss of its cosines."""
    from components.training.densenet_lstm import Margin
    from components.training.jobs import Job
    from components.training.loop import Plan
    from components.training.losses import Negatives

    if negatives not in get_args(Negatives):
        raise CaptionLensError(f"Negatives are {', '.join(get_args(Negatives))}, not {negatives}.")
    plan = Plan(epochs, rate, optimizer="adam", patience=patience, seed=seed, device=_device())
    learns = tune_backbone or not (densenet or mobilenet)
    loss = Margin(batch, margin, negatives, train_backbone=learns)  # type: ignore[arg-type] # checked
    job = Job("densenet-lstm", plan, margin=loss)
    job = replace(job, glove=glove, densenet=densenet, mobilenet=mobilenet)
    _train(job, data, images, out, name)


@train_app.command()
def dual(
    data: Data,
    out: Out,
    base: Annotated[str, typer.Option(help="The checkpoint to begin with.")] = "pocket",
    images: Images = None,
    name: Name = "",
    epochs: Epochs = 5,
    batch: Batch = 64,
    chunk: Annotated[
        int, typer.Option(min=0, help="Pairs in memory at a time (GradCache); 0: all.")
    ] = 0,
    rate: Rate = 1e-5,
    patience: Patience = 0,
    seed: Seed = 0,
    trains: Annotated[str, typer.Option(help="full, last, projections or lora.")] = "full",
    last: Annotated[int, typer.Option(min=1, help="Layers of each tower, with `last`.")] = 2,
    rank: Annotated[int, typer.Option(min=1, help="Of LoRA's matrices.")] = 8,
    loss: Annotated[str, typer.Option(help="contrastive, sigmoid or triplet.")] = "contrastive",
    average: Annotated[float, typer.Option(min=0.0, max=0.9999, help="Of the weights.")] = 0.0,
) -> None:
    """Fine-tune a dual encoder: CLIP, SigLIP, Pocket, or a text tower beside an image tower."""
    from components.training.dual import LossName, Trains, Tuning
    from components.training.jobs import Job
    from components.training.loop import Plan

    for value, known in ((trains, get_args(Trains)), (loss, get_args(LossName))):
        if value not in known:
            raise CaptionLensError(f"{value!r} is none of {', '.join(known)}.")
    plan = Plan(epochs, rate, average=average, patience=patience, seed=seed, device=_device())
    tuning = Tuning(trains, last, rank, loss, batch, chunk)  # type: ignore[arg-type] # checked above
    _train(Job("dual", plan, base=base, tuning=tuning), data, images, out, name)


@train_app.command()
def pocket(
    flickr8k: Annotated[Path, typer.Option(help="Flickr8k's folder, with splits.")],
    imagenet: Annotated[Path, typer.Option(help="An image of each class, with labels.csv.")],
    backbone: Annotated[Path, typer.Option(help="MobileNetV2's folder.")],
    minilm: Annotated[Path, typer.Option(help="all-MiniLM-L6-v2's folder.")],
    starter: Annotated[Path, typer.Option(help="The starter's folder.")],
    out: Annotated[Path, typer.Option(help="Where the work is kept; Pocket lies in its pocket/.")],
) -> None:
    """Make Pocket, the model that ships, from the starter; its card tells what that gives."""
    from components.training.pocket.make import make
    from components.training.pocket.material import Sources

    _show(make(Sources(flickr8k, imagenet, backbone, minilm, starter), out))


def _device() -> Any:
    from components.encoder import best_device

    return best_device()


def _train(job: "Job", data: Path, images: Path | None, out: Path, name: str) -> None:
    from components.datasets.captioned import read
    from components.training.jobs import MODEL, decoding, halves, run

    if name:
        models.refuse_taken(name)
    pairs = read(data, images)
    say_missing(pairs)
    made = decoding(job.kind, job.base)  # once: it may load the base
    learn, dev = (
        _decoded(examples, made, out) for examples in halves(pairs.examples, job.plan.seed)
    )
    _show(run(job, (learn, dev), out))
    kept = models.keep_trained(out / MODEL, name).id if name else str(out / MODEL)
    typer.echo(kept)
    if pairs.missing or learn.skipped or dev.skipped:
        raise typer.Exit(SKIPPED)


def _decoded(examples: Any, made: "tuple[int, Fit]", out: Path) -> "DecodedExamples":
    from components.training.loader import decode_once

    line = ProgressLine()
    found = decode_once(
        examples,
        *made,
        out / "images",
        lambda done, total: line.show(f"Decoding {done:,} of {total:,} images"),
    )
    line.end()
    for reason in found.skipped:
        say(f"skipped: {reason}")
    return found


def _show(events: Iterator[object]) -> None:
    """Write a run's events; an interrupt leaves a checkpoint."""
    from components.training.jobs import Compared, Said
    from components.training.loop import Dev, Ended, Step

    line = ProgressLine()
    with closing(events):  # type: ignore[type-var] # a generator, which can be closed
        for event in events:
            if isinstance(event, Step):
                line.show(
                    f"Step {event.number:,} of {event.total:,}  loss {event.loss:.4f}"
                    f"  {_time(event.seconds_left)} left"
                )
                continue
            line.end()
            if isinstance(event, Dev):
                say(_measured(event))
            elif isinstance(event, Said):
                say(event.text)
            elif isinstance(event, Compared):
                say(_compared(event))
            elif isinstance(event, Ended):
                say(f"Training has {event.why}; the best dev figure is {event.best:.4g}.")
            else:
                say(str(event))


def _measured(event: "Dev") -> str:
    best = ", the best so far" if event.is_best else ""
    return f"Epoch {event.epoch + 1}: dev {event.figure:.4g}{best}"


def _time(seconds: float) -> str:
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{rest:02}"


def _compared(found: "Compared") -> str:
    def told(recalls: tuple[float, ...]) -> str:
        return "/".join(f"{100 * share:.1f}" for share in recalls)

    before, after = found.before, found.after
    return (
        "R@1/5/10 on dev, before and after: caption to image"
        f" {told(before.caption_to_image)}, {told(after.caption_to_image)}; image to caption"
        f" {told(before.image_to_caption)}, {told(after.image_to_caption)}"
    )
