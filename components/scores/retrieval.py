"""Retrieval figures from scores and known pairs: recall@k, ranks, MRR, AUC, pair accuracy."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from components.scores.measures import Floats

Known = NDArray[np.bool_]  # (queries, gallery): the known pairs
KS = (1, 5, 10)


@dataclass(frozen=True)
class Retrieval:
    """The figures of one direction, over the queries with a known match in the gallery.

    ``recall`` is recall@k for each of `KS`; recall and mean reciprocal rank ``mrr`` are 0 to 1.
    """

    queries: int
    gallery: int
    recall: tuple[float, ...]
    median_rank: float
    mrr: float


def ranks(scores: Floats, known: Known) -> NDArray[np.float64]:
    """Return the rank, from 1, of the best known match of each query that has one.

    ``scores`` and ``known`` are (queries, gallery). Of several known matches the best counts
    (Hodosh et al. 2013, "Framing Image Description as a Ranking Task", section 4.2). Half of the
    others with an equal score count as before it, so constant scores rank as random ones do.
    """
    answerable = known.any(axis=1)
    scores, known = scores[answerable], known[answerable]
    own = np.where(known, scores, -np.inf).max(axis=1, keepdims=True)
    higher = ((scores > own) & ~known).sum(axis=1)
    equal = ((scores == own) & ~known).sum(axis=1)
    places: NDArray[np.float64] = 1.0 + higher + equal / 2
    return places


def retrieval_figures(scores: Floats, known: Known) -> Retrieval | None:
    """Return recall, median rank and MRR of (queries, gallery), None without known pairs."""
    places = ranks(scores, known)
    if not len(places):
        return None
    return Retrieval(
        queries=len(places),
        gallery=scores.shape[1],
        recall=tuple(float((places <= k).mean()) for k in KS),
        median_rank=float(np.median(places)),
        mrr=float((1 / places).mean()),
    )


def both_ways(scores: Floats, known: Known) -> dict[str, Retrieval]:
    """Return the figures of (captions, images) by direction, empty without known pairs."""
    directions = {
        "caption to image": retrieval_figures(scores, known),
        "image to caption": retrieval_figures(scores.T, known.T),
    }
    return {name: figures for name, figures in directions.items() if figures}


def mean_recall(texts: Floats, images: Floats, owner: NDArray[np.intp]) -> float:
    """Return the mean of recall@1, @5 and @10 in both directions, in per cent.

    Unit rows ``texts`` (m, width) and ``images`` (n, width); ``owner`` (m,) each text's image.
    """
    known = owner[:, None] == np.arange(len(images))
    directions = both_ways(texts @ images.T, known).values()
    return float(100 * np.mean([share for figures in directions for share in figures.recall]))


def auc(positive: NDArray[np.floating], negative: NDArray[np.floating]) -> float:
    """Return the probability that a positive scores above a negative, ties counted half.

    The area under the ROC curve, by ranks (Mann and Whitney 1947).
    """
    ordered = np.sort(negative)
    lower = np.searchsorted(ordered, positive, side="left")
    not_higher = np.searchsorted(ordered, positive, side="right")
    return float((lower + not_higher).mean() / (2 * len(ordered)))


def balanced_accuracy(
    positive: NDArray[np.floating], negative: NDArray[np.floating], threshold: float
) -> float:
    """Return the mean of two shares: positives at or above ``threshold``, negatives below."""
    return float(((positive >= threshold).mean() + (negative < threshold).mean()) / 2)


def best_threshold(positive: NDArray[np.floating], negative: NDArray[np.floating]) -> float:
    """Return the threshold of the highest `balanced_accuracy`, among 501 quantiles of both."""
    candidates = np.quantile(np.concatenate([positive, negative]), np.linspace(0, 1, 501))
    return float(
        max(candidates, key=lambda each: balanced_accuracy(positive, negative, float(each)))
    )
