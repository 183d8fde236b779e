"""Decodes an image file to an upright RGB image, or raises an error that names the file."""

import ctypes
import hashlib
import io
import logging
import re
import time
import warnings
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from functools import cache
from itertools import islice
from threading import Lock

from PIL import ExifTags, Image, UnidentifiedImageError, _imaging

from components.images.memory import check_load, reduction
from components.images.rgb import to_rgb
from components.images.source import ImageError, Photo, Source, read_source
from components.settings import Settings

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
_MAX_PAGES = 1000  # pages or frames that are counted
_MAX_STRUCTURE = 200_000  # bytes of a HEIC or AVIF that say where its parts are; most have 1,000
_COUNTING = 1.0  # seconds: one page of a TIFF may take long to read

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
    Raises ImageError where the file cannot be decoded, has more than ``max_pixels`` pixels, by
    default the setting, or would take far more memory than a photograph of its bytes.
    """
    limit = Settings().max_pixels if max_pixels is None else max_pixels
    data = read_source(source)
    with _named(source.name, data):
        _check_structure(source.name, data)
        image = _open(data)
        _check_size(source.name, *image.size, limit)
        note = _note(image, data)
        size = _load(source.name, image, side, data)
        exif = _exif(image)
        turn = _TURNS.get(_whole(exif.get(ExifTags.Base.Orientation)))
        taken = _taken(exif)
        kind = "JPEG" if image.format == "MPO" else str(image.format)
        factor = reduction(source.name, image, turn is not None, side, data)
        rgb = _turned(to_rgb(image, factor), turn)
    digest = hashlib.sha256(data).hexdigest()
    return Photo(source, digest, *_turned_size(size, turn), note, kind, taken), rgb


def _load(name: str, image: Image.Image, side: int, data: bytes) -> tuple[int, int]:
    """Decode an image, a JPEG at a reduced scale, and return its full (width, height)."""
    size = image.size
    # HEIF's draft is an embedded thumbnail, which may show a different image.
    is_jpeg = image.format in {"JPEG", "MPO"}
    is_reduced = is_jpeg and image.draft(image.mode, (side, side)) is not None
    check_load(name, image, size, data)
    image.load()  # Pillow applies a TIFF's orientation here
    return size if is_reduced else image.size


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
    """Return where the boxes of an ISO base media file should end."""
    return max((end for _, _, end in _boxes(data)), default=0)


def _boxes(data: bytes) -> Iterator[tuple[bytes, int, int]]:
    """Yield the kind, start and end of each box of a file (ISO/IEC 14496-12, 4.2)."""
    start = 0
    while start < len(data):
        size = int.from_bytes(data[start : start + 4], "big")
        if size == 1:  # the size follows the name, in eight bytes
            size = int.from_bytes(data[start + 8 : start + 16], "big")
        end = start + max(size, 8) if size else len(data)  # 0: to the end of the file
        yield data[start + 4 : start + 8], start, end
        start = end


def _check_structure(name: str, data: bytes) -> None:
    """Raise ImageError for a HEIC or AVIF of very many parts: its time grows with their square."""
    structure = (box for box in _boxes(data) if box[0] in {b"meta", b"moov"})
    if data[4:8] == b"ftyp" and sum(end - start for _, start, end in structure) > _MAX_STRUCTURE:
        raise ImageError(f"{name} has more than {_MAX_STRUCTURE // 1000} KB beside its pixels.")


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
        count, is_all = (1, True) if kind == "MPO" else _count(image, data)
    except Exception:  # noqa: BLE001 - damage after the first image must not prevent decoding
        return f"First of several {many}; the others are damaged."
    at_least = "" if is_all else " or more"
    return f"First of {count:,}{at_least} {many}." if count > 1 else ""


def _count(image: Image.Image, data: bytes) -> tuple[int, bool]:
    """Return how many images a file holds, and whether these are all."""
    if image.format == "GIF":
        frames = sum(1 for _ in islice(_gif_frames(data), _MAX_PAGES))
    elif image.format == "TIFF":
        return _count_pages(data)
    else:
        frames = int(getattr(image, "n_frames", 1))
    return frames, frames != _MAX_PAGES


def _count_pages(data: bytes) -> tuple[int, bool]:
    """Return how many pages of a TIFF could be read in a second, and whether these are all."""
    pages, reader, end = 1, _open(data), time.monotonic() + _COUNTING
    while pages < _MAX_PAGES and time.monotonic() < end:
        try:
            reader.seek(pages)
        except EOFError:
            return pages, True
        pages += 1
    return pages, False


def _gif_frames(data: bytes) -> Iterator[int]:
    """Yield where each frame of a GIF begins (GIF89a, sections 17 to 27), without decoding it.

    Raises IndexError where a frame is cut off.
    """
    place = 13 + _table(data[10])
    while place < len(data) and data[place : place + 1] != b";":
        block, start = data[place : place + 1], place
        if block == b",":
            place += 11 + _table(data[place + 9])
        elif block == b"!":
            place += 2
        else:  # as Pillow does, a stray byte is passed over
            place += 1
            continue
        while size := data[place]:
            place += 1 + size
        place += 1
        if block == b",":
            yield start


def _table(flags: int) -> int:
    """Return the bytes of the colour table that a GIF's flags announce."""
    return 3 << ((flags & 7) + 1) if flags & 0x80 else 0
