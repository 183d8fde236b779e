"""Whether one image is a part of another: their small copies laid over each other and compared."""

import numpy as np
from numpy.typing import NDArray

from components.scores import Floats

Greys = NDArray[np.uint8]  # (n, side, side) luminance
_STEPS = 4
_BLOCK = 4  # pixels of a block's side: an eighth of the image's
_DAMPING = 1e-3  # of the mean slope, so that flat images do not break the solution
# Ends of a box: a part much smaller than the whole is another picture.
_LOW = np.array([0.0, 0.0, 0.7, 0.7], dtype=np.float32)
_HIGH = np.array([0.3, 0.3, 1.0, 1.0], dtype=np.float32)


def difference(whole: Greys, part: Greys, boxes: Floats) -> Floats:
    """Return (k,) how much each ``part`` differs from its ``whole`` where they differ most.

    Both are (k, side, side). ``boxes`` (k, 4) say about where in the whole the part is: left, top,
    right, bottom, as shares. They are adjusted by Gauss-Newton steps (Lucas and Kanade 1981, "An
    Iterative Image Registration Technique"), brightness and contrast with them. The difference is
    the worst block's, in standard deviations of luminance.
    """
    source, target = _blurred(whole), _standard(_blurred(part))
    for _ in range(_STEPS):
        warped = _standard(_cut(source, boxes))
        boxes = np.clip(boxes + _step(warped, target, boxes), _LOW, _HIGH)
    return _worst_block(_standard(_cut(source, boxes)) - target)


def _blurred(images: Greys) -> Floats:
    """Return images in float32 without the details that depend on the exact place of a cut."""
    padded = np.pad(images.astype(np.float32), ((0, 0), (1, 1), (1, 1)), mode="edge")
    rows = 0.25 * padded[:, :-2] + 0.5 * padded[:, 1:-1] + 0.25 * padded[:, 2:]
    blurred: Floats = 0.25 * rows[:, :, :-2] + 0.5 * rows[:, :, 1:-1] + 0.25 * rows[:, :, 2:]
    return blurred


def _standard(images: Floats) -> Floats:
    """Return (k, side, side) with mean 0 and deviation 1."""
    contrast = np.maximum(images.std(axis=(1, 2), keepdims=True), 1.0)
    standard: Floats = (images - images.mean(axis=(1, 2), keepdims=True)) / contrast
    return standard


def _cut(images: Floats, boxes: Floats) -> Floats:
    """Return (k, side, side): the boxes (k, 4) of images, by linear interpolation."""
    side = images.shape[1]
    across, down = _weights(boxes[:, 0::2], side), _weights(boxes[:, 1::2], side)
    cut: Floats = np.matmul(down @ images, across.transpose(0, 2, 1))
    return cut


def _weights(ends: Floats, side: int) -> Floats:
    """Return (k, side, side): of each new pixel, the weights of the old; ``ends`` (k, 2)."""
    centres = (np.arange(side, dtype=np.float32) + 0.5) / side
    places = ends[:, :1] + (ends[:, 1:] - ends[:, :1]) * centres  # (k, side), shares
    places = np.clip(places * side - 0.5, 0, side - 1)[:, :, None]
    weights: Floats = np.maximum(0, 1 - np.abs(places - np.arange(side, dtype=np.float32)))
    return weights


def _step(warped: Floats, target: Floats, boxes: Floats) -> Floats:
    """Return (k, 4): the change of the boxes that brings warped images nearer to the target."""
    count, side, _ = warped.shape
    centres = (np.arange(side, dtype=np.float32) + 0.5) / side
    across = np.gradient(warped, axis=2) * (side / (boxes[:, 2] - boxes[:, 0]))[:, None, None]
    down = np.gradient(warped, axis=1) * (side / (boxes[:, 3] - boxes[:, 1]))[:, None, None]
    far, low = centres, centres[:, None]
    slopes = np.stack([across * (1 - far), down * (1 - low), across * far, down * low], axis=1)
    slopes = slopes.reshape(count, 4, -1)
    system = slopes @ slopes.transpose(0, 2, 1)  # (k, 4, 4)
    scale = np.trace(system, axis1=1, axis2=2)[:, None, None]
    system += (_DAMPING * scale + 1e-6) * np.eye(4, dtype=np.float32)
    error = slopes @ (target - warped).reshape(count, -1, 1)
    step: Floats = np.linalg.solve(system, error)[:, :, 0]
    return step


def _worst_block(errors: Floats) -> Floats:
    """Return (k,) the largest mean error of a block, without its sign."""
    blocks = errors.shape[1] // _BLOCK
    parts = errors.reshape(len(errors), blocks, _BLOCK, blocks, _BLOCK)
    worst: Floats = np.abs(parts.mean(axis=(2, 4))).max(axis=(1, 2))
    return worst
