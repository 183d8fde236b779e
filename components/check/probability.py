"""Evidence -> the probability that a pair is wrong, calibrated on the person's own data.

A logistic regression learns to tell the pairs as they are from swaps that the program makes
itself, so no threshold is guessed, and any model will do. It is cross-fitted: a pair's probability
comes from a regression that was fitted without its image. Half of what it learns from is swapped;
how much of the data is wrong is estimated afterwards, from the probabilities themselves (Saerens et
al. 2002, "Adjusting the Outputs of a Classifier to New a Priori Probabilities", section 2.2).
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from components.check.caption_set import Indices
from components.check.evidence import Evidence, Progress, Space, evidence
from components.scores import Floats

Doubles = NDArray[np.float64]

FOLDS = 5
SWAPS = 20_000  # at most; fewer than 3,000 pairs are swapped several times
_FEWEST = 3_000
_ROUNDS = 5  # of fitting; each weighs the pairs by what the one before it said
_MOST = 0.9  # share of wrong pairs
_STRENGTH, _MANY = 0.1, 100  # of the regression (C); a tenth of it for fewer pairs


@dataclass(frozen=True)
class Probabilities:
    """``wrong`` (m,) is each pair's probability of being wrong, ``share`` their mean."""

    wrong: Floats
    share: float


def probabilities(
    space: Space, found: Evidence, progress: Progress = lambda share: None
) -> Probabilities:
    """Return how probably each pair is wrong. ``found`` is the evidence on the pairs as they are.

    Seeded: the same data give the same probabilities.
    """
    rng = np.random.default_rng(0)
    rows, slots = _swapped(space, rng)
    swapped = evidence(space, rows, slots, progress)
    fold = rng.permutation(len(space.images)) % FOLDS
    moved = np.stack([fold[space.owner[rows]], fold[space.owner[slots]]])
    data = _Data(features(found, space), features(swapped, space), fold[space.owner], moved)
    wrong, share = np.zeros(len(found.cosine)), 0.0
    for _ in range(_ROUNDS):
        fitted, of_swaps = _cross_fit(data, 1 - wrong)
        share = _share(fitted, of_swaps)
        wrong = _with_mean(fitted, share)
    return Probabilities(wrong.astype(np.float32), share)


@dataclass(frozen=True)
class _Data:
    """Features of the pairs as they are and of swaps; each pair's fold, the two of each swap."""

    kept: Floats
    swapped: Floats
    fold: Indices
    moved: Indices  # (2, swaps)


def _cross_fit(data: _Data, weights: Doubles) -> tuple[Doubles, Doubles]:
    """Return the probabilities of having been swapped, were half of all, of pairs and of swaps.

    ``weights`` (m,) say how much each pair counts as right.
    """
    kept, swapped = np.zeros(len(data.kept)), np.zeros(len(data.swapped))
    for number in range(FOLDS):
        there, without = data.fold == number, (data.moved != number).all(axis=0)
        model = _fit(data.kept[~there], weights[~there], data.swapped[without])
        kept[there] = model(data.kept[there])
        placed = data.moved[1] == number
        swapped[placed] = model(data.swapped[placed])
    return kept, swapped


def _share(kept: Doubles, swapped: Doubles) -> float:
    """Return the share of wrong pairs: where swaps abound, nearly all pairs that there are.

    The lowest ratio of the shares of pairs and of swaps above a score, with the error of both:
    Garg et al. 2021, "Mixture Proportion Estimation and PU Learning", algorithm 1.
    """
    scores = np.sort(swapped)
    above = 1 - np.arange(len(scores)) / len(scores)
    pairs = 1 - np.searchsorted(np.sort(kept), scores) / len(kept)
    error = np.sqrt(np.log(40) / 2) * (1 / np.sqrt(len(scores)) + 1 / np.sqrt(len(kept)))
    best = np.argmin((pairs + error) / above)
    fewest = 0.5 / len(kept)  # half a pair: none at all could never be refuted
    return float(np.clip(pairs[best] / above[best], fewest, _MOST))


def features(found: Evidence, space: Space) -> Floats:
    """Return (pairs, k) what the regression is given; without siblings, a column fewer."""
    columns = [
        found.zscore,
        np.log(found.image_rank / len(space.images)),
        np.log(found.caption_rank / len(space.texts)),
        found.cosine,
        found.image_margin,
        found.caption_margin,
        found.near_captions,
        found.near_images,
    ]
    alone = np.isnan(found.siblings)
    if (space.counts > 1).any():
        average = np.nanmean(found.siblings) if not alone.all() else 0.0
        columns += [np.where(alone, average, found.siblings)]
    return np.stack(columns, axis=1).astype(np.float32)


def _swapped(space: Space, rng: np.random.Generator) -> tuple[Indices, Indices]:
    """Return captions, and the captions of other images in whose places they are put."""
    m = len(space.texts)
    number = min(SWAPS, max(_FEWEST, m))
    rows = np.concatenate([rng.permutation(m) for _ in range(-(-number // m))])[:number]
    slots = np.concatenate([rng.permutation(m) for _ in range(-(-number // m))])[:number]
    other = space.owner[rows] != space.owner[slots]
    return rows[other], slots[other]


def _with_mean(probability: Doubles, mean: float) -> Doubles:
    """Return probabilities of the same order with this mean: their log odds are shifted."""
    from scipy.optimize import brentq
    from scipy.special import expit, logit

    odds = logit(np.clip(probability, 1e-9, 1 - 1e-9))
    shift = brentq(lambda by: float(expit(odds + by).mean()) - mean, -50, 50)
    shifted: Doubles = expit(odds + shift)
    return shifted


def _fit(kept: Floats, weights: Doubles, swapped: Floats) -> Callable[[Floats], Doubles]:
    """Return a function of features: the probability of having been swapped, were half of all."""
    from sklearn.linear_model import LogisticRegression
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import PolynomialFeatures, StandardScaler

    model = make_pipeline(
        StandardScaler(),
        PolynomialFeatures(2, include_bias=False),
        StandardScaler(),
        LogisticRegression(C=_STRENGTH if len(kept) >= _MANY else _STRENGTH / 10, max_iter=1000),
    )
    truth = np.r_[np.zeros(len(kept)), np.ones(len(swapped))]
    balance = np.r_[weights / weights.sum(), np.full(len(swapped), 1 / len(swapped))]
    model.fit(
        np.concatenate([kept, swapped]),
        truth,
        logisticregression__sample_weight=balance * len(truth) / 2,
    )
    return lambda asked: model.predict_proba(asked)[:, 1]
