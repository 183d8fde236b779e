"""The main colours of an image, named by the eleven basic colour terms of English.

The terms: Berlin and Kay 1969, "Basic Color Terms". The boundaries between them in hue, saturation
and brightness were chosen by eye on the sample images.
"""

from functools import cache

import numpy as np
from numpy.typing import NDArray
from PIL import Image

NAMES = (
    *("black", "white", "grey", "red", "orange", "brown"),
    *("yellow", "green", "blue", "purple", "pink"),
)
_SIDE = 24  # pixels: enough to measure the share of a colour
_MIN_SHARE = 0.15  # of the image that a colour must cover to be named
_MAX_NAMES = 3


def colour_names(image: Image.Image) -> list[str]:
    """Return up to three names, the largest share of the RGB image first."""
    small = image.resize((_SIDE, _SIDE), Image.Resampling.BOX, reducing_gap=1.0)
    red, green, blue = (np.asarray(small, dtype=np.intp) >> 3).reshape(-1, 3).T
    counts = np.bincount(_table()[red << 10 | green << 5 | blue], minlength=len(NAMES))
    order = np.argsort(-counts, kind="stable")[:_MAX_NAMES]
    return [NAMES[i] for i in order if counts[i] >= _MIN_SHARE * _SIDE**2] or [NAMES[order[0]]]


@cache
def _table() -> NDArray[np.intp]:
    """Return (32768,) indices into NAMES, for colours of five bits a channel."""
    levels = np.arange(0, 256, 8, dtype=np.uint8) + 4
    every = np.stack(np.meshgrid(levels, levels, levels, indexing="ij"), axis=-1)
    hsv = Image.fromarray(every.reshape(1, -1, 3)).convert("HSV")
    return _names(np.asarray(hsv).reshape(-1, 3).astype(np.int16))


def _names(hsv: NDArray[np.int16]) -> NDArray[np.intp]:
    """Return (n,) indices into NAMES of (n, 3) pixels, each value 0 to 255."""
    hue, saturation, value = hsv[:, 0], hsv[:, 1], hsv[:, 2]
    # The hue circle has 256 steps: red 0, yellow 43, green 85, blue 171, pink 230.
    hues = np.array(["red", "orange", "yellow", "green", "blue", "purple", "pink", "red"])
    names = hues[np.digitize(hue, [11, 28, 47, 118, 180, 212, 243])]
    names = names.astype("<U6")
    names[(names == "orange") & (value < 160)] = "brown"
    names[(names == "red") & (value < 110) & (hue > 5) & (hue < 40)] = "brown"
    names[(names == "red") & (saturation < 130) & (value > 180)] = "pink"
    grey = (saturation < 38) | (value < 60) & (saturation < 90)
    names[grey] = np.where(value[grey] > 205, "white", "grey")
    names[value < 42] = "black"
    return np.array([_NUMBERS[name] for name in names], dtype=np.intp)


_NUMBERS = {name: number for number, name in enumerate(NAMES)}
