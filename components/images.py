"""Bytes or path -> an upright RGB picture, or a typed error that names the file."""

import hashlib
import io
import os
import re
import stat
import unicodedata
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from threading import Lock
from typing import TYPE_CHECKING

import numpy as np
from PIL import ExifTags, Image, ImageCms, UnidentifiedImageError

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
# How their files begin, where that is telling: such a file that will not open is a broken picture.
_BEGINNINGS = re.compile(
    rb"\xff\xd8\xff|\x89PNG\r|GIF8|II\*\0|MM\0\*|RIFF....WEBP|....ftyp(?:he[iv]|mif|msf|avi)",
    re.DOTALL,
)

DECODE_SIDE = 320  # pixels of the shorter side: enough for a thumbnail and most models
_MAX_BYTES = 200_000_000
_NAME_LENGTH = 200
_DATE = re.compile(r"(?:18|19|20)\d\d:\d\d:\d\d \d\d:\d\d:\d\d")  # EXIF 2.32, 4.6.5
_MOST_PAGES = 1000  # of a TIFF are counted: the time grows with their square
# Marks that turn the reading direction could make "gpj.exe" of a name.
_BIDI = re.compile("[\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069]")
_LINE_MARKS = frozenset({"Cc", "Zl", "Zp"})  # Unicode categories: control, line, paragraph

# What undoes each EXIF orientation; those of the second row stand a picture that lies on its side.
_TURNS = {
    **{2: Image.Transpose.FLIP_LEFT_RIGHT, 3: Image.Transpose.ROTATE_180},
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    **{5: Image.Transpose.TRANSPOSE, 6: Image.Transpose.ROTATE_270},
    **{7: Image.Transpose.TRANSVERSE, 8: Image.Transpose.ROTATE_90},
}

# Our own check of the header's size, with its own sentence, takes the place of Pillow's warning:
# set once, because silencing a warning around each decoding is not safe in threads.
Image.MAX_IMAGE_PIXELS = None
_LOADING = Lock()  # of the decoders' plugins


class ImageError(CaptionLensError):
    """A file that gives no picture; the sentence names it and says why."""


@dataclass(frozen=True)
class Source:
    """Where a picture comes from: encoded bytes, a file, or a call that gets the bytes.

    ``name`` is for people. The call may raise ImageError.
    """

    name: str
    data: bytes | Path | Callable[[], bytes]


@dataclass(frozen=True)
class Photo:
    """A picture that was decoded once."""

    source: Source
    digest: str  # of the file's bytes: SHA-256 in hex, the fastest of the sound ones
    width: int  # of the upright original, in pixels
    height: int
    note: str  # what the person should know of it, a sentence or nothing
    format: str = ""  # "JPEG", "PNG", ... as the bytes say
    taken: str = ""  # when, as EXIF has it: "2019:08:24 10:11:12"

    @property
    def name(self) -> str:
        """The name that people see."""
        return self.source.name


def source_of(data: bytes | Path | Callable[[], bytes], name: str | None = None) -> Source:
    """Return a source under a name that is safe to show: no climbing path, no control marks."""
    shown = name if name is not None else data.name if isinstance(data, Path) else ""
    return Source(_safe(shown), data)


def _safe(name: str) -> str:
    visible = _BIDI.sub("", name.encode("utf-8", "replace").decode())
    visible = "".join(mark for mark in visible if unicodedata.category(mark) not in _LINE_MARKS)
    parts = [part.strip() for part in re.split(r"[/\\]+", visible)]
    kept = "/".join(part for part in parts if part not in {"", ".", ".."})
    return kept[-_NAME_LENGTH:].lstrip("/") or "picture"


def decode(
    source: Source, side: int = DECODE_SIDE, max_pixels: int | None = None
) -> tuple[Photo, Image.Image]:
    """Return a photo and its upright RGB picture.

    The picture's shorter side has at least ``side`` pixels where the original's has: a JPEG is
    decoded at 1/2, 1/4 or 1/8 of its size, which takes a quarter of the time at 12 megapixels.
    Raises ImageError where the file gives no picture, or one of more than ``max_pixels``, by
    default the setting.
    """
    limit = Settings().max_pixels if max_pixels is None else max_pixels
    data = _read(source)
    with _named(source.name, data):
        picture = _open(data)
        _check_size(source.name, *picture.size, limit)
        note = _note(picture, data)
        size = _load(picture, side)
        exif = _exif(picture)
        turn = _TURNS.get(_whole(exif.get(ExifTags.Base.Orientation)))
        taken = _taken(exif)
        kind = "JPEG" if picture.format == "MPO" else str(picture.format)
        rgb = _turned(_rgb(picture), turn)
    digest = hashlib.sha256(data).hexdigest()
    return Photo(source, digest, *_turned_size(size, turn), note, kind, taken), rgb


def _load(picture: Image.Image, side: int) -> tuple[int, int]:
    """Decode a picture, a JPEG at a reduced scale, and return its full (width, height)."""
    size = picture.size
    # HEIF offers drafts too: an embedded thumbnail, which need not show the same picture.
    if picture.format in {"JPEG", "MPO"} and picture.draft(picture.mode, (side, side)):
        picture.load()
        return size
    picture.load()  # a TIFF turns itself upright meanwhile
    return picture.size


