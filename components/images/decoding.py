"""Decodes an image file to an upright RGB image, or raises an error that names the file."""

import ctypes
import hashlib
import io
import logging
import re
import warnings
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from functools import cache
from threading import Lock
from typing import TYPE_CHECKING

import numpy as np
from PIL import ExifTags, Image, ImageCms, UnidentifiedImageError, _imaging

from components.images.source import ImageError, Photo, Source, read_source
from components.settings import Settings

if TYPE_CHECKING:
    from numpy.typing import NDArray

# The content decides, not the file name. Formats that run other programs, such as EPS, are out.
_FORMATS = ("JPEG", "MPO", "PNG", "WEBP", "GIF", "TIFF", "BMP", "AVIF", "HEIF")
_READABLE = "JPEG, PNG, WebP, GIF, TIFF, BMP, HEIC or AVIF"
# Their first bytes: a file that begins like this and cannot be opened is a damaged image.
_SIGNATURES = re.compile(
    rb"\xff\xd8\xff|\x89PNG\r|GIF8|II\*\0|MM\0\*|RIFF....WEBP|....ftyp(?:he[iv]|mif|msf|avi)",
    re.DOTALL,
)

DECODE_SIDE = 320  # pixels of the shorter side: enough for a thumbnail and most models
_DATE = re.compile(r"(?:18|19|20)\d\d:\d\d:\d\d \d\d:\d\d:\d\d")  # EXIF 2.32, 4.6.5
_MAX_PAGES = 1000  # of a TIFF that are counted: the time grows with their square

# The transposition that undoes each EXIF orientation; 5 to 8 exchange width and height.
_TURNS = {
    **{2: Image.Transpose.FLIP_LEFT_RIGHT, 3: Image.Transpose.ROTATE_180},
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    **{5: Image.Transpose.TRANSPOSE, 6: Image.Transpose.ROTATE_270},
    **{7: Image.Transpose.TRANSVERSE, 8: Image.Transpose.ROTATE_90},
}

# Our own check of the header's size replaces Pillow's. This and what the decoders report of damaged
# files is switched off once: doing so around each decoding would not be thread-safe.
Image.MAX_IMAGE_PIXELS = None
warnings.filterwarnings("ignore", category=UserWarning, module=r"(PIL|pillow_heif)\.")
logging.getLogger("PIL").addHandler(logging.NullHandler())
with suppress(OSError, AttributeError):  # where libtiff is not found, its messages remain
    ctypes.CDLL(_imaging.__file__).TIFFSetErrorHandler(None)
_LOADING = Lock()  # held while decoder plugins are registered


def decode(
    source: Source, side: int = DECODE_SIDE, max_pixels: int | None = None
) -> tuple[Photo, Image.Image]:
    """Return a photo and its upright RGB image.

    The shorter side has at least ``side`` pixels, unless the original is smaller. A JPEG is
    decoded at 1/2, 1/4 or 1/8 of its size, which takes a quarter of the time at 12 megapixels.
    Raises ImageError where the file cannot be decoded or has more than ``max_pixels`` pixels, by
    default the setting.
    """
    limit = Settings().max_pixels if max_pixels is None else max_pixels
    data = read_source(source)
    with _named(source.name, data):
        image = _open(data)
        _check_size(source.name, *image.size, limit)
        note = _note(image, data)
        size = _load(image, side)
        exif = _exif(image)
        turn = _TURNS.get(_whole(exif.get(ExifTags.Base.Orientation)))
        taken = _taken(exif)
        kind = "JPEG" if image.format == "MPO" else str(image.format)
        rgb = _turned(_rgb(image), turn)
    digest = hashlib.sha256(data).hexdigest()
    return Photo(source, digest, *_turned_size(size, turn), note, kind, taken), rgb


def _load(image: Image.Image, side: int) -> tuple[int, int]:
    """Decode an image, a JPEG at a reduced scale, and return its full (width, height)."""
    size = image.size
    # HEIF's draft is an embedded thumbnail, which may show a different image.
    if image.format in {"JPEG", "MPO"} and image.draft(image.mode, (side, side)):
        image.load()
        return size
    image.load()  # Pillow applies a TIFF's orientation here
    return image.size


def _turned(image: Image.Image, turn: Image.Transpose | None) -> Image.Image:
    image.info = {}  # comments and other metadata would be saved with it
    return image if turn is None else image.transpose(turn)


def _turned_size(size: tuple[int, int], turn: Image.Transpose | None) -> tuple[int, int]:
    exchanged = turn in {_TURNS[orientation] for orientation in (5, 6, 7, 8)}
    return (size[1], size[0]) if exchanged else size


@contextmanager
def _named(name: str, data: bytes) -> Iterator[None]:
    """Turn any exception of a decoder into an ImageError that names the file."""
    try:
        yield
    except ImageError:
        raise
    except MemoryError as error:
        raise ImageError(f"{name} needs more memory than is available.") from error
    except Exception as error:  # decoders raise exceptions of any type on damaged input
        raise ImageError(f"{name} {_fault(error, data)}") from error


