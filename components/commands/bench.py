"""``bench``: speed and quality, against the usual alternative, in one run."""

from pathlib import Path
from typing import Annotated

import typer

from components.errors import CaptionLensError
from components.settings import Settings

bench_app = typer.Typer(
    invoke_without_command=True, help="Measure CaptionLens and the usual alternative in one run."
)
Rounds = Annotated[int, typer.Option(min=1, help="Rounds; both sides alternate in each.")]


@bench_app.callback()
def speed(
    context: typer.Context,
    model: Annotated[
        list[str] | None,
        typer.Option("--model", "-m", help="Repeatable. Default: Pocket and a random CLIP."),
    ] = None,
    rounds: Rounds = 3,
    recall: Annotated[
        Path | None,
        typer.Option(help="A dataset with dev and test splits: measure recall instead."),
    ] = None,
    precision: Annotated[
        str | None, typer.Option(help="f32, bf16 or int8. Default: what the app would use.")
    ] = None,
) -> None:
    """Measure encoding speed against plain torch and ONNX Runtime, both in float32."""
    if context.invoked_subcommand:
        return
    from components.bench import baseline, encoding
    from components.bench.recall import recall as measure_recall

    if recall:
        for model_id in model or ["pocket"]:
            measure_recall(model_id, recall, typer.echo)
        return
    for model_id in model or ["pocket", baseline.RANDOM_CLIP]:
        encoding.speed(model_id, rounds, typer.echo, precision)


@bench_app.command("search")
def search(
    rounds: Rounds = 3,
    images: Annotated[
        Path | None,
        typer.Option(help="A folder of JPEG files: measure build memory as well."),
    ] = None,
    recall: Annotated[
        Path | None,
        typer.Option(help="A folder with images/ and captions.csv: measure recall instead."),
    ] = None,
    model: Annotated[str, typer.Option("--model", "-m", help="Model for --recall.")] = "pocket",
    to: Annotated[
        str,
        typer.Option(help="A Milvus server, milvus://HOST:PORT/DATABASE: measure it instead."),
    ] = "",
    rows: Annotated[int, typer.Option(min=1000, help="Vectors for --to.")] = 200_000,
) -> None:
    """Measure search at 25,000 and 1,000,000 vectors, and the building of a collection."""
    if to:
        from components.bench.milvus import beside

        beside(to, rows, typer.echo)
        return
    from components.bench import building, search
    from components.bench.recall import through_search

    if recall:
        through_search(model, recall, typer.echo)
        return
    search.at_25k(rounds, typer.echo)
    building.speed(rounds, typer.echo)
    search.at_1m(rounds, typer.echo)
    if images:
        building.memory(images, typer.echo)


Folder = Annotated[Path, typer.Argument(help="A dataset with dev and test splits.")]


@bench_app.command("scores")
def scores(folder: Folder, model: Annotated[str, typer.Option("--model", "-m")] = "pocket") -> None:
    """Measure how well percentile, z and cosine separate true captions from others."""
    from components.bench import scores

    scores.scores(model, folder, typer.echo)


@bench_app.command("bands")
def bands(
    folders: Annotated[
        list[Path] | None, typer.Argument(help="Datasets with a split. Default: the samples alone.")
    ] = None,
    model: Annotated[str, typer.Option("--model", "-m")] = "pocket",
    split: Annotated[str, typer.Option(help="The split that is measured.")] = "test",
) -> None:
    """Measure how often an image in first place that reads strong, or fair, is right."""
    from components.bench import bands

    bands.bands(model, folders or [], split, typer.echo)


@bench_app.command("views")
def views(folder: Folder, model: Annotated[str, typer.Option("--model", "-m")] = "pocket") -> None:
    """Measure what averaging eight views of an image gains on the dev split."""
    from components.bench import scores

    scores.views(model, folder, typer.echo)


@bench_app.command("maps")
def maps(
    folder: Annotated[
        Path | None, typer.Option("--images", help="A dataset with a dev split: adds 100 images.")
    ] = None,
    rounds: Rounds = 3,
) -> None:
    """Measure the speed of occlusion maps and their faithfulness, against random order."""
    from components.bench import maps

    maps.maps(folder, rounds, typer.echo)


@bench_app.command("names")
def names(
    folder: Annotated[Path, typer.Argument(help="An image of each class, with labels.csv.")],
    model: Annotated[str, typer.Option("--model", "-m")] = "pocket",
    data: Annotated[
        list[Path] | None,
        typer.Option(help="A dataset whose images are classified as well. Repeatable."),
    ] = None,
    backbone: Annotated[
        Path | None, typer.Option(help="MobileNetV2's folder, which --data compares with.")
    ] = None,
) -> None:
    """Measure zero-shot accuracy on ImageNet's classes, and agreement with MobileNetV2."""
    from components.bench.training import agreement
    from components.bench.training import names as measure
    from components.commands.console import load_encoder

    if data and not backbone:
        raise CaptionLensError("--data needs --backbone, MobileNetV2's folder.")
    encoder = load_encoder(model)
    measure(encoder, folder, typer.echo)
    for each in data or []:
        agreement(encoder, folder, each, backbone or Path(), typer.echo)


