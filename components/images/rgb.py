"""Converts an image of any mode to 8-bit RGB: colours in sRGB, transparency over white."""

import io
from collections.abc import Iterator
from typing import TYPE_CHECKING

import numpy as np
from PIL import Image, ImageCms

if TYPE_CHECKING:
    from numpy.typing import NDArray

_BAND = 2**20  # pixels that are converted at a time where copies of the whole would be too large


def to_rgb(image: Image.Image, factor: int = 1) -> Image.Image:
    """Return a loaded image as 8-bit RGB, its sides divided by the whole number ``factor``."""
    deep = image.mode == "F" or image.mode.startswith("I")
    if factor == 1 and not deep:
        return _shallow(image)
    low, high = _range(image) if deep else (0.0, 0.0)
    rgb = Image.new("RGB", (-(-image.width // factor), -(-image.height // factor)))
    for top, band in _bands(image, factor):
        small = _eight_bits(band, low, high).reduce(factor) if deep else _reduced(band, factor)
        rgb.paste(small, (0, top // factor))
    return rgb


def _reduced(band: Image.Image, factor: int) -> Image.Image:
    """Return a band as RGB; colours are converted after reducing where the mode has averages."""
    if band.mode in {"L", "LA", "RGB", "RGBA", "CMYK"} and "transparency" not in band.info:
        return _shallow(band.reduce(factor))
    return _shallow(band).reduce(factor)


def _bands(image: Image.Image, factor: int = 1) -> Iterator[tuple[int, Image.Image]]:
    """Yield (top, rows of the image), the number of rows a multiple of ``factor``."""
    rows = max(1, _BAND // (image.width * factor)) * factor
    for top in range(0, image.height, rows):
        bottom = min(top + rows, image.height)
        whole = bottom - top == image.height
        yield top, image if whole else image.crop((0, top, image.width, bottom))


def _shallow(image: Image.Image) -> Image.Image:
    """Return an image of 8 bits a channel, or fewer, as RGB."""
    if not image.has_transparency_data:
        return _srgb(image)
    clear = image.convert("RGBA")
    white = Image.new("RGB", clear.size, "white")
    white.paste(_srgb(clear), mask=clear.getchannel("A"))
    return white


def _range(image: Image.Image) -> tuple[float, float]:
    """Return what becomes black and what white: 16-bit values' range, others' extremes."""
    extremes = [_extremes(np.asarray(band)) for _, band in _bands(image)]
    found = [pair for pair in extremes if pair]
    low = min((low for low, _ in found), default=0.0)
    high = max((high for _, high in found), default=0.0)
    return (0.0, 65535.0) if image.mode != "F" and low >= 0 and high <= 65535 else (low, high)


def _extremes(values: "NDArray[np.generic]") -> tuple[float, float] | None:
    finite = values[np.isfinite(values)] if values.dtype.kind == "f" else values
    return (float(finite.min()), float(finite.max())) if finite.size else None


def _eight_bits(band: Image.Image, low: float, high: float) -> Image.Image:
    with np.errstate(invalid="ignore"):  # a signalling NaN; set for this thread only
        floats = np.asarray(band).astype(np.float64)
    np.nan_to_num(floats, copy=False, nan=low, posinf=high, neginf=low)
    floats -= low
    floats *= 255 / ((high - low) or 1)
    return Image.fromarray(floats.round(out=floats).astype(np.uint8)).convert("RGB")


def _srgb(image: Image.Image) -> Image.Image:
    """Return an image as RGB, converted from its embedded colour profile where it has one."""
    plain = image if image.mode in {"RGB", "L", "CMYK"} else image.convert("RGB")
    embedded = image.info.get("icc_profile")
    if not embedded:
        return _detached(plain, image)
    try:
        profile = ImageCms.ImageCmsProfile(io.BytesIO(embedded))
        if ImageCms.getProfileDescription(profile).startswith("sRGB"):
            return _detached(plain, image)
        srgb = ImageCms.createProfile("sRGB")
        return ImageCms.profileToProfile(plain, profile, srgb, outputMode="RGB") or plain
    except (ImageCms.PyCMSError, OSError, ValueError, TypeError):
        return _detached(plain, image)  # a damaged profile: the plain conversion is close


def _detached(plain: Image.Image, image: Image.Image) -> Image.Image:
    """Return ``plain`` as RGB, never the decoder's ``image`` itself, which holds its file."""
    return plain if plain is not image and plain.mode == "RGB" else plain.convert("RGB")
