"""Shared by all commands: options, exit statuses, messages and progress."""

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
from components.version import version

SKIPPED, MISUSE = 1, 2  # exit statuses; 0 is success
_EVERY = 5.0  # seconds between two lines of progress in a log


class Format(StrEnum):
    """How results are written to standard output."""

    table = "table"
    json = "json"
    csv = "csv"


def _set_data_folder(folder: Path | None) -> Path | None:
    if folder:
        os.environ["CAPTIONLENS_DATA"] = str(folder.expanduser().absolute())
    return folder


def _show_version(requested: bool) -> None:
    if requested:
        typer.echo(f"CaptionLens {version()}")
        raise typer.Exit


FormatOption = Annotated[Format, typer.Option("--format", "-f", help="Format of the results.")]
ModelOption = Annotated[
    str, typer.Option("--model", "-m", help="An id from `models list`, a Hub id, or a folder.")
]
VersionOption = Annotated[
    bool,
    typer.Option(
        "--version", callback=_show_version, is_eager=True, help="Show the version and exit."
    ),
]
DataOption = Annotated[
    Path | None,
    typer.Option(
        "--data-dir", callback=_set_data_folder, help="Folder of the collections.", is_eager=True
    ),
]


def say(sentence: str) -> None:
    """Write a sentence to standard error: standard output is for results."""
    typer.echo(sentence, err=True)


def open_streams() -> None:
    """Open closed standard streams on nothing: files opened later would take their numbers.

    Raises CaptionLensError where standard output is closed: results would be lost.
    """
    closed = [name for name in ("stdin", "stdout", "stderr") if getattr(sys, name) is None]
    for name in closed:
        mode = "r" if name == "stdin" else "w"
        setattr(sys, name, Path(os.devnull).open(mode, encoding="utf-8"))  # noqa: SIM115 - it stays
    if "stdout" in closed:
        raise CaptionLensError("Standard output is closed: there is nowhere to write results.")


def failure(error: OSError) -> str:
    """Return the sentence for an error of the system; without a file's name it is of a stream."""
    reason = error.strerror or str(error)
    named = isinstance(error.filename, str | os.PathLike)
    return f"{error.filename}: {reason}." if named else f"The output cannot be written: {reason}."


def load_encoder(model: str, pairs: bool = False) -> Encoder:
    """Return a model's encoder; write its precision, runtime and device to standard error.

    Raises CaptionLensError for a pair matcher, which has no vectors, unless ``pairs``.
    """
    from components.encoder import load

    encoder = load(model or models.default_id())
    if encoder.head and not pairs:
        raise CaptionLensError(
            f"{encoder.spec.name} scores pairs and has no vectors: use it with match or evaluate."
        )
    runtime = encoder.runtime
    say(f"{encoder.spec.name}, {runtime.precision}, {runtime.library} on {runtime.device}")
    if encoder.note:
        say(encoder.note)
    return encoder


class ProgressLine:
    """A progress line, replaced in place in a terminal, written at intervals to a log."""

    def __init__(self) -> None:
        self._live = sys.stderr.isatty()
        self._next = 0.0

    def show(self, text: str) -> None:
        """Show ``text`` in place of the last one."""
        now = time.monotonic()
        if now < self._next:
            return
        self._next = now + (0.1 if self._live else _EVERY)
        if self._live:
            typer.echo(f"\r\x1b[K{text}", err=True, nl=False)
        else:
            say(text)

    def end(self) -> None:
        """Clear the line."""
        if self._live:
            typer.echo("\r\x1b[K", err=True, nl=False)
