"""The HTML report of a check for stakeholders: one file, no network, no script.

Names and captions are untrusted: the template escapes every value, and the page's own
Content-Security-Policy allows images embedded in the file and nothing else.
"""

from collections import defaultdict
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from math import log10
from pathlib import Path
from typing import Any

import numpy as np

from components.check.checked import SUSPECT, WRONG, Checked
from components.check.decisions import Decision, Decisions
from components.check.findings.finding import KINDS
from components.images import data_url
from components.output.check_json import leaks, precisions
from components.scores import Floats
from components.words import count, shorten

SHOWN = 30  # pairs
_BINS = 20  # of the histogram
_EXAMPLES = 2  # findings of a kind that are told
_LETTERS = 400  # of a caption or a sentence; the tables have all
_EXPLAINED = {WRONG: "A caption that is more likely wrong for its image than right.", **KINDS}
_TEMPLATE = Path(__file__).with_name("check_report.html.jinja")


@dataclass(frozen=True)
class CheckReport:
    """The contents of the page.

    ``thumbnail`` returns the JPEG bytes of an image by its place in the dataset, empty where there
    are none; ``receipt`` is what `components.output.report.receipt` returns.
    """

    checked: Checked
    thumbnail: Callable[[int], bytes]
    decisions: Decisions
    receipt: Mapping[str, Any]


@dataclass(frozen=True)
class Suspect:
    """A pair as it is shown; ``picture`` is JPEG bytes or empty, ``suggestion`` may be empty."""

    picture: bytes
    image: str
    split: str
    caption: str
    probability: float
    reason: str
    suggestion: str
    decision: Decision | None


@dataclass(frozen=True)
class Kind:
    """A kind of findings, what it means, how many there are, and what the first ones say."""

    name: str
    meaning: str
    count: int
    examples: tuple[str, ...]


@dataclass(frozen=True)
class Bar:
    """A bar of the histogram: its ends from 0 to 1, its pairs, and its height from 0 to 1."""

    low: float
    high: float
    pairs: int
    height: float


def html(report: CheckReport) -> str:
    """Return the page."""
    from jinja2 import Environment, StrictUndefined

    environment = Environment(
        autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True
    )
    environment.filters |= {"data_url": data_url, "short": lambda text: shorten(text, _LETTERS)}
    template = environment.from_string(_TEMPLATE.read_text(encoding="utf-8"))
    checked = report.checked
    page = template.render(
        vars(report),
        suspects=[_suspect(report, int(row)) for row in checked.order[:SHOWN]],
        kinds=_kinds(checked),
        bars=bars(checked.probability),
        lines=_lines(len(checked.data)),
        precisions=precisions(checked),
        leaks=leaks(checked),
        threshold=SUSPECT,
        count=count,
    )
    return page.encode(errors="replace").decode()  # JSON may have brought half a character


def bars(probability: Floats) -> list[Bar]:
    """Return the histogram of probabilities in 20 bars of equal width, heights logarithmic."""
    numbers, edges = np.histogram(probability, _BINS, (0, 1))
    most = log10(1 + len(probability))
    ends = zip(edges[:-1], edges[1:], numbers, strict=True)
    return [Bar(float(a), float(b), int(n), log10(1 + n) / most) for a, b, n in ends]


def _lines(pairs: int) -> list[tuple[int, float]]:
    """Return the numbers at the histogram's scale, each with its height."""
    powers = [10**power for power in range(8) if 10**power <= pairs]
    return [(number, log10(1 + number) / log10(1 + pairs)) for number in powers]


def _suspect(report: CheckReport, row: int) -> Suspect:
    checked, data = report.checked, report.checked.data
    better, image = int(checked.suggestion[row]), int(data.owner[row])
    return Suspect(
        report.thumbnail(image),
        data.images[image],
        data.splits[image],
        data.captions[row],
        float(checked.probability[row]),
        checked.reason(row),
        data.captions[better] if better >= 0 else "",
        report.decisions.get((data.images[image], data.captions[row])),
    )


def _kinds(checked: Checked) -> list[Kind]:
    """Return the kinds that were found, in the order of `KINDS`."""
    details: dict[str, list[str]] = defaultdict(list)
    for finding in checked.findings:
        details[finding.kind].append(finding.detail)
    return [
        Kind(name, _EXPLAINED[name], number, tuple(details[name][:_EXAMPLES]))
        for name, number in checked.counts.items()
        if number
    ]
