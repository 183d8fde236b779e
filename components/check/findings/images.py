"""What images are without a model: perceptual hashes; tiny, blank and unreadable images."""

import io
from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from components.check.caption_set import CaptionSet
from components.check.findings.finding import Finding
from components.encoder import lookahead
from components.scores import Floats

Hashes = NDArray[np.uint64]
_SIDE, _LOW = 32, 8  # pixels that are transformed; frequencies kept in each direction
_AHEAD = 64  # thumbnails decoded in advance
_TINY = 32  # pixels of the shorter side
BLANK = 4.0  # standard deviation of luminance, 0 to 255

# Parts of an image that are hashed (left, top, right, bottom; shares): all of it, and what a crop
# of about a tenth leaves. A crop resembles one of the original's parts more than the whole.
_NEAR, _FAR, _MID = 0.1, 0.9, 0.05
PARTS = (
    *((0.0, 0.0, 1.0, 1.0), (_MID, _MID, 1 - _MID, 1 - _MID)),
    *((0.0, 0.0, _FAR, _FAR), (_NEAR, 0.0, 1.0, _FAR)),
    *((0.0, _NEAR, _FAR, 1.0), (_NEAR, _NEAR, 1.0, 1.0)),
)


@dataclass(frozen=True)
class ImageFacts:
    """Facts of n images: perceptual ``hashes`` (n, parts) uint64, one for each of `PARTS`.

    ``greys`` (n, 32, 32) uint8 are the images in small, their luminance; ``spread`` (n,) is its
    standard deviation before they were made small, 0 to 255.
    """

    hashes: Hashes
    greys: NDArray[np.uint8]
    spread: Floats


def image_facts(thumbnails: Iterable[bytes]) -> ImageFacts:
    """Return the facts of images from their JPEG thumbnails, in their order."""
    facts = list(lookahead(_facts, thumbnails, _AHEAD))
    hashes = np.array([fact[0] for fact in facts], dtype=np.uint64)
    greys = np.array([fact[1] for fact in facts], dtype=np.uint8)
    spread = np.array([fact[2] for fact in facts], dtype=np.float32)
    return ImageFacts(hashes.reshape(-1, len(PARTS)), greys.reshape(-1, _SIDE, _SIDE), spread)


def image_findings(
    data: CaptionSet, facts: ImageFacts, sizes: NDArray[np.integer]
) -> list[Finding]:
    """Return the tiny images, then the blank ones; ``sizes`` (n, 2) are width and height."""
    tiny = [
        Finding(
            "Tiny", (data.images[i],), (), f"It has {width} x {height} pixels: use a larger copy."
        )
        for i, (width, height) in enumerate(sizes.tolist())
        if min(width, height) < _TINY
    ]
    detail = "It is of one colour, or nearly so: check the file, or leave it out."
    blank = np.flatnonzero(facts.spread < BLANK)
    return tiny + [Finding("Blank", (data.images[i],), (), detail) for i in blank]


def unreadable(skipped: Iterable[tuple[str, str]]) -> list[Finding]:
    """Return a finding for each name and reason of an image that could not be read."""
    return [Finding("Unreadable", (name,), (), reason) for name, reason in skipped]


def _facts(thumbnail: bytes) -> tuple[Hashes, NDArray[np.uint8], float]:
    image = Image.open(io.BytesIO(thumbnail), formats=("JPEG",))
    image.draft("L", (4 * _SIDE, 4 * _SIDE))  # decoded at 1/2 or 1/4 where that is enough
    grey = image.convert("L")
    parts = np.stack([_part(grey, box) for box in PARTS])
    return perceptual_hashes(parts), parts[0], float(np.asarray(grey, dtype=np.float32).std())


def _part(grey: Image.Image, box: tuple[float, float, float, float]) -> NDArray[np.uint8]:
    left, top, right, bottom = box
    pixels = (left * grey.width, top * grey.height, right * grey.width, bottom * grey.height)
    small = grey.resize((_SIDE, _SIDE), Image.Resampling.BOX, pixels)
    return np.asarray(small)


def perceptual_hashes(squares: NDArray[np.uint8]) -> Hashes:
    """Return (n,) hashes of (n, 32, 32) luminance: which low frequencies are above their median.

    Of the discrete cosine transform, the 8 x 8 lowest frequencies without the constant ones
    (Zauner 2010, "Implementation and Benchmarking of Perceptual Image Hash Functions", 3.2.1).
    """
    frequencies = np.arange(1, _LOW + 1)[:, None]
    waves = np.cos(np.pi / _SIDE * (np.arange(_SIDE) + 0.5) * frequencies).astype(np.float32)
    low = (waves @ squares.astype(np.float32) @ waves.T).reshape(len(squares), -1)  # (n, 64)
    above = low > np.median(low, axis=1, keepdims=True)
    hashes: Hashes = np.packbits(above, axis=1).view(np.uint64)[:, 0]
    return hashes
