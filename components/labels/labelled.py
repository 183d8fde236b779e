"""Labelled images as rows of a table, and what the given labels tell of them."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import chain
from typing import Any

import numpy as np

from components.labels.assign import Indices, Labelling, Scorer, assign, fitted
from components.labels.calibration import calibration_error
from components.labels.suspicious import Opposed, is_suspicious, joined, oppose, suspicious_first
from components.scores import Floats

_FITTED = 4096  # images at most that the scorer is fitted to


@dataclass(frozen=True)
class Labelled:
    """Images with their labels; ``opposed`` is None where no image has a given label.

    ``scorer`` is what they were labelled with; ``fitted``: whether to the given labels.
    """

    images: tuple[str, ...]
    labelling: Labelling
    scorer: Scorer
    opposed: Opposed | None = None
    fitted: bool = False

    @property
    def suspicious(self) -> Indices:
        """The images whose given label is probably wrong, the most probable first."""
        if self.opposed is None:
            return np.zeros(0, dtype=np.intp)
        labels = len(self.labelling.names)
        order = suspicious_first(self.opposed, labels)
        found: Indices = order[is_suspicious(self.opposed, labels)[order]]
        return found

    @property
    def accuracy(self) -> float:
        """The share of given labels that are the best label; NaN without given labels."""
        if self.opposed is None:
            return float("nan")
        known = self.opposed.given >= 0
        return float((self.labelling.best == self.opposed.given)[known].mean())

    @property
    def calibration_error(self) -> float:
        """The expected calibration error against the given labels; NaN without them."""
        if self.opposed is None:
            return float("nan")
        known = self.opposed.given >= 0
        right = self.labelling.best[known] == self.opposed.given[known]
        return calibration_error(self.labelling.confidence[known], right)


def label_images(
    images: Sequence[str],
    names: Sequence[str],
    scorer: Scorer,
    chunks: Iterable[Floats],
    given: Indices | None = None,
) -> Labelled:
    """Return the labels of ``images`` (n,), whose unit vectors come in ``chunks`` (m, width).

    ``given`` (n,) are the labels that they have already, rows of ``names``, -1 for none; the
    scorer is fitted to the first of them.
    """
    if given is None or not (given >= 0).any():
        return Labelled(tuple(images), assign(names, map(scorer.probabilities, chunks)), scorer)
    rest = iter(chunks)
    first = _first(rest)
    own = fitted(scorer, first, given[: len(first)])
    opposed: list[Opposed] = []
    shares = _opposing(own, chain([first], rest), given, opposed)
    labelling = assign(names, shares)
    return Labelled(tuple(images), labelling, own, joined(opposed), own is not scorer)


def _first(chunks: Iterator[Floats]) -> Floats:
    """Return the chunks that have the first 4,096 images or more."""
    taken: list[Floats] = []
    while sum(map(len, taken)) < _FITTED and (chunk := next(chunks, None)) is not None:
        taken.append(np.array(chunk))  # a copy: a collection releases what was read
    return np.concatenate(taken)


def _opposing(
    scorer: Scorer, chunks: Iterable[Floats], given: Indices, opposed: list[Opposed]
) -> Iterator[Floats]:
    """Yield the probabilities of each chunk; add its given labels to ``opposed``."""
    start = 0
    for chunk in chunks:
        shares = scorer.probabilities(chunk)
        opposed.append(oppose(shares[:, :-1], given[start : start + len(chunk)]))
        start += len(chunk)
        yield shares


def rows(labelled: Labelled, given: Sequence[str] = ()) -> list[dict[str, Any]]:
    """Return a row for each image: its name, its two best labels and their confidences.

    With the text of the ``given`` labels (n,), the suspicious images come first, and each row says
    how probable the given label is.
    """
    labelling = labelled.labelling
    suspicious = labelled.suspicious.tolist()
    rest = sorted(set(range(len(labelling))) - set(suspicious))
    found = set(suspicious)
    return [
        _row(labelled, row) | (_given(labelled, row, given[row], row in found) if given else {})
        for row in [*suspicious, *rest]
    ]


def _row(labelled: Labelled, row: int) -> dict[str, Any]:
    labelling = labelled.labelling
    return {
        "image": labelled.images[row],
        "label": labelling.names[labelling.best[row]],
        "confidence": _rounded(labelling.confidence[row]),
        "second_label": labelling.names[labelling.second[row]],
        "second_confidence": _rounded(labelling.second_confidence[row]),
    }


def _given(labelled: Labelled, row: int, given: str, suspicious: bool) -> dict[str, Any]:
    opposed = labelled.opposed
    known = opposed is not None and opposed.given[row] >= 0
    confidence = _rounded(opposed.confidence[row]) if opposed and known else None
    return {"given": given, "given_confidence": confidence, "suspicious": suspicious}


def _rounded(share: np.float32) -> float:
    return round(float(share), 4)
