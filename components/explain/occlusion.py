"""Why a caption matches: where in the image, which words, and how far to believe the answer.

Where: parts of the image are hidden, and the fall of the score is put down to what was hidden
(occlusion: Zeiler and Fergus 2014, "Visualizing and Understanding Convolutional Networks",
section 4.2), with windows of three sizes. It asks nothing of the model but vectors, all in one
batched pass, and the same vectors give the map of every caption.
"""

import random
import string
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from components.encoder import Encoder, Pixels, batched
from components.scores import Floats

GRID = 14  # cells along each side of the image
_WINDOWS = (2, 4, 6)  # cells: what is hidden at once, moved by two cells
_PATCH = 2  # cells: what the honesty curves hide at once
_RANDOM_ORDERS = 2
_SIDE = 224  # pixels of the shorter side where the model takes images as they are
Masks = NDArray[np.bool_]  # (n, GRID, GRID): the hidden cells


@dataclass(frozen=True)
class Occlusion:
    """An image as the model sees it, and what it makes of it when parts are hidden.

    ``view`` (height, width, 3) bytes, ``vector`` (width,), ``hidden`` (windows, width).
    """

    view: Pixels
    vector: Floats
    hidden: Floats


@dataclass(frozen=True)
class Curves:
    """The honesty check of a map: cosines (11,) while the image goes and comes by tenths.

    ``deletion`` hides the most salient patches first, ``insertion`` shows them first, the other
    two go by chance (Petsiuk et al. 2018, "RISE", section 4.2). A map that knows something falls
    below chance in the one and rises above it in the other.
    """

    deletion: Floats
    insertion: Floats
    random_deletion: Floats
    random_insertion: Floats


@dataclass(frozen=True)
class Word:
    """A word of a caption and what the cosine loses without it."""

    text: str
    change: float


def occlude(encoder: Encoder, image: Image.Image) -> Occlusion:
    """Return an RGB image looked at whole and with each window hidden by its mean colour."""
    view = _view(encoder, image)
    whole = np.zeros((1, GRID, GRID), dtype=np.bool_)
    vectors = _encode(encoder, view, np.concatenate([whole, _windows()]))
    return Occlusion(view, vectors[0], vectors[1:])


def saliency(occlusion: Occlusion, text: Floats) -> Floats:
    """Return (GRID, GRID): how far the cosine with ``text`` (width,) falls where a cell is hidden.

    The mean over the windows that hide the cell, first of each size, then over the sizes.
    Negative where the image fits better without.
    """
    falls = occlusion.vector @ text - occlusion.hidden @ text  # (windows,)
    masks = _windows().astype(np.float32)
    sizes = masks.sum(axis=(1, 2))
    maps = [
        np.tensordot(falls[sizes == size], masks[sizes == size], 1)
        / masks[sizes == size].sum(axis=0)
        for size in np.unique(sizes)
    ]
    mean: Floats = np.mean(maps, axis=0, dtype=np.float32)
    return mean


def curves(encoder: Encoder, occlusion: Occlusion, salient: Floats, text: Floats) -> Curves:
    """Return what happens to the cosine as the map says where to begin, and by chance."""
    noise = np.random.default_rng(0)
    by_chance = noise.random((_RANDOM_ORDERS, GRID, GRID))
    orders: list[NDArray[np.floating]] = [salient, *by_chance]
    masks = np.concatenate([_tenths(order) for order in orders])  # (orders * 11, GRID, GRID)
    vectors = _encode(encoder, occlusion.view, np.concatenate([masks, ~masks]))
    cosines = (vectors @ text).reshape(2, len(orders), 11)  # deletion, insertion
    expected = cosines[:, 1:].mean(axis=1)
    return Curves(cosines[0, 0], cosines[1, 0], expected[0], expected[1])


def verdict(checked: Curves) -> str:
    """Return what the honesty check says of a map, in two sentences."""
    fall = checked.deletion[0] - checked.deletion[1]
    by_chance = checked.random_deletion[0] - checked.random_deletion[1]
    passed = (area(checked.deletion) < area(checked.random_deletion)) + (
        area(checked.insertion) > area(checked.random_insertion)
    )
    word = ("passes neither: do not believe it", "passes one of two", "passes both")[passed]
    return (
        f"Hiding the most salient tenth takes {fall:.3f} of a cosine of {checked.deletion[0]:.3f},"
        f" a tenth by chance {by_chance:.3f}. As the image goes and comes by tenths, the map"
        f" {word} (below chance when hiding, above it when showing)."
    )


def words(encoder: Encoder, caption: str, image: Floats) -> list[Word]:
    """Return each word and what the cosine with ``image`` (width,) loses without it.

    Empty for a caption of one word, of which nothing would be left.
    """
    parts = caption.split()
    if len(parts) < 2:
        return []
    without = [" ".join(parts[:i] + parts[i + 1 :]) for i in range(len(parts))]
    whole, *others = encoder.texts([caption, *without]) @ image
    return [Word(part, float(whole - other)) for part, other in zip(parts, others, strict=True)]


def on_grid(relevance: Floats) -> Floats:
    """Return (GRID, GRID) of a map (rows, columns) of any size."""
    image = Image.fromarray(relevance.astype(np.float32), mode="F")
    grown: Floats = np.asarray(image.resize((GRID, GRID), Image.Resampling.BILINEAR))
    return grown


