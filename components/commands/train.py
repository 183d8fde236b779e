"""``train``: the pair matcher, the DenseNet + LSTM, a dual encoder, or Pocket itself."""

from collections.abc import Iterator, Sequence
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, get_args

import typer

from components import models
from components.commands.console import SKIPPED, ProgressLine, say
from components.commands.evaluate import say_missing
from components.commands.stopping import Stop, stopping
from components.errors import CaptionLensError
from components.words import duration

if TYPE_CHECKING:
    from components.datasets.captioned import Example
    from components.training.jobs import Job
    from components.training.loader import DecodedExamples, Decoding
    from components.training.loop import Dev
    from components.training.run import Comparison

train_app = typer.Typer(
    no_args_is_help=True,
    help="Train models on images with captions. Repeat a command to resume its interrupted run.",
)

Data = Annotated[Path, typer.Option(help="A table of images with captions, or its folder.")]
Out = Annotated[Path, typer.Option(help="The run's folder; the finished model is in its model/.")]
Images = Annotated[
    Path | None, typer.Option(help="The folder of the images, if it is not the table's.")
]
Name = Annotated[str, typer.Option(help="Add the model to the app under this name.")]
Epochs = Annotated[int, typer.Option(min=1, help="Passes over the images.")]
Batch = Annotated[int, typer.Option(min=2, help="Pairs in a step.")]
Rate = Annotated[float, typer.Option(min=0.0, help="Peak learning rate.")]
Patience = Annotated[
    int, typer.Option(min=0, help="Epochs without a better dev figure before it stops; 0: never.")
]
Seed = Annotated[int, typer.Option(min=0, help="Fixes all random choices.")]


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
    """Train the CNN + BiLSTM, which classifies an image and a caption as a pair or not."""
    from components.training.jobs import PairMatcherJob
    from components.training.plan import Plan

    plan = Plan(epochs, rate, optimizer="adam", patience=patience, seed=seed, device=_device())
    _train(PairMatcherJob(plan, batch), data, images, out, name)


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
    margin: Annotated[float, typer.Option(min=0.0, help="Margin of the triplet loss.")] = 0.2,
    negatives: Annotated[
        str, typer.Option(help="Negatives of the triplet loss: hardest, semi-hard or all.")
    ] = "hardest",
    tune_backbone: Annotated[
        bool, typer.Option(help="Train the pretrained image network too.")
    ] = False,
    glove: Annotated[
        Path | None, typer.Option(help="A glove.*.txt of word vectors; without it, random ones.")
    ] = None,
    densenet: Annotated[
        Path | None,
        typer.Option(help="torchvision's densenet121 checkpoint; without it, random weights."),
    ] = None,
    mobilenet: Annotated[
        Path | None, typer.Option(help="A MobileNetV2 folder, used in place of DenseNet-121.")
    ] = None,
) -> None:
    """Train the DenseNet-121 (or MobileNetV2) + LSTM with a triplet loss of its cosines."""
    from components.training.densenet_lstm import Margin
    from components.training.jobs import DenseNetLstmJob
    from components.training.losses import Negatives
    from components.training.plan import Plan

    _check("--negatives", negatives, get_args(Negatives))
    plan = Plan(epochs, rate, optimizer="adam", patience=patience, seed=seed, device=_device())
    trains = tune_backbone or not (densenet or mobilenet)
    loss = Margin(batch, margin, negatives, train_backbone=trains)  # type: ignore[arg-type] # checked
    _train(DenseNetLstmJob(plan, loss, glove, mobilenet, densenet), data, images, out, name)


@train_app.command()
def dual(
    data: Data,
    out: Out,
    base: Annotated[str, typer.Option(help="The checkpoint to start from.")] = "pocket",
    images: Images = None,
    name: Name = "",
    epochs: Epochs = 5,
    batch: Batch = 64,
    chunk: Annotated[
        int, typer.Option(min=0, help="Pairs in memory at a time (GradCache); 0: the whole batch.")
    ] = 0,
    rate: Rate = 1e-5,
    patience: Patience = 0,
    seed: Seed = 0,
    trains: Annotated[
        str, typer.Option(help="The weights to train: full, last, projections or lora.")
    ] = "full",
    last: Annotated[int, typer.Option(min=1, help="Layers of each tower, for `last`.")] = 2,
    rank: Annotated[int, typer.Option(min=1, help="Rank of the matrices, for `lora`.")] = 8,
    loss: Annotated[str, typer.Option(help="contrastive, sigmoid or triplet.")] = "contrastive",
    average: Annotated[
        float, typer.Option(min=0.0, max=0.9999, help="Decay of the weights' average; 0: none.")
    ] = 0.0,
) -> None:
    """Fine-tune a dual encoder: CLIP, SigLIP, Pocket, or an image tower with a text tower."""
    from components.training.dual import LossName, Trains, Tuning
    from components.training.jobs import DualJob
    from components.training.plan import Plan

    _check("--trains", trains, get_args(Trains))
    _check("--loss", loss, get_args(LossName))
    plan = Plan(epochs, rate, average=average, patience=patience, seed=seed, device=_device())
    tuning = Tuning(trains, last, rank, loss, batch, chunk)  # type: ignore[arg-type] # checked above
    _train(DualJob(plan, base, tuning), data, images, out, name)


