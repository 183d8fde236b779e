"""The score along a film: an Altair chart, clickable at every moment."""

from typing import Any

import altair as alt
import numpy as np
import pandas as pd

from components.scores import Floats
from components.ui.search.film import MOMENT
from components.ui.vega import data, spec_of

_HEIGHT = 150  # pixels
_POINTS = 600  # at most: no screen shows more side by side
_CLOCK = "utcFormat(datum.{0} * 1000, datum.{0} < 3600 ? '%-M:%S' : '%-H:%M:%S')"
_LINE, _NOW = "#3b82c4", "#d9480f"


def timeline(
    seconds: Floats, cosines: Floats, at: float, length: float, domain: tuple[float, float]
) -> dict[str, Any]:
    """Return the chart of a film's frames: their ``seconds`` (n,), ascending, and cosines (n,).

    ``at``: the second that is marked; ``domain``: the lowest and the highest cosine of its scale.
    Where the film has more frames than a screen has room for, the best of neighbours are drawn.
    """
    shown = _best(cosines)
    frame = pd.DataFrame({"seconds": seconds[shown], "cosine": cosines[shown]})
    frames = alt.Chart(data(frame))
    x = alt.X(
        "seconds:Q",
        scale=alt.Scale(domain=[0, max(length, float(seconds[-1]), 1.0)], nice=False),
        axis=alt.Axis(title=None, labelExpr=_CLOCK.format("value"), grid=False, tickCount=8),
    )
    y = alt.Y(
        "cosine:Q",
        scale=alt.Scale(domain=list(domain), nice=False, clamp=True),
        axis=alt.Axis(title="Cosine", format=".2f", tickCount=4),
    )
    area = frames.mark_area(
        color=_LINE, opacity=0.25, line={"color": _LINE, "strokeWidth": 1.5}, clip=True
    ).encode(x=x, y=y)
    now = alt.Chart(data(pd.DataFrame({"seconds": [at]}))).mark_rule(
        color=_NOW, strokeWidth=2, strokeDash=[4, 3]
    )
    layers: list[alt.Chart] = [area, now.encode(x=x), _clickable(frames, x, y)]
    return spec_of(alt.LayerChart(layer=layers).properties(height=_HEIGHT))


def _best(cosines: Floats) -> np.ndarray:
    """Return the places to draw: of each run of neighbours the one with the highest cosine."""
    runs = np.array_split(np.arange(len(cosines)), min(len(cosines), _POINTS))
    return np.array([run[np.argmax(cosines[run])] for run in runs])


def _clickable(frames: alt.Chart, x: alt.X, y: alt.Y) -> alt.Chart:
    """Return points of which the nearest to the pointer is shown, and selected by a click."""
    near = alt.selection_point(
        name="near", on="pointermove", clear="pointerout", nearest=True, empty=False
    )
    chosen = alt.selection_point(
        name=MOMENT, fields=["seconds"], on="click", nearest=True, empty=False
    )
    points = frames.transform_calculate(time=_CLOCK.format("seconds")).mark_point(
        filled=True, size=90, color=_LINE, cursor="pointer"
    )
    drawn: alt.Chart = points.encode(
        x=x,
        y=y,
        opacity=alt.condition(near, alt.value(1), alt.value(0)),
        tooltip=[
            alt.Tooltip("time:N", title="Time"),
            alt.Tooltip("cosine:Q", title="Cosine", format=".3f"),
        ],
    ).add_params(near, chosen)
    return drawn