def full_colour(bank: Floats, image: Floats) -> float:
    """Return the change of the cosine that an overlay shows in full colour.

    Half a standard deviation of the chance scores of ``image`` (width,) with ``bank`` (n,
    width): one scale for all maps of an image, and alike for all models.
    """
    return max(float((bank @ image).std()) / 2, 1e-6)


def gibberish(caption: str) -> str:
    """Return letters that mean nothing, in words as long as the caption's; always the same."""
    rng = random.Random(caption)  # noqa: S311 - no secret
    lengths = [len(word) for word in caption.split()]
    return " ".join("".join(rng.choices(string.ascii_lowercase, k=n)) for n in lengths)


def overlay(view: Pixels, salient: Floats, limit: float, opacity: float) -> Image.Image:
    """Return the view in grey with its map laid over it.

    Orange where the caption finds support, purple where it meets the opposite, the fuller the
    more; ``limit`` is the change of the cosine that has full colour, at ``opacity`` 0 to 1. A
    line in white and black runs round the most salient tenth.
    """
    height, width = view.shape[:2]
    grown = Image.fromarray((salient / limit).clip(-1, 1).astype(np.float32), mode="F")
    strength = np.asarray(grown.resize((width, height), Image.Resampling.BICUBIC)).clip(-1, 1)
    colour = np.where(strength[..., None] >= 0, _FOR, _AGAINST)
    share = opacity * np.abs(strength)[..., None]
    grey = np.asarray(Image.fromarray(view).convert("L"))[..., None]
    mixed = grey * (1 - share) + colour * share
    best = _spread(_tenths(salient)[1:2], height, width)[0]
    return Image.fromarray(_outlined(mixed.round().astype(np.uint8), best))


_FOR, _AGAINST = np.array([255.0, 140.0, 0.0]), np.array([94.0, 60.0, 153.0])


def _outlined(pixels: Pixels, region: NDArray[np.bool_]) -> Pixels:
    def edge(inside: NDArray[np.bool_]) -> NDArray[np.bool_]:
        around = np.pad(inside, 1)
        core = around[:-2, 1:-1] & around[2:, 1:-1] & around[1:-1, :-2] & around[1:-1, 2:]
        return inside & ~core

    line = edge(region)
    inner = edge(region & ~line)
    drawn = pixels.copy()
    drawn[line], drawn[inner] = 255, 0
    return drawn


def _view(encoder: Encoder, image: Image.Image) -> Pixels:
    recipe = encoder.recipe.pixels
    if recipe is not None:
        return recipe.pixels(image)
    scale = _SIDE / min(image.size)
    size = (round(image.width * scale), round(image.height * scale))
    return np.asarray(image.resize(size), dtype=np.uint8)


def _encode(encoder: Encoder, view: Pixels, masks: Masks) -> Floats:
    """Return (n, width) unit vectors of the view with each mask's cells hidden."""
    colour = view.mean(axis=(0, 1)).round().astype(np.uint8)
    height, width = view.shape[:2]
    parts = []
    for group in batched(masks, encoder.batch):
        hidden = _spread(np.stack(group), height, width)[..., None]
        pixels = np.where(hidden, colour, view)
        parts.append(encoder.vectors([_inputs(encoder, row) for row in pixels]))
    return np.concatenate(parts)


def _inputs(encoder: Encoder, pixels: Pixels) -> tuple[NDArray[np.generic], ...]:
    return (pixels,) if encoder.recipe.pixels else encoder.prepare(Image.fromarray(pixels))


def _spread(masks: Masks, height: int, width: int) -> Masks:
    """Return (n, height, width) of masks (n, GRID, GRID)."""
    rows, columns = np.arange(height) * GRID // height, np.arange(width) * GRID // width
    return masks[:, rows][:, :, columns]


def _windows() -> Masks:
    places = [
        (size, top, left)
        for size in _WINDOWS
        for top in range(0, GRID - size + 1, 2)
        for left in range(0, GRID - size + 1, 2)
    ]
    masks = np.zeros((len(places), GRID, GRID), dtype=np.bool_)
    for mask, (size, top, left) in zip(masks, places, strict=True):
        mask[top : top + size, left : left + size] = True
    return masks


def _tenths(salient: NDArray[np.floating]) -> Masks:
    """Return (11, GRID, GRID): nothing, the most salient tenth of the patches, two tenths, ..."""
    side = GRID // _PATCH
    patches = salient.reshape(side, _PATCH, side, _PATCH).mean(axis=(1, 3)).ravel()
    place = np.empty(len(patches), dtype=np.intp)
    place[np.argsort(-patches, kind="stable")] = np.arange(len(patches))
    counts = np.arange(11)[:, None] * len(patches) / 10
    masks = (place < counts.round()).reshape(11, side, side)
    return masks.repeat(_PATCH, axis=1).repeat(_PATCH, axis=2)


def area(curve: Sequence[float] | Floats) -> float:
    """Return the mean height of a curve of evenly spaced points (trapezoidal rule)."""
    return float(np.trapezoid(curve) / (len(curve) - 1))
