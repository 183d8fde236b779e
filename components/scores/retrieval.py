"""How well a model finds what belongs together, where that is known: recall@k, ranks, MRR."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from components.scores.measures import Floats

Known = NDArray[np.bool_]  # (queries, gallery): what belongs together
KS = (1, 5, 10)


@dataclass(frozen=True)
class Retrieval:
    """One direction, over the queries that have something of their own in the gallery.

    ``recall`` is of `KS`, each between 0 and 1, as is the mean reciprocal rank ``mrr``.
    """

    queries: int
    gallery: int
    recall: tuple[float, ...]
    median_rank: float
    mrr: float


def ranks(scores: Floats, known: Known) -> NDArray[np.float64]:
    """Return for each query that has its own the rank, from 1, of the best of its own.

    ``scores`` and ``known`` are (queries, gallery). With several of its own, the best one counts
    (Hodosh et al. 2013, "Framing Image Description as a Ranking Task", section 4.2). Others of an
    equal score stand half before it and half behind, so that scores that tell nothing earn nothing.
    """
    asked = known.any(axis=1)
    scores, known = scores[asked], known[asked]
    own = np.where(known, scores, -np.inf).max(axis=1, keepdims=True)
    higher = ((scores > own) & ~known).sum(axis=1)
    equal = ((scores == own) & ~known).sum(axis=1)
    places: NDArray[np.float64] = 1.0 + higher + equal / 2
    return places


def retrieval_figures(scores: Floats, known: Known) -> Retrieval | None:
    """Return recall, median rank and MRR of (queries, gallery), None where nothing is known."""
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
    """Return the figures of (captions, images) by direction, none where nothing is known."""
    found = {
        "caption to image": retrieval_figures(scores, known),
        "image to caption": retrieval_figures(scores.T, known.T),
    }
    return {way: figures for way, figures in found.items() if figures}


def mean_recall(texts: Floats, images: Floats, owner: NDArray[np.intp]) -> float:
    """Return the mean of recall@1, @5 and @10 both ways, in per cent: one figure to train by.

    Unit rows ``texts`` (m, width) and ``images`` (n, width); ``owner`` (m,) each text's image.
    """
    known = owner[:, None] == np.arange(len(images))
    found = both_ways(texts @ images.T, known)
    return float(100 * np.mean([share for figures in found.values() for share in figures.recall]))


def auc(positive: NDArray[np.floating], negative: NDArray[np.floating]) -> float:
    """Return the chance that a positive's score is above a negative's, ties half.

    The area under the ROC curve, by ranks (Mann and Whitney 1947).
    """
    ordered = np.sort(negative)
    lower = np.searchsorted(ordered, positive, side="left")
    not_higher = np.searchsorted(ordered, positive, side="right")
    return float((lower + not_higher).mean() / (2 * len(ordered)))