def _turned(picture: Image.Image, turn: Image.Transpose | None) -> Image.Image:
    picture.info = {}  # comments and the like would be saved along
    return picture if turn is None else picture.transpose(turn)


def _turned_size(size: tuple[int, int], turn: Image.Transpose | None) -> tuple[int, int]:
    lying = turn in {_TURNS[orientation] for orientation in (5, 6, 7, 8)}
    return (size[1], size[0]) if lying else size


def thumbnail(picture: Image.Image, side: int = 320) -> bytes:
    """Return JPEG bytes of a picture, its longer side at most ``side`` pixels, no metadata."""
    scale = min(1.0, side / max(picture.size))
    size = (max(1, round(picture.width * scale)), max(1, round(picture.height * scale)))
    # Halving first and a filter of two pixels take a third of the time of Pillow's own thumbnail.
    small = picture.resize(size, Image.Resampling.HAMMING, reducing_gap=1.0)
    out = io.BytesIO()
    small.save(out, "JPEG", quality=85)
    return out.getvalue()


def enlarge(source: Source, side: int = 1600) -> bytes:
    """Return JPEG bytes for the large view, the longer side at most ``side`` pixels.

    Raises ImageError as `decode` does.
    """
    return thumbnail(decode(source, side)[1], side)


def _read(source: Source) -> bytes:
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
        facts = file.stat()
        if not stat.S_ISREG(facts.st_mode):  # a pipe would never end
            raise ImageError(f"{name} is not a file.")
        _check_bytes(name, facts.st_size)
        return file.read_bytes()
    except OSError as error:
        raise ImageError(f"{name} cannot be read: {error.strerror or error}.") from error
    except ValueError as error:  # a path that no system allows
        raise ImageError(f"{name} cannot be read: {error}.") from error


def _check_bytes(name: str, count: int) -> None:
    if count > _MAX_BYTES:
        raise ImageError(f"{name} is larger than {_MAX_BYTES // 1_000_000} MB.")


@contextmanager
def _named(name: str, data: bytes) -> Iterator[None]:
    """Turn whatever a decoder raises into one sentence with the file's name."""
    try:
        yield
    except ImageError:
        raise
    except MemoryError as error:
        raise ImageError(f"{name} needs more memory than there is.") from error
    except Exception as error:  # nine decoders raise what they like on damaged input
        raise ImageError(f"{name} {_fault(error, data)}") from error


def _fault(error: Exception, data: bytes) -> str:
    known = _BEGINNINGS.match(data)
    if isinstance(error, UnidentifiedImageError) and not known:
        return f"is not a picture that can be read ({_READABLE})."
    if "truncated" in str(error).lower() or (known and _stops_short(data)):
        return "is cut off: the file ends before the picture does."
    return "is damaged, or of a rare kind, and cannot be decoded."


def _stops_short(data: bytes) -> bool:
    """Return whether a WebP, TIFF, HEIC or AVIF file is shorter than it says."""
    if data.startswith(b"RIFF"):
        return len(data) < 8 + int.from_bytes(data[4:8], "little")
    if data.startswith((b"II", b"MM")):  # the directory often stands behind the pixels
        return len(data) < 2 + int.from_bytes(data[4:8], "little" if data[:1] == b"I" else "big")
    return data[4:8] == b"ftyp" and _boxes_end(data) > len(data)


def _boxes_end(data: bytes) -> int:
    """Return where the boxes of an ISO base media file (ISO/IEC 14496-12, 4.2) say they end."""
    end = 0
    while end < len(data):
        size = int.from_bytes(data[end : end + 4], "big")
        if size == 1:  # the size follows the name, in eight bytes
            size = int.from_bytes(data[end + 8 : end + 16], "big")
        end += max(size, 8)
    return end


def _open(data: bytes) -> Image.Image:
    with _LOADING:
        formats = _registered(heif=data[4:8] == b"ftyp")
    return Image.open(io.BytesIO(data), formats=formats)


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
        raise ImageError(f"{name} has {width:,} x {height:,} pixels, above the limit of {limit:,}.")
    if not width or not height:
        raise ImageError(f"{name} has no pixels.")


def _exif(picture: Image.Image) -> Image.Exif:
    try:
        return picture.getexif()
    except Exception:  # noqa: BLE001 - broken EXIF must not cost the picture
        return Image.Exif()


def _whole(value: object) -> int:
    return value if isinstance(value, int) else 1


def _taken(exif: Image.Exif) -> str:
    try:
        value = exif.get_ifd(ExifTags.IFD.Exif).get(ExifTags.Base.DateTimeOriginal)
    except Exception:  # noqa: BLE001 - broken EXIF must not cost the picture
        return ""
    found = _DATE.match(value) if isinstance(value, str) else None
    return found.group() if found else ""


