"""Captions against images as one matrix: its values, order, colour scale and marks."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from enum import StrEnum

import numpy as np
from numpy.typing import NDArray

from components.scores.match import Scores
from components.scores.measures import Floats, ScoreRule, probability

Order = NDArray[np.intp]
Cell = tuple[int, int]  # (caption, image)

# Both are safe for colour-blind readers. Colours are interpolated linearly in RGB.
VIRIDIS = (
    *("#440154", "#472d7b", "#3b528b", "#2c728e", "#21918c"),
    *("#28ae80", "#5ec962", "#addc30", "#fde725"),
)
ORANGE_PURPLE = (
    *("#b35806", "#e08214", "#fdb863", "#fee0b6", "#f7f7f7"),
    *("#d8daeb", "#b2abd2", "#8073ac", "#542788"),
)


class Mode(StrEnum):
    """Which score a cell shows."""

    cosine = "cosine"
    percentile = "percentile"
    by_row = "probability by row"
    by_column = "probability by column"


@dataclass(frozen=True)
class Scale:
    """A colour scale: values at or beyond an end have the end's colour."""

    low: float
    high: float
    colours: tuple[str, ...]
    title: str
    decimals: int = 0
    factor: float = 1.0  # a value is multiplied by it for display
    unit: str = ""

    def text(self, value: float) -> str:
        """Return a value as a cell shows it."""
        shown = f"{round(value * self.factor, self.decimals) + 0.0:.{self.decimals}f}"  # no -0
        return shown.replace("0.", ".", 1) if shown.startswith(("0.", "-0.")) else shown

    def colour(self, values: NDArray[np.floating]) -> NDArray[np.float64]:
        """Return (..., 3) red, green and blue, 0 to 255, for ``values`` (...)."""
        places = (np.asarray(values) - self.low) / (self.high - self.low)
        stops = np.array([[int(c[i : i + 2], 16) for i in (1, 3, 5)] for c in self.colours])
        at = np.linspace(0, 1, len(stops))
        return np.stack([np.interp(places, at, stops[:, i]) for i in range(3)], axis=-1)

    def is_dark(self, values: NDArray[np.floating]) -> NDArray[np.bool_]:
        """Return (...) whether white text contrasts more than black on the colours of ``values``.

        By WCAG 2.2's contrast ratio, equal for both at a relative luminance of 0.179.
        """
        channels = self.colour(values) / 255
        linear = np.where(
            channels <= 0.04045, channels / 12.92, ((channels + 0.055) / 1.055) ** 2.4
        )
        dark: NDArray[np.bool_] = linear @ np.array([0.2126, 0.7152, 0.0722]) < 0.179
        return dark


@dataclass(frozen=True)
class Heatmap:
    """A matrix as it is drawn, rows and columns in order; marks are (row, column) as drawn."""

    captions: tuple[str, ...]
    images: tuple[str, ...]
    rows: Order  # the caption that each drawn row shows
    columns: Order  # the image that each drawn column shows
    values: Floats  # (captions, images), as drawn
    scale: Scale
    best_of_row: tuple[Cell, ...]
    best_of_column: tuple[Cell, ...]
    assigned: tuple[Cell, ...]


def values(scores: Scores, mode: Mode, rule: ScoreRule) -> Floats:
    """Return the (captions, images) scores of ``mode``."""
    if mode is Mode.cosine:
        return scores.cosine
    if mode is Mode.percentile:
        return scores.percentile
    if mode is Mode.by_column:
        return scores.probability
    return probability(scores.cosine.T, rule).T


def scale_of(mode: Mode, chance: Floats) -> Scale:
    """Return a mode's colour scale, which does not depend on the data shown.

    The cosine's is fixed for a model: from one standard deviation below the mean of its chance
    scores ``chance`` (bank, sample images) to five above, widened to multiples of 0.05.
    """
    if mode is Mode.cosine:
        mean, spread = float(chance.mean()), float(chance.std())
        low = np.floor((mean - spread) * 20) / 20
        high = np.ceil((mean + 5 * spread) * 20) / 20
        return Scale(float(low), float(high), VIRIDIS, "cosine", decimals=2)
    title = "percentile" if mode is Mode.percentile else "probability"
    return Scale(0.0, 1.0, VIRIDIS, title, factor=100, unit="%")


