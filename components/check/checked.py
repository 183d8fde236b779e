"""The result of a check: each pair's probability of being wrong, and all other findings."""

from collections import defaultdict
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from components.check.caption_set import CaptionSet, Indices
from components.check.evidence import Evidence
from components.check.findings.finding import KINDS, Finding
from components.scores import Floats

SUSPECT = 0.5  # a pair is suspect from this probability of being wrong on
WRONG = "Wrong caption"  # the kind of suspect pairs, beside those of findings
_UNUSUAL = 0.75  # evidence worse than this share of the pairs is named


@dataclass(frozen=True)
class Checked:
    """A checked dataset. ``probability`` (m,) is each pair's calibrated chance of being wrong.

    ``suggestion`` (m,) is the row of a caption of the dataset that fits a suspect pair's image
    better, -1 where there is none; ``share`` is the estimated share of wrong pairs.
    """

    data: CaptionSet
    evidence: Evidence
    probability: Floats
    suggestion: Indices
    share: float
    findings: tuple[Finding, ...] = ()

    @cached_property
    def order(self) -> Indices:
        """The rows, most likely wrong first."""
        order: Indices = np.argsort(-self.probability, kind="stable")
        return order

    @cached_property
    def suspects(self) -> int:
        """The number of pairs that are more likely wrong than right."""
        return int((self.probability >= SUSPECT).sum())

    @cached_property
    def swap(self) -> Indices:
        """The row that each pair seems to be exchanged with, -1 where there is none (m,).

        Both are suspect, and each one's caption is the suggestion for the other.
        """
        other, rows = self.suggestion, np.arange(len(self.data))
        mutual = (other >= 0) & (self.probability[other] >= SUSPECT) & (other[other] == rows)
        exchanged: Indices = np.where(mutual, other, -1)
        return exchanged

    @cached_property
    def counts(self) -> dict[str, int]:
        """The number of findings of each kind, `WRONG` first; kinds with none too."""
        found = {WRONG: self.suspects, **dict.fromkeys(KINDS, 0)}
        for finding in self.findings:
            found[finding.kind] += 1
        return found

    def precision(self, length: int) -> float:
        """Return the expected share of wrong pairs among the first ``length`` of `order`."""
        return float(self.probability[self.order[:length]].mean()) if length else 0.0

    def reason(self, row: int) -> str:
        """Return what speaks against a pair, in one line."""
        if self.swap[row] >= 0:
            other = self.data.image_of(int(self.swap[row]))
            return f"Seems exchanged with the caption of {other}: each fits the other's image."
        worse = {name: float((values > values[row]).mean()) for name, values in self._values}
        named = sorted((name for name in worse if worse[name] >= _UNUSUAL), key=lambda n: -worse[n])
        if not named:
            return "Nothing unusual: it fits its image about as well as the other pairs."
        sentences = [self._sentence(name, row, min(worse[name], 0.99)) for name in named[:2]]
        return f"{sentences[0][0].upper()}{'; '.join(sentences)[1:]}."

    def kinds(self, row: int) -> tuple[str, ...]:
        """Return the kinds of findings that concern a pair, `WRONG` first."""
        own = (WRONG,) if self.probability[row] >= SUSPECT else ()
        return (*own, *self._kinds.get(row, ()))

    @cached_property
    def _kinds(self) -> dict[int, tuple[str, ...]]:
        kinds: dict[int, dict[str, None]] = defaultdict(dict)
        for finding in self.findings:
            for row in finding.rows:
                kinds[row][finding.kind] = None
        return {row: tuple(names) for row, names in kinds.items()}

    @cached_property
    def _values(self) -> list[tuple[str, Floats]]:
        """The evidence that a reason names; a higher value speaks for a pair."""
        found = self.evidence
        return [
            ("siblings", found.siblings),
            ("zscore", found.zscore),
            ("image_rank", -found.image_rank.astype(np.float32)),
            ("caption_rank", -found.caption_rank.astype(np.float32)),
            ("near_captions", found.near_captions),
        ]

    def _sentence(self, name: str, row: int, worse: float) -> str:
        found = self.evidence
        return {
            "siblings": f"agrees with the image's other captions less than {worse:.0%} of captions",
            "zscore": f"fits its image worse than {worse:.0%} of the pairs",
            "image_rank": (
                f"{found.image_rank[row] - 1:,} of {len(self.data.images) - 1:,} other images"
                " fit the caption better"
            ),
            "caption_rank": (
                f"{found.caption_rank[row] - 1:,} captions of other images fit this image better"
            ),
            "near_captions": (
                f"less like the captions of similar images than {worse:.0%} of captions"
            ),
        }[name]
