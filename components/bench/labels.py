"""Zero-shot labels: accuracy, calibration, and wrong given labels found, beside cleanlab."""

import warnings
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from components.bench.measure import Say, average_precision
from components.encoder import Encoded, Encoder, bank_vectors, encode
from components.errors import CaptionLensError
from components.labels.assign import Indices, Scorer, assign, fitted
from components.labels.calibration import calibration_error
from components.labels.images import read_images, rows_of
from components.labels.label_list import label_vectors, parse_labels
from components.labels.suspicious import is_suspicious, oppose
from components.scores import Floats, unit

_SIZES = (10, 100, 1000)  # labels in a list
_DRAWS = {10: 20, 100: 5}  # lists of each size, drawn at random; one of all labels
_GROUPS = 20
_SPOILED = 0.1  # of the given labels
_SEEDS = 3


@dataclass(frozen=True)
class _Named:
    """Images with true labels: unit vectors of both, each image's label, the chance captions."""

    images: Floats
    labels: Floats
    true: Indices
    bank: Floats


def labels(encoder: Encoder, table: Path, say: Say) -> None:
    """Print accuracy and calibration on a table of images with labels, and wrong labels found.

    ``table`` has columns image and label (or names). Pocket was trained on the images of the
    ImageNet sample with their names: for it, the figures there are optimistic. Raises
    CaptionLensError without cleanlab.
    """
    cleanlab = _Cleanlab()
    named = _read(encoder, table)
    say(f"\n{encoder.spec.id}: {len(named.images):,} images, {len(named.labels):,} labels")
    say(f"{'labels':>6}{'images':>8}{'none true':>11}{'said':>7}{'right':>8}{'sure':>7}{'ECE':>8}")
    for size in dict.fromkeys(min(size, len(named.labels)) for size in _SIZES):
        say(_calibration(named, size))
    say(_fitted(named))
    say(f"\na tenth of the labels spoiled, {_SEEDS} draws: average precision of the ranking")
    say(f"{'labels':>6}{'ours':>8}{'cleanlab: self-confidence':>27}{'margin':>9}")
    for groups in (len(named.labels), min(_GROUPS, len(named.labels))):
        say(_suspicious(named, groups, cleanlab))


def _read(encoder: Encoder, table: Path) -> _Named:
    given = read_images(table)
    listed = parse_labels("\n".join(given.labels))
    rows = rows_of(given.labels, listed.labels)
    items = [*encode(encoder, given.sources)]
    kept = [row for row, item in enumerate(items) if isinstance(item, Encoded) and rows[row] >= 0]
    vectors = [item.vector for item in items if isinstance(item, Encoded)]
    if not kept or len(vectors) != len(items):
        raise CaptionLensError(f"{table.name} has no labels, or some images cannot be read.")
    return _Named(
        np.stack(vectors)[kept],
        label_vectors(encoder.texts, listed.labels),
        rows[kept],
        bank_vectors(encoder),
    )


def _calibration(named: _Named, size: int) -> str:
    """Return the figures of lists of ``size`` labels; half of the images have another label."""
    rng = np.random.default_rng(0)
    count = len(named.labels)
    right, sure, none, said = [], [], [], []
    for _ in range(_DRAWS.get(size, 1)):
        drawn = rng.permutation(count)[: 2 * size]
        chosen = drawn[:size]
        images = np.isin(named.true, drawn)
        row_of = np.full(count, size)  # "none of these"
        row_of[chosen] = np.arange(size)
        true = row_of[named.true[images]]
        shares = Scorer(named.labels[chosen], named.bank).probabilities(named.images[images])
        result = assign([str(label) for label in chosen], [shares])
        right.append(result.best == true)
        sure.append(result.confidence)
        none.append(true == size)
        said.append(result.best == size)
    return _line(size, *map(np.concatenate, (right, sure, none, said)))


def _line(
    size: int,
    right: NDArray[np.bool_],
    sure: Floats,
    none: NDArray[np.bool_],
    said: NDArray[np.bool_],
) -> str:
    return (
        f"{size:>6,}{len(right):>8,}{none.mean():>11.1%}{said.mean():>7.1%}{right.mean():>8.1%}"
        f"{sure.mean():>7.1%}{calibration_error(sure, right):>8.3f}"
    )


