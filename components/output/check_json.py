"""A check's result as JSON, for a program that decides by it, such as a step of CI."""

import json
from collections.abc import Mapping
from dataclasses import asdict
from typing import Any

import numpy as np

from components.check.checked import Checked
from components.check.findings.duplicates import Leak, leakage

LENGTHS = (10, 30, 100)  # of the list, for which its expected precision is told
_WORST = 100  # pairs


def to_json(checked: Checked, receipt: Mapping[str, Any]) -> str:
    """Return the counts, estimates and the worst 100 pairs of a check as a JSON object.

    ``receipt`` is what `components.output.report.receipt` returns. All shares and probabilities
    are from 0 to 1.
    """
    data = checked.data
    content = {
        "dataset": data.name,
        "pairs": len(data),
        "images": len(data.images),
        "suspects": checked.suspects,
        "suspect_share": _rounded(checked.suspects / len(data)),
        "estimated_wrong_share": _rounded(checked.share),
        "expected_precision": {str(n): _rounded(value) for n, value in precisions(checked).items()},
        "findings": checked.counts,
        "leakage": [asdict(leak) | {"share": _rounded(leak.share)} for leak in leaks(checked)],
        "worst": [_pair(checked, int(row)) for row in checked.order[:_WORST]],
        "receipt": receipt,
    }
    text = json.dumps(content, ensure_ascii=False, indent=2, default=str)
    return text.encode(errors="replace").decode()  # JSON may have brought half a character


def precisions(checked: Checked) -> dict[int, float]:
    """Return the expected precision of the list of suspects by its length, up to the dataset's."""
    return {n: checked.precision(n) for n in LENGTHS if n <= len(checked.data)}


def leaks(checked: Checked) -> list[Leak]:
    """Return how much of each split is in each other one, the largest share first."""
    places = {name: place for place, name in enumerate(checked.data.images)}
    found = [finding for finding in checked.findings if finding.kind == "Across splits"]
    groups = [np.array([places[name] for name in finding.images]) for finding in found]
    return leakage(checked.data, groups) if groups else []


def _pair(checked: Checked, row: int) -> dict[str, Any]:
    better = int(checked.suggestion[row])
    return {
        "image": checked.data.image_of(row),
        "caption": checked.data.captions[row],
        "probability": _rounded(float(checked.probability[row])),
        "reason": checked.reason(row),
        "suggestion": checked.data.captions[better] if better >= 0 else None,
    }


def _rounded(value: float) -> float:
    return round(value, 4)
