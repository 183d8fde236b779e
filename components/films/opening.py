"""Opens a film for decoding, as nothing but a film; for processes of their own."""

import math
import re
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

from components.errors import CaptionLensError

if TYPE_CHECKING:
    from av import VideoStream
    from av.container import InputContainer

# Suffixes of films, and what a browser is told they are. QuickTime is the same container as MP4,
# which browsers know by that name alone.
MEDIA_TYPES = {
    "mp4": "video/mp4",
    "m4v": "video/mp4",
    "mov": "video/mp4",
    "mkv": "video/x-matroska",
    "webm": "video/webm",
    "avi": "video/x-msvideo",
    "mpg": "video/mpeg",
    "mpeg": "video/mpeg",
}
_MEMORY = 4_000_000_000  # bytes of addresses: enough for 8K in ten bits, with two threads
# A renamed playlist would have FFmpeg open other files, and servers.
_OPTIONS = {"format_whitelist": "mov,matroska,webm,avi,mpeg", "protocol_whitelist": "file"}
_CONTAINERS = {"matroska": "MKV", "mov": "MP4", "avi": "AVI", "mpeg": "MPEG"}
_THREADS = 4  # more decode no faster than the rest of the work
_CREATED = ("com.apple.quicktime.creationdate", "creation_time", "date")
_EARLIEST = 1980  # cameras without a clock write 1904 or 1970
_TAG = re.compile(r"(\d+):(\d\d):(\d\d(?:\.\d+)?)")


class FilmError(CaptionLensError):
    """A film that cannot be decoded; the sentence names it."""


@dataclass(frozen=True)
class Facts:
    """What a film says of itself: seconds (0.0: it does not say), the size of its upright image.

    ``created``: as EXIF writes it, "2019:08:24 10:11:12", or "".
    """

    length: float
    width: int
    height: int
    container: str
    created: str


@contextmanager
def opened(path: Path) -> Iterator[tuple["InputContainer", "VideoStream"]]:
    """Open a film and its video. Raises FilmError, and av.error.FFmpegError where it is none."""
    import av

    av.logging.set_level(None)
    # "file:" keeps a name such as "concat:a|b" from being an address.
    with av.open(f"file:{path.absolute()}", options=_OPTIONS) as film:
        # The cover of an album is a video stream too.
        cover = av.stream.Disposition.attached_pic
        seen = [each for each in film.streams.video if not each.disposition & cover]
        if not seen:
            raise FilmError(f"{path.name} has no images, only sound.")
        if not seen[0].codec_context.width:
            raise FilmError(f"{path.name} does not say how large its images are.")
        seen[0].thread_type, seen[0].thread_count = "AUTO", _THREADS
        yield film, seen[0]


def facts_of(path: Path, film: "InputContainer", seen: "VideoStream", rotation: int) -> Facts:
    """Return the facts of a film whose first frame a player turns by ``rotation`` degrees."""
    container = _CONTAINERS.get(film.format.name.partition(",")[0], film.format.name)
    if path.suffix.lower() in {".mov", ".webm"}:
        container = {"MP4": "MOV", "MKV": "WebM"}.get(container, container)
    size = shown_size(seen.codec_context.width, seen.codec_context.height, seen, rotation)
    return Facts(length_of(film, seen), *size, container, _created({**film.metadata}))


def shown_size(width: int, height: int, seen: "VideoStream", rotation: int) -> tuple[int, int]:
    """Return the size at which a frame is shown: its pixels may not be square, or it is turned."""
    aspect = seen.sample_aspect_ratio
    if aspect and 0.1 < aspect < 10:
        width = max(1, round(width * aspect))
    return (height, width) if rotation % 180 else (width, height)


def length_of(film: "InputContainer", seen: "VideoStream") -> float:
    """Return the seconds of a film's video, 0.0 where the container does not say."""
    if seen.duration and seen.time_base:
        return max(0.0, float(seen.duration * seen.time_base))
    tag = _TAG.match(str(seen.metadata.get("DURATION", "")))
    if tag:
        return int(tag[1]) * 3600 + int(tag[2]) * 60 + float(tag[3])
    return max(0.0, film.duration / 1_000_000) if film.duration else 0.0


def _created(metadata: dict[str, str]) -> str:
    tags = {name.lower(): text for name, text in metadata.items()}
    for name in _CREATED:
        with suppress(ValueError, OverflowError):
            found = datetime.fromisoformat(tags.get(name, "").strip())
            if found.year >= _EARLIEST:
                local = found if name != "creation_time" else found.astimezone(UTC)
                return f"{local:%Y:%m:%d %H:%M:%S}"
    return ""


def limit_memory() -> None:
    """Bound what this process may take; a film that needs more fails alone."""
    with suppress(ImportError):  # not on Windows
        import resource

        for limit, most in ((resource.RLIMIT_AS, _MEMORY), (resource.RLIMIT_CORE, 0)):
            hard = resource.getrlimit(limit)[1]
            allowed = most if hard == resource.RLIM_INFINITY else min(most, hard)
            resource.setrlimit(limit, (allowed, hard))


def is_finite(seconds: float | None) -> bool:
    """Return whether a frame has a time."""
    return seconds is not None and math.isfinite(seconds)