DIFFERENCE = Scale(
    -1.0, 1.0, ORANGE_PURPLE, "difference of percentiles", factor=100, unit=" points"
)


def arrange(
    scores: Scores,
    shown: Floats,
    scale: Scale,
    order: tuple[Order, Order] | None = None,
    assign: bool = False,
) -> Heatmap:
    """Return the heatmap of ``shown`` (captions, images), rows and columns in their ``order``.

    ``assign`` adds the one-to-one `assignment`. The best of rows and columns are those of the
    values shown.
    """
    rows, columns = order or (np.arange(shown.shape[0]), np.arange(shown.shape[1]))
    drawn: Floats = shown[np.ix_(rows, columns)]
    pairs = assignment(scores.cosine[np.ix_(rows, columns)]) if assign else ()
    return Heatmap(
        captions=tuple(scores.captions[i] for i in rows),
        images=tuple(scores.images[i] for i in columns),
        rows=rows,
        columns=columns,
        values=drawn,
        scale=scale,
        best_of_row=tuple((i, int(best)) for i, best in enumerate(drawn.argmax(axis=1))),
        best_of_column=tuple((int(best), i) for i, best in enumerate(drawn.argmax(axis=0))),
        assigned=pairs,
    )


def clustered(shown: Floats) -> tuple[Order, Order]:
    """Return the orders of rows and columns that place similar ones side by side."""
    return leaf_order(shown), leaf_order(shown.T)


def difference(first: Scores, second: Scores, order: tuple[Order, Order] | None = None) -> Heatmap:
    """Return the heatmap of ``second``'s percentiles minus ``first``'s, of the same cells."""
    shown: Floats = second.percentile - first.percentile
    return replace(arrange(first, shown, DIFFERENCE, order), best_of_row=(), best_of_column=())


def leaf_order(rows: Floats) -> Order:
    """Return an order of ``rows`` (n, d) in which neighbours are similar.

    Average linkage of Euclidean distances with the optimal order of leaves (Bar-Joseph et al.
    2001, "Fast optimal leaf ordering for hierarchical clustering"), by SciPy.
    """
    if len(rows) < 3:
        return np.arange(len(rows))
    from scipy.cluster.hierarchy import leaves_list, linkage

    tree = linkage(rows.astype(np.float64), "average", optimal_ordering=True)
    return leaves_list(tree).astype(np.intp)


def assignment(cosines: Floats) -> tuple[Cell, ...]:
    """Return the one-to-one (caption, image) pairs of the highest total cosine, by SciPy.

    The linear assignment problem (Kuhn 1955); there are min(captions, images) pairs.
    """
    from scipy.optimize import linear_sum_assignment

    rows, columns = linear_sum_assignment(cosines, maximize=True)
    return tuple((int(row), int(column)) for row, column in zip(rows, columns, strict=True))


def known_pairs(scores: Scores, pairs: Sequence[tuple[str, str]]) -> NDArray[np.bool_]:
    """Return (captions, images): True for the cells of (image, caption) ``pairs``."""
    rows = {caption: index for index, caption in enumerate(scores.captions)}
    columns = {image: index for index, image in enumerate(scores.images)}
    known = np.zeros(scores.cosine.shape, dtype=np.bool_)
    for image, caption in pairs:
        if caption in rows and image in columns:
            known[rows[caption], columns[image]] = True
    return known


def agreement(first: Floats, second: Floats) -> NDArray[np.float64]:
    """Return Spearman's rank correlation of each row of two (rows, columns) matrices, by SciPy.

    NaN for a row that is constant in either matrix, and for matrices of one column.
    """
    from scipy.stats import spearmanr

    if first.shape[1] < 2:
        return np.full(len(first), np.nan)
    with np.errstate(all="ignore"):
        correlations = [
            np.nan if np.ptp(a) == 0 or np.ptp(b) == 0 else float(spearmanr(a, b).statistic)
            for a, b in zip(first, second, strict=True)
        ]
    return np.array(correlations, dtype=np.float64)
