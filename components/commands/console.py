"""What all commands share: their options, their exit statuses, and how they speak."""

import os
import sys
import time
from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from components import models
from components.encoder import Encoder
from components.errors import CaptionLensError

SKIPPED, MISUSE = 1, 2  # exit statuses; 0 is success
_EVERY = 5.0  # seconds between two lines of progress where nobody watches


class Format(StrEnum):
    """How results are written to standard output."""

    table = "table"
    json = "json"
    csv = "csv"


def _use(folder: Path | None) -> Path | None:
    if folder:
        os.environ["CAPTIONLENS_DATA"] = str(folder.expanduser().absolute())
    return folder


FormatOption = Annotated[Format, typer.Option("--format", "-f")]
ModelOption = Annotated[
    str, typer.Option("--model", "-m", help="As in `models list`, a Hub id, or a folder.")
]
DataOption = Annotated[
    Path | None,
    typer.Option("--data-dir", callback=_use, help="Where collections are kept.", is_eager=True),
]


def say(sentence: str) -> None:
    """Write a sentence to standard error: standard output is for results."""
    typer.echo(sentence, err=True)


def load_encoder(model: str, pairs: bool = False) -> Encoder:
    """Return a model's encoder, and say what runs where.

    Raises CaptionLensError of a matcher that scores pairs and has no vectors, unless the command
    can use ``pairs``.
    """
    from components.encoder import load

    encoder = load(model or models.default_id())
    if encoder.head and not pairs:
        raise CaptionLensError(
            f"{encoder.spec.name} has no vectors: it scores pairs, for match and evaluate alone."
        )
    runtime = encoder.runtime
    say(f"{encoder.spec.name}, {runtime.precision}, {runtime.library} on {runtime.device}")
    if encoder.note:
        say(encoder.note)
    return encoder


class ProgressLine:
    """A line that changes in a terminal; in a log, a line now and then."""

    def __init__(self) -> None:
        self._live = sys.stderr.isatty()
        self._next = 0.0

    def show(self, text: str) -> None:
        """Write ``text`` in place of the last one."""
        now = time.monotonic()
        if now < self._next:
            return
        self._next = now + (0.1 if self._live else _EVERY)
        if self._live:
            typer.echo(f"\r\x1b[K{text}", err=True, nl=False)
        else:
            say(text)

    def end(self) -> None:
        """Leave the line."""
        if self._live:
            typer.echo("\r\x1b[K", err=True, nl=False)
