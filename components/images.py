"""Bytes or path -> an upright RGB picture, or a typed error that names the file."""

import hashlib
import io
import os
import re
import stat
import unicodedata
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from PIL import ExifTags, Image, ImageCms, ImageOps, UnidentifiedImageError

from components.errors import CaptionLensError
from components.settings import Settings

if TYPE_CHECKING:
    from numpy.typing import NDArray

SUFFIXES = (
    *("jpg", "jpeg", "jfif", "png", "webp", "gif", "tif", "tiff", "bmp"),
    *("heic", "heif", "avif"),
)
# What a file holds decides, not its name; formats that run programs or other parsers stay shut.
_FORMATS = ("JPEG", "MPO", "PNG", "WEBP", "GIF", "TIFF", "BMP", "AVIF", "HEIF")
_READABLE = "JPEG, PNG, WebP, GIF, TIFF, BMP, HEIC or AVIF"

DECODE_SIDE = 320  # pixels of the shorter side: enough for a thumbnail and most models
_MAX_BYTES = 200_000_000
_NAME_LENGTH = 200
# Marks that turn the reading direction could make "gpj.exe" of a name.
_BIDI = re.compile("[\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069]")
_SWAPPED = frozenset({5, 6, 7, 8})  # EXIF orientations that lie on their side

# Our own check of the header's size, with its own sentence, takes the place of Pillow's warning.
Image.MAX_IMAGE_PIXELS = None


class ImageError(CaptionLensError):
    """A file that gives no picture; the sentence names it and says why."""


@dataclass(frozen=True)
class Source:
    """Where a picture comes from: encoded bytes in memory, or a file; ``name`` is for people."""

    name: str
    data: bytes | Path


@dataclass(frozen=True)
class Photo:
    """A picture that was decoded once."""

    source: Source
    digest: str  # of the file's bytes: SHA-256 in hex
    width: int  # of the upright original, in pixels
    height: int
    note: str  # what the person should know of it, a sentence or nothing

    @property
    def name(self) -> str:
        """The name that people see."""
        return self.source.name


def source_of(data: bytes | Path, name: str | None = None) -> Source:
    """Return a source under a name that is safe to show: no climbing path, no control marks."""
    shown = name if name is not None else data.name if isinstance(data, Path) else ""
    return Source(_safe(shown), data)


def _safe(name: str) -> str:
    visible = _BIDI.sub("", name.encode("utf-8", "replace").decode())
    visible = "".join(mark for mark in visible if unicodedata.category(mark) != "Cc")
    parts = [part.strip() for part in re.split(r"[/\\]+", visible)]
    kept = "/".join(part for part in parts if part not in {"", ".", ".."})
    return kept[-_NAME_LENGTH:] or "picture"


def decode(
    source: Source, side: int = DECODE_SIDE, max_pixels: int | None = None
) -> tuple[Photo, Image.Image]:
    """Return a photo and its upright RGB picture.

    The picture's shorter side has at least ``side`` pixels where the original's has: a JPEG is
    decoded at 1/2, 1/4 or 1/8 of its size, which takes a sixth of the time at 12 megapixels.
    Raises ImageError where the file gives no picture, or one of more than ``max_pixels``.
    """
    data = _read(source)
    with _named(source.name):
        picture = _open(data)
        width, height = picture.size
        _check_size(source.name, width, height, max_pixels or Settings().max_pixels)
        swapped = _orientation(picture) in _SWAPPED
        note = _note(picture)
        picture.draft(picture.mode, (side, side))
        rgb = _rgb(_upright(picture))
    if swapped:
        width, height = height, width
    digest = hashlib.sha256(data).hexdigest()
    return Photo(source, digest, width, height, note), rgb


def thumbnail(picture: Image.Image, side: int = 320) -> bytes:
    """Return JPEG bytes of a picture, its longer side at most ``side`` pixels, no metadata."""
    small = picture.copy()
    small.thumbnail((side, side))
    out = io.BytesIO()
    small.save(out, "JPEG", quality=85)
    return out.getvalue()


def enlarge(source: Source, side: int = 1600) -> bytes:
    """Return JPEG bytes for the large view, the longer side at most ``side`` pixels.

    Raises ImageError as `decode` does.
    """
    return thumbnail(decode(source, side)[1], side)


def _read(source: Source) -> bytes:
    data = source.data if isinstance(source.data, bytes) else _read_file(source.data, source.name)
    if not data:
        raise ImageError(f"{source.name} is empty.")
    return data


def _read_file(file: Path, name: str) -> bytes:
    try:
        facts = file.stat()
        if not stat.S_ISREG(facts.st_mode):  # a pipe would never end
            raise ImageError(f"{name} is not a file.")
        if facts.st_size > _MAX_BYTES:
            raise ImageError(f"{name} is larger than {_MAX_BYTES // 1_000_000} MB.")
        return file.read_bytes()
    except OSError as error:
        raise ImageError(f"{name} cannot be read: {error.strerror or error}.") from error


