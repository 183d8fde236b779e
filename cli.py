"""The command line of CaptionLens: ``python cli.py --help``."""

import sys
from contextlib import suppress

import typer

from components.commands.bench import bench_app
from components.commands.check import check
from components.commands.console import MISUSE, VersionOption, failure, open_streams, say
from components.commands.evaluate import evaluate
from components.commands.explain import explain
from components.commands.index import index_app
from components.commands.label import label
from components.commands.match import match
from components.commands.matrix import matrix
from components.commands.models import models_app
from components.commands.search import search
from components.commands.train import train_app
from components.errors import CaptionLensError

app = typer.Typer(
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
    help="Match images and captions, search collections, check datasets, train and manage models.",
)
app.add_typer(models_app, name="models")
app.add_typer(index_app, name="index")
app.add_typer(bench_app, name="bench")
app.add_typer(train_app, name="train")
app.command()(search)
app.command()(matrix)
app.command()(explain)
app.command()(evaluate)
app.command()(match)
app.command()(check)
app.command()(label)


@app.callback()
def options(version: VersionOption = False) -> None:
    """Accept the options that precede a command."""


def main() -> None:
    """Run a command; an error becomes one sentence on standard error and status 2."""
    try:
        open_streams()
        try:
            app()
        finally:
            sys.stdout.flush()
    except CaptionLensError as error:
        _end(str(error))
    except OSError as error:
        _end(failure(error))


def _end(sentence: str) -> None:
    with suppress(OSError):  # standard error may be lost as well
        say(sentence)
    sys.exit(MISUSE)


if __name__ == "__main__":
    main()