def _fault(error: Exception, data: bytes) -> str:
    known = _SIGNATURES.match(data)
    if isinstance(error, UnidentifiedImageError) and not known:
        return f"is not an image that can be read ({_READABLE})."
    if "truncated" in str(error).lower() or (known and _stops_short(data)):
        return "is cut off: the file ends before the image does."
    return "is damaged or uses an unsupported variant of its format."


def _stops_short(data: bytes) -> bool:
    """Return whether a WebP, TIFF, HEIC or AVIF file is shorter than its header states."""
    if data.startswith(b"RIFF"):
        return len(data) < 8 + int.from_bytes(data[4:8], "little")
    if data.startswith((b"II", b"MM")):  # the directory often follows the pixels
        return len(data) < 2 + int.from_bytes(data[4:8], "little" if data[:1] == b"I" else "big")
    return data[4:8] == b"ftyp" and _boxes_end(data) > len(data)


def _boxes_end(data: bytes) -> int:
    """Return where the boxes of an ISO base media file (ISO/IEC 14496-12, 4.2) should end."""
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


def _exif(image: Image.Image) -> Image.Exif:
    try:
        return image.getexif()
    except Exception:  # noqa: BLE001 - damaged EXIF must not prevent decoding
        return Image.Exif()


def _whole(value: object) -> int:
    return value if isinstance(value, int) else 1


def _taken(exif: Image.Exif) -> str:
    try:
        value = exif.get_ifd(ExifTags.IFD.Exif).get(ExifTags.Base.DateTimeOriginal)
    except Exception:  # noqa: BLE001 - damaged EXIF must not prevent decoding
        return ""
    date = _DATE.match(value) if isinstance(value, str) else None
    return date.group() if date else ""


def _note(image: Image.Image, data: bytes) -> str:
    """Return which of several images is used. A phone's MPO counts as a single image."""
    kind = image.format or ""
    many = {"TIFF": "pages", "HEIF": "images"}.get(kind, "frames")
    try:
        count = 1 if kind == "MPO" else _count(image, data)
    except Exception:  # noqa: BLE001 - damage after the first image must not prevent decoding
        return f"First of several {many}; the others are damaged."
    at_least = " or more" if count == _MAX_PAGES else ""
    return f"First of {count:,}{at_least} {many}." if count > 1 else ""


def _count(image: Image.Image, data: bytes) -> int:
    """Return how many images a file holds. GIF and TIFF are read to the end, by a second reader."""
    if image.format == "GIF":
        return int(getattr(_open(data), "n_frames", 1))
    if image.format != "TIFF":
        return int(getattr(image, "n_frames", 1))
    pages, reader = 1, _open(data)
    with suppress(EOFError):
        while pages < _MAX_PAGES:
            reader.seek(pages)
            pages += 1
    return pages


def _rgb(image: Image.Image) -> Image.Image:
    """Return an image of any mode as 8-bit RGB: colours in sRGB, transparency over white."""
    if image.mode == "F" or image.mode.startswith("I"):
        return Image.fromarray(_eight_bits(np.asarray(image))).convert("RGB")
    if not image.has_transparency_data:
        return _srgb(image)
    clear = image.convert("RGBA")
    white = Image.new("RGB", clear.size, "white")
    white.paste(_srgb(clear), mask=clear.getchannel("A"))
    return white


def _eight_bits(values: "NDArray[np.generic]") -> "NDArray[np.uint8]":
    """Return (height, width) bytes: 16-bit values scaled by their range, others by min and max."""
    with np.errstate(invalid="ignore"):  # a signalling NaN; set for this thread only
        floats = values.astype(np.float64)
    finite = floats[np.isfinite(floats)] if values.dtype.kind == "f" else floats
    low, high = (float(finite.min()), float(finite.max())) if finite.size else (0.0, 0.0)
    if values.dtype.kind in "iu" and low >= 0 and high <= 65535:
        low, high = 0.0, 65535.0
    np.nan_to_num(floats, copy=False, nan=low, posinf=high, neginf=low)
    floats -= low
    floats *= 255 / ((high - low) or 1)
    return floats.round(out=floats).astype(np.uint8)


def _srgb(image: Image.Image) -> Image.Image:
    """Return an image as RGB, converted from its embedded colour profile where it has one."""
    plain = image if image.mode in {"RGB", "L", "CMYK"} else image.convert("RGB")
    embedded = image.info.get("icc_profile")
    if not embedded:
        return plain.convert("RGB")
    try:
        profile = ImageCms.ImageCmsProfile(io.BytesIO(embedded))
        if ImageCms.getProfileDescription(profile).startswith("sRGB"):
            return plain.convert("RGB")
        srgb = ImageCms.createProfile("sRGB")
        return ImageCms.profileToProfile(plain, profile, srgb, outputMode="RGB") or plain
    except (ImageCms.PyCMSError, OSError, ValueError, TypeError):
        return plain.convert("RGB")  # a damaged profile: the plain conversion is close
