"""Occlusion maps of a score, their faithfulness check, and the contribution of each word.

Windows of three sizes are hidden in turn, and the fall of the score is attributed to the hidden
cells (Zeiler and Fergus 2014, "Visualizing and Understanding Convolutional Networks", section
4.2). It needs only the model's vectors, encoded in batches, and they serve every caption.
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
_WINDOWS = (2, 4, 6)  # cells along a side; the stride is two cells
_PATCH = 2  # cells along a side of what the faithfulness check hides at once
_RANDOM_ORDERS = 2
_SIDE = 224  # pixels of the shorter side, for models without a pixel recipe
Masks = NDArray[np.bool_]  # (n, GRID, GRID): the hidden cells


@dataclass(frozen=True)
class Occlusion:
    """An image as the model sees it, and its unit vectors, whole and with parts hidden.

    ``view`` (height, width, 3) bytes, ``vector`` (width,), ``hidden`` (windows, width).
    """

    view: Pixels
    vector: Floats
    hidden: Floats


@dataclass(frozen=True)
class Curves:
    """The faithfulness check of a map: cosines (11,) as the image is hidden or shown by tenths.

    ``deletion`` hides the most salient patches first, ``insertion`` shows them first; the other
    two use a random order (Petsiuk et al. 2018, "RISE", section 4.2). The deletion curve of a
    faithful map is below the random one, its insertion curve above.
    """

    deletion: Floats
    insertion: Floats
    random_deletion: Floats
    random_insertion: Floats


@dataclass(frozen=True)
class Word:
    """A word of a caption, and the fall of the cosine without it."""

    text: str
    change: float


def occlude(encoder: Encoder, image: Image.Image) -> Occlusion:
    """Return the vectors of an RGB image, whole and with each window filled by the mean colour."""
    view = _view(encoder, image)
    whole = np.zeros((1, GRID, GRID), dtype=np.bool_)
    vectors = _encode(encoder, view, np.concatenate([whole, _windows()]))
    return Occlusion(view, vectors[0], vectors[1:])


def saliency(occlusion: Occlusion, text: Floats) -> Floats:
    """Return (GRID, GRID): the fall of the cosine with ``text`` (width,) when a cell is hidden.

    The mean over the windows of a size that hide the cell, then over the sizes. Negative where
    hiding the cell raises the cosine.
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
    """Return the curves of a map ``salient`` (GRID, GRID) for ``text`` (width,)."""
    random_orders = np.random.default_rng(0).random((_RANDOM_ORDERS, GRID, GRID))
    orders: list[NDArray[np.floating]] = [salient, *random_orders]
    masks = np.concatenate([_tenths(order) for order in orders])  # (orders * 11, GRID, GRID)
    vectors = _encode(encoder, occlusion.view, np.concatenate([masks, ~masks]))
    cosines = (vectors @ text).reshape(2, len(orders), 11)  # deletion, insertion
    expected = cosines[:, 1:].mean(axis=1)
    return Curves(cosines[0, 0], cosines[1, 0], expected[0], expected[1])


def verdict(checked: Curves) -> str:
    """Return the result of the faithfulness check of a map, in two sentences."""
    whole, hidden, at_random = *checked.deletion[:2], checked.random_deletion[1]
    passed = (area(checked.deletion) < area(checked.random_deletion)) + (
        area(checked.insertion) > area(checked.random_insertion)
    )
    results = (
        "fails both tests: do not rely on it",
        "passes one of two tests",
        "passes both tests",
    )
    return (
        f"Hiding the most salient tenth changes the cosine of {whole:.3f} by {hidden - whole:+.3f},"
        f" hiding a random tenth by {at_random - whole:+.3f}. Compared with random order"
        f" (deletion below it, insertion above it), the map {results[passed]}."
    )


def words(encoder: Encoder, caption: str, image: Floats) -> list[Word]:
    """Return each word and the fall of the cosine with ``image`` (width,) without it.

    Empty for a caption of a single word.
    """
    parts = caption.split()
    if len(parts) < 2:
        return []
    without = [" ".join(parts[:i] + parts[i + 1 :]) for i in range(len(parts))]
    whole, *others = encoder.texts([caption, *without]) @ image
    return [Word(part, float(whole - other)) for part, other in zip(parts, others, strict=True)]


def on_grid(relevance: Floats) -> Floats:
    """Return a map (rows, columns) resized to (GRID, GRID)."""
    image = Image.fromarray(relevance.astype(np.float32), mode="F")
    resized: Floats = np.asarray(image.resize((GRID, GRID), Image.Resampling.BILINEAR))
    return resized


def full_colour(bank: Floats, image: Floats) -> float:
    """Return the change of the cosine that an overlay shows in full colour.

    Half a standard deviation of the chance scores of ``image`` (width,) with ``bank`` (n,
    width): one scale for all maps of an image, comparable between models.
    """
    return max(float((bank @ image).std()) / 2, 1e-6)


def gibberish(caption: str) -> str:
    """Return random letters, in words as long as the caption's; deterministic."""
    rng = random.Random(caption)  # noqa: S311 - not a secret
    lengths = [len(word) for word in caption.split()]
    return " ".join("".join(rng.choices(string.ascii_lowercase, k=n)) for n in lengths)


def overlay(view: Pixels, salient: Floats, limit: float, opacity: float) -> Image.Image:
    """Return the view in grey under its map ``salient`` (GRID, GRID).

    Orange where hiding lowers the cosine, purple where it raises it; a change of ``limit`` or
    more has full colour, at ``opacity`` 0 to 1. A white and black line outlines the most salient
    tenth.
    """
    height, width = view.shape[:2]
    relative = Image.fromarray((salient / limit).clip(-1, 1).astype(np.float32), mode="F")
    strength = np.asarray(relative.resize((width, height), Image.Resampling.BICUBIC)).clip(-1, 1)
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