@bench_app.command("check")
def check(
    folder: Annotated[Path, typer.Argument(help="A captioned dataset.")],
    split: Annotated[str, typer.Option(help="The split that is measured; empty: all.")] = "test",
    labels: Annotated[
        Path | None,
        typer.Option(help="A table of images with labels: measures labels as well."),
    ] = None,
    model: Annotated[str, typer.Option("--model", "-m")] = "pocket",
) -> None:
    """Measure how well exchanged captions are found, against the cosine, and duplicates."""
    from components.bench.check import wrong_captions
    from components.bench.duplicates import duplicates
    from components.bench.labels import labels as measure_labels
    from components.commands.console import load_encoder

    encoder = load_encoder(model)
    wrong_captions(encoder, folder, split, typer.echo)
    duplicates(folder, typer.echo, model)
    if labels:
        measure_labels(encoder, labels, typer.echo)


@bench_app.command("labels")
def labels(
    table: Annotated[Path, typer.Argument(help="A table with columns image and label (or names).")],
    model: Annotated[str, typer.Option("--model", "-m")] = "pocket",
) -> None:
    """Measure zero-shot labels, their confidence, and wrong labels found, against cleanlab."""
    from components.bench.labels import labels as measure
    from components.commands.console import load_encoder

    measure(load_encoder(model), table, typer.echo)


@bench_app.command("train")
def train(
    data: Annotated[
        Path | None, typer.Option(help="A dataset of 16 pairs or more. Default: the samples.")
    ] = None,
    model: Annotated[str, typer.Option("--model", "-m")] = "pocket",
    rounds: Rounds = 3,
) -> None:
    """Measure fine-tuning steps with freed memory kept by the process and returned."""
    from components.bench.training import steps

    steps(model, data or Settings().samples, rounds, typer.echo)


@bench_app.command("sessions")
def sessions(
    count: Annotated[
        list[int] | None, typer.Option(min=1, help="Sessions at once. Repeatable.")
    ] = None,
    page: Annotated[
        list[str] | None, typer.Option(help="match, search or matrix. Repeatable.")
    ] = None,
    runs: Annotated[int, typer.Option(min=1, help="Full runs of each session.")] = 5,
    rounds: Annotated[
        int, typer.Option(min=1, help="Repetitions, to see whether memory grows.")
    ] = 1,
) -> None:
    """Measure the pages' runs while many people use one server, and the server's memory."""
    from components.bench.sessions import PAGES
    from components.bench.sessions import sessions as measure

    pages = page or list(PAGES)
    if unknown := set(pages) - set(PAGES):
        raise CaptionLensError(f"--page is one of {', '.join(PAGES)}, not {min(unknown)!r}.")
    measure(count or [10, 25, 50], pages, runs, rounds, typer.echo)


@bench_app.command("ray")
def ray(
    folder: Annotated[
        Path | None, typer.Argument(help="A folder of images. Default: 1,024 made of the samples.")
    ] = None,
    model: Annotated[str, typer.Option("--model", "-m")] = "pocket",
    rounds: Annotated[int, typer.Option(min=1, help="Builds of each kind, in turn.")] = 1,
) -> None:
    """Measure building on Ray with one and two workers against one process, on this machine."""
    from components.bench.ray import speed

    speed(model, folder, rounds, typer.echo)


@bench_app.command("projection")
def projection(
    data: Annotated[
        Path, typer.Option("--data", help="A captioned dataset: its images are encoded.")
    ],
    rows: Annotated[
        int, typer.Option(min=1000, help="Vectors for the time of a large map.")
    ] = 100_000,
    model: Annotated[str, typer.Option("--model", "-m")] = "pocket",
) -> None:
    """Measure the map of a collection against UMAP and k-means, and what names its clusters."""
    from components.bench.projection import projection as measure
    from components.commands.console import load_encoder

    measure(load_encoder(model), data, rows, typer.echo)


@bench_app.command("films")
def films(
    minutes: Annotated[
        float, typer.Option(min=0.5, help="Length of the film that is made, and indexed.")
    ] = 5.0,
    data: Annotated[
        Path | None, typer.Option(help="A captioned dataset to film. Default: the samples.")
    ] = None,
) -> None:
    """Measure the indexing of films: speed, memory, moments, and cuts against PySceneDetect."""
    from components.bench.films import films as measure

    measure(minutes, data, typer.echo)
