"""Small and large JPEG copies of an image."""

import io
from base64 import b64encode

from PIL import Image

from components.images.decoding import decode
from components.images.source import Source


def thumbnail(image: Image.Image, side: int = 320) -> bytes:
    """Return JPEG bytes of an image, its longer side at most ``side`` pixels, no metadata."""
    scale = min(1.0, side / max(image.size))
    size = (max(1, round(image.width * scale)), max(1, round(image.height * scale)))
    # Takes a third of the time of Pillow's own thumbnail(): reduces first, then a smaller filter.
    small = image.resize(size, Image.Resampling.HAMMING, reducing_gap=1.0)
    out = io.BytesIO()
    small.save(out, "JPEG", quality=85)
    return out.getvalue()


def enlarge(source: Source, side: int = 1600) -> bytes:
    """Return JPEG bytes for the enlarged view, the longer side at most ``side`` pixels.

    Raises ImageError as `decode` does.
    """
    return thumbnail(decode(source, side)[1], side)


def data_url(data: bytes, kind: str = "jpeg") -> str:
    """Return an encoded image as a data URL; ``kind`` is its format, such as "png"."""
    return f"data:image/{kind};base64,{b64encode(data).decode()}"