def _note(picture: Image.Image, data: bytes) -> str:
    """Return which of several pictures is used. A phone's MPO is one picture and its extras."""
    kind = picture.format or ""
    many = {"TIFF": "pages", "HEIF": "pictures"}.get(kind, "frames")
    try:
        count = 1 if kind == "MPO" else _count(picture, data)
    except Exception:  # noqa: BLE001 - what follows the first picture must not cost it
        return f"First of several {many}; what follows it is damaged."
    most = " or more" if count == _MOST_PAGES else ""
    return f"First of {count:,}{most} {many}." if count > 1 else ""


def _count(picture: Image.Image, data: bytes) -> int:
    """Return how many pictures a file holds. GIF and TIFF are read through, by another reader."""
    if picture.format == "GIF":
        return int(getattr(_open(data), "n_frames", 1))
    if picture.format != "TIFF":
        return int(getattr(picture, "n_frames", 1))
    pages, reader = 1, _open(data)
    with suppress(EOFError):
        while pages < _MOST_PAGES:
            reader.seek(pages)
            pages += 1
    return pages


def _rgb(picture: Image.Image) -> Image.Image:
    """Return a picture of any mode as 8-bit RGB: colours in sRGB, transparency over white."""
    if picture.mode == "F" or picture.mode.startswith("I"):
        return Image.fromarray(_eight_bits(np.asarray(picture))).convert("RGB")
    if not picture.has_transparency_data:
        return _srgb(picture)
    clear = picture.convert("RGBA")
    white = Image.new("RGB", clear.size, "white")
    white.paste(_srgb(clear), mask=clear.getchannel("A"))
    return white


def _eight_bits(values: "NDArray[np.generic]") -> "NDArray[np.uint8]":
    """Return (height, width) bytes: 16-bit values by their range, others by the span they use."""
    floats = values.astype(np.float64)
    seen = floats[np.isfinite(floats)] if values.dtype.kind == "f" else floats
    low, high = (float(seen.min()), float(seen.max())) if seen.size else (0.0, 0.0)
    if values.dtype.kind in "iu" and low >= 0 and high <= 65535:
        low, high = 0.0, 65535.0
    np.nan_to_num(floats, copy=False, nan=low, posinf=high, neginf=low)
    floats -= low
    floats *= 255 / ((high - low) or 1)
    return floats.round(out=floats).astype(np.uint8)


def _srgb(picture: Image.Image) -> Image.Image:
    """Return an RGB picture, by the embedded colour profile where there is one to heed."""
    plain = picture if picture.mode in {"RGB", "L", "CMYK"} else picture.convert("RGB")
    embedded = picture.info.get("icc_profile")
    if not embedded:
        return plain.convert("RGB")
    try:
        profile = ImageCms.ImageCmsProfile(io.BytesIO(embedded))
        if ImageCms.getProfileDescription(profile).startswith("sRGB"):
            return plain.convert("RGB")
        srgb = ImageCms.createProfile("sRGB")
        return ImageCms.profileToProfile(plain, profile, srgb, outputMode="RGB") or plain
    except (ImageCms.PyCMSError, OSError, ValueError, TypeError):
        return plain.convert("RGB")  # a broken profile: the plain conversion is close


def find_images(paths: Iterable[Path]) -> tuple[list[Source], list[ImageError]]:
    """Return the pictures that paths name, and an error for each path that cannot be followed.

    A file is taken as it is. A folder is searched through, by suffix and in natural order,
    without hidden files and without links that leave it.
    """
    sources: list[Source] = []
    errors: list[ImageError] = []
    for path in paths:
        try:
            sources += _found(path, errors)
        except OSError as error:
            errors.append(_unreadable(path.name, error))
    return sources, errors


def _found(path: Path, errors: list[ImageError]) -> list[Source]:
    if path.is_dir():
        files = _inside(path, errors)
        return [source_of(file, str(file.relative_to(path))) for file in files]
    if path.exists():
        return [source_of(path)]
    errors.append(ImageError(f"{_safe(path.name)} does not exist."))
    return []


def _unreadable(name: str, error: OSError) -> ImageError:
    return ImageError(f"{_safe(name)} cannot be read: {error.strerror or error}.")


def _inside(folder: Path, errors: list[ImageError]) -> list[Path]:
    def tell(error: OSError) -> None:
        errors.append(_unreadable(Path(error.filename or folder).name, error))

    root = folder.resolve()
    found = []
    for place, folders, files in os.walk(folder, onerror=tell):
        folders[:] = [name for name in folders if not name.startswith(".")]
        found += [Path(place, name) for name in files if _is_picture(name)]
    return sorted((file for file in found if _stays(file, root)), key=_natural)


def _is_picture(name: str) -> bool:
    return not name.startswith(".") and name.lower().rpartition(".")[2] in SUFFIXES


def _stays(file: Path, root: Path) -> bool:
    try:
        return not file.is_symlink() or file.resolve().is_relative_to(root)
    except (OSError, RuntimeError):  # a link that leads to itself
        return False


def _natural(file: Path) -> tuple[list[tuple[int, str]], str]:
    """Return a sorting key that puts 2.jpg before 10.jpg, and A.jpg before a.jpg."""
    parts = re.split(r"(\d+)", str(file).lower())
    return [(int(part), "") if part.isdecimal() else (-1, part) for part in parts], str(file)