@train_app.command()
def pocket(
    data: Annotated[
        list[Path],
        typer.Option(
            help="Captioned images with train and dev splits. Repeat it for several datasets."
        ),
    ],
    imagenet: Annotated[
        Path, typer.Option(help="A folder with one image of each class, and labels.csv.")
    ],
    backbone: Annotated[Path, typer.Option(help="MobileNetV2's folder.")],
    minilm: Annotated[Path, typer.Option(help="all-MiniLM-L6-v2's folder.")],
    out: Annotated[Path, typer.Option(help="The run's folder; the model is in its pocket/.")],
    base: Annotated[
        Path | None,
        typer.Option(help="An earlier Pocket to continue from, in place of the first stage."),
    ] = None,
) -> None:
    """Train Pocket, the model that ships with the app, as its model card describes."""
    from components.training.pocket.make import make
    from components.training.pocket.material import Sources

    _show(make(Sources(tuple(data), imagenet, backbone, minilm, base), out))


def _check(option: str, value: str, choices: tuple[str, ...]) -> None:
    if value not in choices:
        raise CaptionLensError(f"{option} is one of {', '.join(choices)}, not {value!r}.")


def _device() -> Any:
    from components.encoder import best_device

    return best_device()


def _train(job: "Job", data: Path, images: Path | None, out: Path, name: str) -> None:
    from components.datasets.captioned import read
    from components.training.run import MODEL, run
    from components.training.split import split_examples

    if name:
        models.refuse_taken(name)
    pairs = read(data, images)
    say_missing(pairs)
    decoding = job.decoding()  # once: it may load the base
    halves = split_examples(pairs.examples, job.plan.seed)
    learn, dev = (_decoded(examples, decoding, out) for examples in halves)
    _show(run(job, (learn, dev), out))
    typer.echo(models.keep_trained(out / MODEL, name).id if name else str(out / MODEL))
    if pairs.missing or learn.skipped or dev.skipped:
        raise typer.Exit(SKIPPED)


def _decoded(examples: "Sequence[Example]", decoding: "Decoding", out: Path) -> "DecodedExamples":
    from components.training.loader import decode_once

    line = ProgressLine()
    images = decode_once(
        examples,
        *decoding,
        out / "images",
        lambda done, total: line.show(f"Decoding {done:,} of {total:,} images"),
    )
    line.end()
    for reason in images.skipped:
        say(f"skipped: {reason}")
    return images


def _show(events: Iterator[object]) -> None:
    """Report a run's events; Ctrl-C or SIGTERM ends it after writing a checkpoint."""
    with stopping("Run the command again to resume.") as stop:
        _report(events, stop)
    if stop.is_set():
        raise typer.Exit(stop.status)


def _report(events: Iterator[object], stop: Stop) -> None:
    from components.training.loop import Dev, Ended, Step
    from components.training.run import Comparison, Message

    line = ProgressLine()
    with closing(events):  # type: ignore[type-var] # a generator, which can be closed
        for event in events:
            if isinstance(event, Step):
                line.show(
                    f"Step {event.number:,} of {event.total:,}  loss {event.loss:.4f}"
                    f"  {duration(event.seconds_left)} left"
                )
                if stop.is_set():
                    return  # closing the events writes a checkpoint
                continue
            line.end()
            if isinstance(event, Dev):
                say(_dev_sentence(event))
            elif isinstance(event, Message):
                say(event.text)
            elif isinstance(event, Comparison):
                say(_comparison_sentence(event))
            elif isinstance(event, Ended):
                say(f"Training has {event.why}; the best dev figure is {event.best:.4g}.")
            else:
                say(str(event))


def _dev_sentence(event: "Dev") -> str:
    best = ", the best so far" if event.is_best else ""
    return f"Epoch {event.epoch + 1}: dev {event.figure:.4g}{best}"


def _comparison_sentence(comparison: "Comparison") -> str:
    def percent(recalls: tuple[float, ...]) -> str:
        return "/".join(f"{100 * share:.1f}" for share in recalls)

    before, after = comparison.before, comparison.after
    return (
        "R@1/5/10 on dev, before and after: caption to image"
        f" {percent(before.caption_to_image)}, {percent(after.caption_to_image)}; image to caption"
        f" {percent(before.image_to_caption)}, {percent(after.image_to_caption)}"
    )
