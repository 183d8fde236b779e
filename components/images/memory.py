"""Limits the memory that decoding takes: a file of a few kilobytes can state 100 megapixels.

The figures are bytes a pixel, measured with Pillow 13 and pillow-heif 1.8.
"""

from PIL import Image

from components.images.source import ImageError

_LEAST = 500_000_000  # bytes that decoding any file may take
_PER_BYTE = 500  # bytes for each byte of a larger file; photographs take a tenth of it
_STORED = {"1": 1, "L": 1, "P": 1}  # in Pillow's memory; 2 in the modes I;16, 4 in all others
_SCANS = 5_000_000_000  # pixels that the scans of a JPEG may go over: some seconds


def check_load(name: str, image: Image.Image, full: tuple[int, int], data: bytes) -> None:
    """Raise ImageError where an opened image would take too much memory or time to load.

    ``full`` is the (width, height) of the original, which a JPEG's draft changes.
    """
    pixels = full[0] * full[1]
    stored = _pixels(image) * _stored(image.mode)
    rows = 16 * image.width  # two of 16 bits a channel, which matter where an image is one row
    _check(name, stored + pixels * _while_loading(image) + _block(image) + rows, data)
    if "progressive" in image.info and data.count(b"\xff\xda") * pixels > _SCANS:
        raise ImageError(f"{name} has too many scans for an image of its size.")


def reduction(name: str, image: Image.Image, is_turned: bool, side: int, data: bytes) -> int:
    """Return by what whole number a loaded image's sides are divided as it becomes RGB.

    1 where there is memory for the whole; otherwise the largest that leaves the shorter side at
    least ``side`` pixels. Raises ImageError where that does not suffice.
    """
    loaded = _pixels(image) * (_stored(image.mode) + _held(image))
    result = 8 if is_turned else 4
    copies = result + (9 if image.has_transparency_data else 0)
    if loaded + _pixels(image) * copies <= _allowed(data):
        return 1
    factor = max(1, min(image.size) // side)
    needed = copies if factor == 1 else result / factor**2
    _check(name, loaded + round(_pixels(image) * needed), data)
    return factor


def _check(name: str, needed: int, data: bytes) -> None:
    if needed > _allowed(data):
        raise ImageError(
            f"{name} takes {needed / 1e6:,.0f} MB of memory to decode, above the limit of"
            f" {_allowed(data) / 1e6:,.0f} MB for a file of its size."
        )


def _allowed(data: bytes) -> int:
    return max(_LEAST, _PER_BYTE * len(data))


def _pixels(image: Image.Image) -> int:
    return image.width * image.height


def _stored(mode: str) -> int:
    return 2 if mode.startswith("I;16") else _STORED.get(mode, 4)


def _while_loading(image: Image.Image) -> int:
    """Return what a decoder takes beside the image itself, in bytes a pixel of the original."""
    alpha = image.mode == "RGBA"
    deep = image.info.get("bit_depth", 8) > 8
    decoder = {
        "WEBP": 12,  # two canvases of RGBA, and their copy
        "AVIF": 14 if alpha else 9,  # up to 16 bits for each of Y, U, V and A; RGB; its copy
        "HEIF": 17 if deep else 9,
        "JPEG": 2 * len(image.getbands()),  # the coefficients of a progressive one
        "MPO": 2 * len(image.getbands()),
    }.get(image.format or "", 0)
    # The decoder of run-length coded BMP is a Python loop: this limits its time.
    is_loop = any(tile[0] == "bmp_rle" for tile in getattr(image, "tile", ()))
    return 20 if is_loop else decoder


def _held(image: Image.Image) -> int:
    """Return what a decoder holds on to beside the loaded image, in bytes a pixel."""
    if image.format == "HEIF":  # one of several images keeps the file open
        return 8 if getattr(image, "n_frames", 1) > 1 else 0
    return 8 if image.format in {"WEBP", "AVIF"} else 0


def _block(image: Image.Image) -> int:
    """Return the bytes of a TIFF's strip or tile, which is decoded as a whole."""
    tags = getattr(image, "tag_v2", None)
    if tags is None:
        return 0
    width = int(tags.get(322) or image.width)  # TileWidth
    height = int(tags.get(323) or min(tags.get(278) or image.height, image.height))
    bits = tags.get(258, (8,))
    samples = len(bits) if len(bits) > 1 else int(tags.get(277, 1))
    return int(width * height * max(bits) * samples // 8)
