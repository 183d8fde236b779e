"""The process that decodes a film: what is sampled goes to standard output.

    python -m components.films.decode FILM [AFTER]

Each part is one JSON object on a line; after that of a frame follow the bytes of its JPEG.
"""

import json
import os
import signal
import sys
import time
from dataclasses import asdict
from pathlib import Path
from typing import IO, Any

from components.films.opening import FilmError, limit_memory
from components.films.pictures import jpeg
from components.films.sampler import Chosen, Ended, Position, Step, sample

_NICE = 5  # the pages of a server come first, and the encoder, which waits for frames
_BEAT = 0.5  # seconds between two signs of life


def _write(out: IO[bytes], part: dict[str, Any], data: bytes = b"") -> None:
    out.write(json.dumps(part).encode() + b"\n" + data)
    out.flush()


def _tell(out: IO[bytes], step: Step) -> None:
    if isinstance(step, Chosen):
        data = jpeg(step.image)
        _write(out, {"event": "Frame", "seconds": step.seconds, "bytes": len(data)}, data)
    else:
        _write(out, {"event": type(step).__name__, **asdict(step)})


def _decode(path: Path, after: float | None, out: IO[bytes]) -> None:
    import av

    beat = time.monotonic()
    try:
        for step in sample(path, after):
            if not isinstance(step, Position) or time.monotonic() > beat + _BEAT:
                beat = time.monotonic()
                _tell(out, step)
    except FilmError as error:
        _tell(out, Ended(str(error).removeprefix(f"{path.name} ")))
    except (av.error.FFmpegError, MemoryError, OSError, ValueError) as error:
        _tell(out, Ended(_reason(error)))


def _reason(error: Exception) -> str:
    """Return what is wrong with a file that FFmpeg refuses."""
    if isinstance(error, MemoryError):  # FFmpeg's is one too
        return "needs more memory than is available."
    if isinstance(error, PermissionError | FileNotFoundError):
        return f"cannot be read: {os.strerror(error.errno or 0)}."
    return "is not a film that can be read (MP4, MOV, MKV, WebM, AVI or MPEG), or is damaged."


def main(arguments: list[str]) -> None:
    """Decode a film; where nobody reads any more, end."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C reaches all; the reader ends this process
    path, *after = arguments
    os.nice(_NICE)
    limit_memory()
    try:
        _decode(Path(path), float(after[0]) if after else None, sys.stdout.buffer)
    except BrokenPipeError:
        os._exit(1)  # without flushing what nobody reads


if __name__ == "__main__":
    main(sys.argv[1:])