def _fitted(named: _Named) -> str:
    """Return the calibration of all labels, fitted to the given labels of the other half."""
    half = np.random.default_rng(0).permutation(len(named.images)) % 2 == 0
    plain = Scorer(named.labels, named.bank)
    sure = np.zeros(len(half), dtype=np.float32)
    right = np.zeros(len(half), dtype=np.bool_)
    for test in (half, ~half):
        scorer = fitted(plain, named.images[~test], named.true[~test])
        shares = scorer.probabilities(named.images[test])
        sure[test], right[test] = shares.max(axis=1), shares.argmax(axis=1) == named.true[test]
    error = calibration_error(sure, right)
    return f"all labels, fitted to the given labels of the other half: ECE {error:.3f}"


def _suspicious(named: _Named, groups: int, cleanlab: "_Cleanlab") -> str:
    """Return how well spoiled labels of ``groups`` groups are found: ours and cleanlab's."""
    member = _grouped(named.labels, groups)
    true = member[named.true]
    found: list[tuple[float, ...]] = []
    for seed in range(_SEEDS):
        rng = np.random.default_rng(seed)
        spoiled = rng.permutation(len(true)) < _SPOILED * len(true)
        given = np.where(spoiled, (true + rng.integers(1, groups, len(true))) % groups, true)
        shares = _group_shares(named, member, groups)
        opposed = oppose(shares, given)
        found.append(
            (
                average_precision(-opposed.confidence, spoiled),
                *(average_precision(-each, spoiled) for each in cleanlab.scores(given, shares)),
                *_found(is_suspicious(opposed, groups), spoiled),
                *_found(cleanlab.issues(given, shares), spoiled),
            )
        )
    ours, own, margin, *rule = np.mean(found, axis=0)
    return (
        f"{groups:>6,}{ours:>8.4f}{own:>27.4f}{margin:>9.4f}\n"
        f"       called wrong: ours precision {rule[0]:.2f}, recall {rule[1]:.2f};"
        f" cleanlab's find_label_issues {rule[2]:.2f}, {rule[3]:.2f}"
    )


def _found(called: NDArray[np.bool_], spoiled: NDArray[np.bool_]) -> tuple[float, float]:
    """Return the precision and the recall of labels that are called wrong."""
    both = int((called & spoiled).sum())
    return both / max(int(called.sum()), 1), both / int(spoiled.sum())


def _group_shares(named: _Named, member: Indices, groups: int) -> Floats:
    """Return (images, groups) probabilities, "none of these" left out."""
    shares = Scorer(named.labels, named.bank).probabilities(named.images)[:, :-1]
    sums = np.stack([shares[:, member == group].sum(axis=1) for group in range(groups)], axis=1)
    whole: Floats = (sums / sums.sum(axis=1, keepdims=True)).astype(np.float32)
    return whole


def _grouped(labels: Floats, groups: int) -> Indices:
    """Return the group of each label: k-means of their vectors, or each label its own."""
    if groups == len(labels):
        return np.arange(groups)
    centres = labels[np.random.default_rng(0).permutation(len(labels))[:groups]]
    for _ in range(20):
        member: Indices = (labels @ centres.T).argmax(axis=1)
        means = [
            labels[member == group].mean(axis=0) if (member == group).any() else centres[group]
            for group in range(groups)
        ]
        centres = unit(np.stack(means))
    final: Indices = (labels @ centres.T).argmax(axis=1)
    return final


class _Cleanlab:
    """cleanlab's label quality scores."""

    def __init__(self) -> None:
        """Raise CaptionLensError where cleanlab is not installed."""
        try:
            from cleanlab.filter import find_label_issues
            from cleanlab.rank import get_label_quality_scores
        except ImportError as error:
            raise CaptionLensError(
                "This benchmark compares with cleanlab, which is not installed: run"
                " `pip install cleanlab`."
            ) from error
        self._scores, self._issues = get_label_quality_scores, find_label_issues

    def scores(self, given: Indices, shares: Floats) -> list[Floats]:
        """Return (n,) scores of ``given`` labels by self-confidence and by normalised margin."""
        return [
            self._scores(given, shares, method=method, adjust_pred_probs=False)
            for method in ("self_confidence", "normalized_margin")
        ]

    def issues(self, given: Indices, shares: Floats) -> NDArray[np.bool_]:
        """Return (n,): which of the ``given`` labels are called wrong."""
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # one for each label with few images
            found: NDArray[np.bool_] = self._issues(given, shares, n_jobs=1)
        return found
