"""Sources of images: a name that is safe to display, and the encoded bytes, size-limited."""

import re
import stat
import unicodedata
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from components.errors import CaptionLensError

SUFFIXES = (
    *("jpg", "jpeg", "jfif", "png", "webp", "gif", "tif", "tiff", "bmp"),
    *("heic", "heif", "avif"),
)
_MAX_BYTES = 200_000_000
_NAME_LENGTH = 200
# Bidirectional control characters can make "gpj.exe" display as "exe.jpg".
_BIDI = re.compile("[\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069]")
_LINE_MARKS = frozenset({"Cc", "Zl", "Zp"})  # Unicode categories: control, line, paragraph


class ImageError(CaptionLensError):
    """A file that cannot be read as an image; the sentence names it and gives the reason."""


@dataclass(frozen=True)
class Source:
    """Where an image comes from: encoded bytes, a file, or a function that returns the bytes.

    ``name`` is for display. The function may raise ImageError.
    """

    name: str
    data: bytes | Path | Callable[[], bytes]


@dataclass(frozen=True)
class Photo:
    """An image's metadata, known once it was decoded."""

    source: Source
    digest: str  # SHA-256 of the file's bytes, in hex
    width: int  # of the upright original, in pixels
    height: int
    note: str  # a sentence about it for the user, or ""
    format: str = ""  # "JPEG", "PNG", ..., by its content
    taken: str = ""  # date and time in EXIF's form: "2019:08:24 10:11:12"

    @property
    def name(self) -> str:
        """The name to display."""
        return self.source.name


def source_of(data: bytes | Path | Callable[[], bytes], name: str | None = None) -> Source:
    """Return a source with a name safe to display: without "..", without control characters."""
    shown = name if name is not None else data.name if isinstance(data, Path) else ""
    return Source(safe_name(shown), data)


def safe_name(name: str) -> str:
    visible = _BIDI.sub("", name.encode("utf-8", "replace").decode())
    visible = "".join(mark for mark in visible if unicodedata.category(mark) not in _LINE_MARKS)
    parts = [part.strip() for part in re.split(r"[/\\]+", visible)]
    kept = "/".join(part for part in parts if part not in {"", ".", ".."})
    return kept[-_NAME_LENGTH:].lstrip("/") or "image"


def read_source(source: Source) -> bytes:
    data = source.data
    if isinstance(data, Path):
        data = _read_file(data, source.name)
    elif not isinstance(data, bytes):
        data = data()
    if not data:
        raise ImageError(f"{source.name} is empty.")
    _check_bytes(source.name, len(data))
    return data


def _read_file(file: Path, name: str) -> bytes:
    try:
        status = file.stat()
        if not stat.S_ISREG(status.st_mode):  # reading a pipe would never end
            raise ImageError(f"{name} is not a file.")
        _check_bytes(name, status.st_size)
        return file.read_bytes()
    except OSError as error:
        raise ImageError(f"{name} cannot be read: {error.strerror or error}.") from error
    except ValueError as error:  # such as a null byte in the path
        raise ImageError(f"{name} cannot be read: {error}.") from error


def _check_bytes(name: str, count: int) -> None:
    if count > _MAX_BYTES:
        raise ImageError(f"{name} is larger than {_MAX_BYTES // 1_000_000} MB.")
