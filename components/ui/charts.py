"""Small charts as SVG: no JavaScript, and colours that are legible in both themes."""

from collections.abc import Sequence
from html import escape

import numpy as np

from components.scores import Floats

_ON, _OFF, _TEXT = "#3b82c4", "#94a3b8", "#7a8797"
_FONT = "font-family='sans-serif' font-size='12'"


def histogram(cosines: Floats, low: float, high: float, minimum: float) -> str:
    """Return an SVG histogram of cosines over the fixed scale ``low`` to ``high``.

    Bars below ``minimum`` are hollow, so that colour is not the only difference.
    """
    bins = round((high - low) * 50)
    counts, edges = np.histogram(np.clip(cosines, low, high), bins=bins, range=(low, high))
    width, height = 360, 90
    step, highest = width / bins, max(int(counts.max()), 1)
    bars = []
    for number, (value, edge) in enumerate(zip(counts, edges[1:], strict=True)):
        bar = height * value / highest
        style = f"fill='{_ON}'" if edge > minimum else f"fill='none' stroke='{_OFF}'"
        bars.append(
            f"<rect x='{number * step + 0.5:.1f}' y='{height - bar:.1f}'"
            f" width='{step - 1:.1f}' height='{bar:.1f}' {style}/>"
        )
    line = (minimum - low) / (high - low) * width
    bars.append(
        f"<line x1='{line:.1f}' x2='{line:.1f}' y1='0' y2='{height}' stroke='{_TEXT}'"
        " stroke-width='1.5' stroke-dasharray='4 3'/>"
    )
    return (
        f"<svg xmlns='http://www.w3.org/2000/svg' viewBox='0 0 {width} {height}'>"
        f"{''.join(bars)}</svg>"
    )


def contributions(
    labels: Sequence[str], shares: Sequence[float], full: float = 0.5, decimals: int = 2
) -> str:
    """Return an SVG of small bars, one per term: to the right if positive, to the left if negative.

    The scale is fixed: a bar of full length is a cosine of ``full``.
    """
    line, middle, half, width = 16, 118, 26, 180
    rows = []
    for number, (label, share) in enumerate(zip(labels, shares, strict=True)):
        y = number * line
        length = min(abs(share) / full, 1.0) * half
        start = middle if share >= 0 else middle - length
        short = label if len(label) <= 14 else f"{label[:13]}…"
        rows.append(
            f"<text x='0' y='{y + 12}' {_FONT} fill='{_TEXT}'>{escape(short)}</text>"
            f"<rect x='{start:.1f}' y='{y + 3}' width='{length:.1f}' height='10'"
            f" fill='{_ON if share >= 0 else _OFF}'/>"
            f"<text x='{width}' y='{y + 12}' {_FONT} text-anchor='end'"
            f" fill='{_TEXT}'>{share:+.{decimals}f}</text>"
        )
    height = max(line * len(rows), 1)
    axis = f"<line x1='{middle}' x2='{middle}' y1='0' y2='{height}' stroke='{_TEXT}'/>"
    return (
        f"<svg xmlns='http://www.w3.org/2000/svg' viewBox='0 0 {width} {height}'>"
        f"{''.join(rows)}{axis}</svg>"
    )
