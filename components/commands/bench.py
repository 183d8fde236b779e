"""``bench``: how fast ours is, against the usual way, in one run."""

from pathlib import Path
from typing import Annotated

import typer

from components.settings import Settings

bench_app = typer.Typer(
    invoke_without_command=True, help="Measure ours and the usual way in one run, with the ratio."
)
Rounds = Annotated[int, typer.Option(min=1, help="Ours and the other take turns.")]


@bench_app.callback()
def speed(
    context: typer.Context,
    model: Annotated[
        list[str] | None,
        typer.Option("--model", "-m", help="May be given again; by default Pocket and a CLIP."),
    ] = None,
    rounds: Rounds = 3,
    recall: Annotated[
        Path | None,
        typer.Option(help="A folder with images/ and captions.csv: recall by precision instead."),
    ] = None,
) -> None:
    """Measure encoding, ours and plain torch float32: images a second, and the ratio."""
    if context.invoked_subcommand:
        return
    from components.bench import baseline, encoding
    from components.bench.recall import recall as measure_recall

    if recall:
        for model_id in model or ["pocket"]:
            measure_recall(model_id, recall, typer.echo)
        return
    for model_id in model or ["pocket", baseline.RANDOM_CLIP]:
        encoding.speed(model_id, rounds, typer.echo)


@bench_app.command("search")
def search(
    rounds: Rounds = 3,
    images: Annotated[
        Path | None, typer.Option(help="A folder of JPEG files: memory of a build as well.")
    ] = None,
    recall: Annotated[
        Path | None,
        typer.Option(help="A folder with images/ and captions.csv: recall through the search."),
    ] = None,
    model: Annotated[str, typer.Option("--model", "-m", help="Of the recall.")] = "pocket",
) -> None:
    """Measure search at 25,000 and 1,000,000 vectors, and building, against the usual ways."""
    from components.bench import search

    if recall:
        search.recall(model, recall, typer.echo)
        return
    search.at_25k(rounds, typer.echo)
    search.building(rounds, typer.echo)
    search.at_1m(rounds, typer.echo)
    if images:
        search.memory(images, typer.echo)


Folder = Annotated[Path, typer.Argument(help="With images/ and captions.csv: image,split,caption.")]


@bench_app.command("scores")
def scores(folder: Folder, model: Annotated[str, typer.Option("--model", "-m")] = "pocket") -> None:
    """Measure how well percentile, z and cosine part true captions from others."""
    from components.bench import scores

    scores.scores(model, folder, typer.echo)


@bench_app.command("views")
def views(folder: Folder, model: Annotated[str, typer.Option("--model", "-m")] = "pocket") -> None:
    """Measure what averaging eight views of an image gains on the dev split."""
    from components.bench import scores

    scores.views(model, folder, typer.echo)


@bench_app.command("maps")
def maps(
    folder: Annotated[
        Path | None, typer.Option("--images", help="As of the others: more images.")
    ] = None,
    rounds: Rounds = 3,
) -> None:
    """Measure how fast a map of why is, and how much better than chance."""
    from components.bench import maps

    maps.maps(folder, rounds, typer.echo)


@bench_app.command("names")
def names(
    folder: Annotated[Path, typer.Argument(help="An image of each class, with labels.csv.")],
    model: Annotated[str, typer.Option("--model", "-m")] = "pocket",
) -> None:
    """Measure how often an image of ImageNet finds its own name among all names."""
    from components.bench.training import names as measure
    from components.commands.console import load_encoder

    measure(load_encoder(model), folder, typer.echo)


@bench_app.command("train")
def train(
    data: Annotated[
        Path | None, typer.Option(help="16 pairs or more, as `train` reads them.")
    ] = None,
    model: Annotated[str, typer.Option("--model", "-m")] = "pocket",
    rounds: Rounds = 3,
) -> None:
    """Measure steps of fine-tuning with the memory kept between them, and given back."""
    from components.bench.training import steps

    steps(model, data or Settings().samples, rounds, typer.echo)
