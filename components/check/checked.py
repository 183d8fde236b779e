"""The result of a check: each pair's probability of being wrong, and all other findings."""

from dataclasses import dataclass

import numpy as np

from components.check.caption_set import CaptionSet, Indices
from components.check.evidence import Evidence
from components.check.findings.finding import Finding
from components.scores import Floats

SUSPECT = 0.5  # a pair is suspect from this probability of being wrong on


@dataclass(frozen=True)
class Checked:
    """A checked dataset. ``probability`` (m,) is each pair's calibrated chance of being wrong.

    ``suggestion`` (m,) is the row of a caption of the dataset that fits the pair's image better,
    -1 where there is none; ``share`` is the estimated share of wrong pairs.
    """

    data: CaptionSet
    evidence: Evidence
    probability: Floats
    suggestion: Indices
    share: float
    findings: tuple[Finding, ...] = ()

    @property
    def order(self) -> Indices:
        """The rows, most likely wrong first."""
        order: Indices = np.argsort(-self.probability, kind="stable")
        return order

    @property
    def suspects(self) -> int:
        """The number of pairs that are more likely wrong than right."""
        return int((self.probability >= SUSPECT).sum())

    def precision(self, length: int) -> float:
        """Return the expected share of wrong pairs among the first ``length`` of `order`."""
        return float(self.probability[self.order[:length]].mean()) if length else 0.0

    def reason(self, row: int) -> str:
        """Return why a pair may be wrong (or what speaks for it), in one line."""
        raise NotImplementedError

    def kinds(self, row: int) -> tuple[str, ...]:
        """Return the kinds of findings that concern a pair, "Wrong caption" among them."""
        raise NotImplementedError