@contextmanager
def _named(name: str) -> Iterator[None]:
    """Turn whatever a decoder raises into one sentence with the file's name."""
    try:
        yield
    except ImageError:
        raise
    except UnidentifiedImageError as error:
        raise ImageError(f"{name} is not a picture that can be read ({_READABLE}).") from error
    except MemoryError as error:
        raise ImageError(f"{name} needs more memory than there is.") from error
    except Exception as error:  # nine decoders raise what they like on damaged input
        if "truncated" in str(error).lower():
            sentence = f"{name} is cut off: the file ends before the picture does."
        else:
            sentence = f"{name} is damaged and cannot be decoded."
        raise ImageError(sentence) from error


def _open(data: bytes) -> Image.Image:
    return Image.open(io.BytesIO(data), formats=_registered(heif=data[4:8] == b"ftyp"))


@cache
def _registered(heif: bool) -> tuple[str, ...]:
    """Return the formats that Pillow may try; HEIF's plugin is loaded when it is first needed."""
    Image.init()
    if heif:
        from pillow_heif import register_heif_opener

        register_heif_opener()
    return tuple(kind for kind in _FORMATS if kind in Image.OPEN)


def _check_size(name: str, width: int, height: int, limit: int) -> None:
    if width * height > limit:
        raise ImageError(
            f"{name} has {width:,} x {height:,} pixels, above the limit of"
            f" {limit / 1e6:,.0f} megapixels."
        )
    if not width or not height:
        raise ImageError(f"{name} has no pixels.")


def _orientation(picture: Image.Image) -> int:
    try:
        return int(picture.getexif().get(ExifTags.Base.Orientation, 1))
    except Exception:  # noqa: BLE001 - broken EXIF must not cost the picture
        return 1


def _note(picture: Image.Image) -> str:
    """Return which of several pictures is used. A phone's MPO is one picture and its extras."""
    frames = 1 if picture.format == "MPO" else getattr(picture, "n_frames", 1)
    kind = {"TIFF": "pages", "HEIF": "pictures"}.get(picture.format or "", "frames")
    return f"First of {frames:,} {kind}." if frames > 1 else ""


def _upright(picture: Image.Image) -> Image.Image:
    picture.load()
    try:
        return ImageOps.exif_transpose(picture)
    except Exception:  # noqa: BLE001 - broken EXIF must not cost the picture
        return picture


def _rgb(picture: Image.Image) -> Image.Image:
    """Return a picture of any mode as 8-bit RGB: colours in sRGB, transparency over white."""
    if picture.mode == "F" or picture.mode.startswith("I"):
        return Image.fromarray(_eight_bits(np.asarray(picture))).convert("RGB")
    if picture.has_transparency_data:
        clear = picture.convert("RGBA")
        white = Image.new("RGBA", clear.size, "white")
        return Image.alpha_composite(white, clear).convert("RGB")
    return _srgb(picture) or picture.convert("RGB")


def _eight_bits(values: "NDArray[np.generic]") -> "NDArray[np.uint8]":
    """Return (height, width) bytes: 16-bit values by their range, others by the span they use."""
    floats = np.nan_to_num(values.astype(np.float64))
    low, high = float(floats.min()), float(floats.max())
    if np.issubdtype(values.dtype, np.integer) and low >= 0 and high <= 65535:
        return (floats / 257).round().astype(np.uint8)
    return ((floats - low) * (255 / ((high - low) or 1))).round().astype(np.uint8)


def _srgb(picture: Image.Image) -> Image.Image | None:
    """Return the picture by its embedded colour profile, None where there is none to heed."""
    embedded = picture.info.get("icc_profile")
    if not embedded or picture.mode not in {"RGB", "CMYK", "L"}:
        return None
    try:
        profile = ImageCms.ImageCmsProfile(io.BytesIO(embedded))
        if "sRGB" in ImageCms.getProfileDescription(profile):
            return None
        srgb = ImageCms.createProfile("sRGB")
        return ImageCms.profileToProfile(picture, profile, srgb, outputMode="RGB")
    except (ImageCms.PyCMSError, OSError, ValueError, TypeError):
        return None  # a broken profile: the plain conversion is close


def find_images(paths: Iterable[Path]) -> tuple[list[Source], list[ImageError]]:
    """Return the pictures that paths name, and an error for each path that is not there.

    A file is taken as it is. A folder is searched through, by suffix and in natural order,
    without hidden files and without links that leave it.
    """
    sources: list[Source] = []
    missing: list[ImageError] = []
    for path in paths:
        if path.is_dir():
            sources += [source_of(file, str(file.relative_to(path))) for file in _inside(path)]
        elif path.exists():
            sources.append(source_of(path))
        else:
            missing.append(ImageError(f"{_safe(path.name)} does not exist."))
    return sources, missing


def _inside(folder: Path) -> list[Path]:
    root = folder.resolve()
    found = []
    for place, folders, files in os.walk(folder):
        folders[:] = [name for name in folders if not name.startswith(".")]
        found += [Path(place, name) for name in files if _is_picture(name)]
    return sorted((file for file in found if _stays(file, root)), key=_natural)


def _is_picture(name: str) -> bool:
    return not name.startswith(".") and name.lower().rpartition(".")[2] in SUFFIXES


def _stays(file: Path, root: Path) -> bool:
    return not file.is_symlink() or file.resolve().is_relative_to(root)


def _natural(file: Path) -> list[tuple[int, str]]:
    """Return a sorting key that puts 2.jpg before 10.jpg."""
    parts = re.split(r"(\d+)", str(file).lower())
    return [(int(part), "") if part.isdecimal() else (-1, part) for part in parts]
