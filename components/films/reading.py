"""A film as the rest of the app reads it: its facts and sampled frames, from a process of its own.

What crashes FFmpeg, or keeps it busy for ever, costs that process, and names the film.
"""

import json
import os
import select
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from components.films.opening import Facts, FilmError
from components.films.sampler import Ended, Position
from components.settings import ROOT

_DECODER = "components.films.decode"
_PATIENCE = 60.0  # seconds without a sign of life
_TICK = 0.2  # seconds until a stop is seen
_PIPE = 2**20  # bytes: some frames ahead of the encoder
_LINE = 10_000  # bytes, the longest
_JPEG = 5_000_000  # bytes


@dataclass(frozen=True)
class Frame:
    """A frame that was sampled: its time in seconds, and the bytes of its JPEG."""

    seconds: float
    jpeg: bytes


Part = Facts | Frame | Position | Ended


def read_film(path: Path, after: float | None, stop: threading.Event) -> Iterator[Part]:
    """Yield a film's facts, its frames and how far it is, and the end with what is wrong with it.

    ``after``: the time of a frame from which on frames are sampled. ``stop`` ends it before the
    end. Raises FilmError where decoding crashed or hung.
    """
    begin = [] if after is None else [f"{after:.3f}"]
    with subprocess.Popen(
        [sys.executable, "-m", _DECODER, str(path.absolute()), *begin],
        cwd=ROOT,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
    ) as process:
        try:
            yield from _parts(path.name, _Pipe(process, stop))
        finally:
            process.kill()


def _parts(name: str, pipe: "_Pipe") -> Iterator[Part]:
    try:
        while line := pipe.line():
            part = _part(json.loads(line), pipe)
            yield part
            if isinstance(part, Ended):
                return
    except TimeoutError as error:
        raise FilmError(
            f"{name} cannot be decoded: its decoder did not respond for {_PATIENCE:.0f} s."
        ) from error
    except (ValueError, KeyError, TypeError) as error:  # it wrote something else
        raise FilmError(f"{name} cannot be decoded: its decoder failed.") from error
    if not pipe.stopped:
        raise FilmError(f"{name} ended the process that decoded it{pipe.signal()}.")


def _part(told: dict[str, Any], pipe: "_Pipe") -> Part:
    kind = told.pop("event")
    if kind == "Frame":
        return Frame(float(told["seconds"]), pipe.data(int(told["bytes"])))
    if kind == "Facts":
        return Facts(**told)
    return Position(**told) if kind == "Position" else Ended(**told)


class _Pipe:
    """The standard output of a process, read with a limit of time, until ``stop`` is set."""

    def __init__(self, process: "subprocess.Popen[bytes]", stop: threading.Event) -> None:
        assert process.stdout is not None  # noqa: S101 - a pipe was asked for
        self._process, self._stop = process, stop
        self._from = process.stdout.fileno()
        self._held = bytearray()
        os.set_blocking(self._from, False)
        with suppress(ImportError, AttributeError, OSError):  # Linux alone has it
            import fcntl

            fcntl.fcntl(self._from, fcntl.F_SETPIPE_SZ, _PIPE)

    @property
    def stopped(self) -> bool:
        """Whether reading ended because it was stopped."""
        return self._stop.is_set()

    def line(self) -> bytes:
        """Return the next line, empty at the end. Raises TimeoutError."""
        while (end := self._held.find(b"\n")) < 0:
            if len(self._held) > _LINE:
                raise ValueError("a line without end")
            if not self._fill():
                return b""
        return self._take(end + 1)

    def data(self, count: int) -> bytes:
        """Return so many bytes. Raises TimeoutError, and ValueError where there are fewer."""
        if not 0 < count <= _JPEG:
            raise ValueError("not the size of an image")
        while len(self._held) < count:
            if not self._fill():
                raise ValueError("cut off")
        return self._take(count)

    def _take(self, count: int) -> bytes:
        taken = bytes(self._held[:count])
        del self._held[:count]
        return taken

    def _fill(self) -> bool:
        """Read what is there; return whether there may be more."""
        end = time.monotonic() + _PATIENCE
        while not self._stop.is_set():
            if select.select([self._from], [], [], _TICK)[0]:
                read = os.read(self._from, _PIPE)
                self._held += read
                return bool(read)
            if time.monotonic() > end:
                raise TimeoutError
        return False

    def signal(self) -> str:
        """Return which signal ended the process, as a part of a sentence, "" where none did."""
        number = -self._process.wait()
        with suppress(ValueError):
            return f" ({signal.Signals(number).name})"
        return ""
