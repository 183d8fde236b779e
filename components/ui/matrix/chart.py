"""The heatmap on the screen: an Altair chart, clickable, accessible, and of any width."""

import io
import json
from base64 import b64encode
from collections.abc import Sequence
from functools import lru_cache
from typing import Any

import altair as alt
import numpy as np
import pandas as pd
from PIL import Image

from components.output.matrix_figure import legend
from components.scores import Cell, Heatmap, Scores, band
from components.words import count

_MAX_VALUES = 1_600  # cells: with more, no screen has room for the numbers
_IMAGES = -1  # the row of the images, above the first caption
_LABELS, _COLUMN = 300, 64  # pixels: preferred widths


def width(heatmap: Heatmap) -> int:
    """Return the chart's preferred width in pixels; a narrower page makes it narrower."""
    return _LABELS + _COLUMN * len(heatmap.images)


def chart(
    heatmap: Heatmap, scores: Scores, thumbnails: Sequence[bytes], chosen: Cell | None = None
) -> alt.LayerChart:
    """Return the chart; its selection "cell" has fields r and c, the drawn row and column.

    ``thumbnails`` are JPEG bytes in drawn order, ``chosen`` is the drawn cell to frame.
    """
    cells = alt.Chart(_cells(heatmap, scores)).transform_calculate(
        caption=f"{_names(heatmap.captions)}[datum.r]", image=f"{_names(heatmap.images)}[datum.c]"
    )
    layers: list[alt.Chart] = [_images(heatmap, thumbnails), _rectangles(heatmap, cells)]
    if heatmap.values.size <= _MAX_VALUES:
        layers.append(_values(heatmap, cells))
    if heatmap.best_of_row:
        layers += _marks(heatmap)
    layers += _frames(heatmap, chosen)
    rows = len(heatmap.captions)
    return alt.LayerChart(layer=layers).properties(
        height=round((rows + 1) * float(np.clip(900 / rows, 11, 44))),
        description=_description(heatmap),
    )


def _description(heatmap: Heatmap) -> str:
    rows, columns = heatmap.values.shape
    size = f"{count(rows, 'caption')} against {count(columns, 'image')}"
    return f"Heatmap of {size}. {legend(heatmap)}"


def _names(names: Sequence[str]) -> str:
    return json.dumps(list(names))


def _cells(heatmap: Heatmap, scores: Scores) -> pd.DataFrame:
    rows, columns = heatmap.values.shape
    place = np.ix_(heatmap.rows, heatmap.columns)
    shares = scores.percentile[place].ravel()
    frame = pd.DataFrame(
        {
            "r": np.repeat(np.arange(rows), columns),
            "c": np.tile(np.arange(columns), rows),
            "value": heatmap.values.ravel(),
            "cosine": scores.cosine[place].ravel(),
            "percentile": shares,
            "z": scores.zscore[place].ravel(),
            "band": [band(float(share)) for share in shares],
        }
    )
    if heatmap.values.size <= _MAX_VALUES:
        frame["text"] = [heatmap.scale.text(float(value)) for value in frame["value"]]
        frame["dark"] = heatmap.scale.is_dark(heatmap.values).ravel()
    return frame


def _x(heatmap: Heatmap) -> alt.X:
    domain = list(range(len(heatmap.images)))
    return alt.X("c:O", axis=None, scale=alt.Scale(domain=domain, padding=0.02))


def _y(heatmap: Heatmap) -> alt.Y:
    domain = [_IMAGES, *range(len(heatmap.captions))]
    label = f"{_names(['', *heatmap.captions])}[datum.value + 1]"
    axis = alt.Axis(
        title=None,
        ticks=False,
        domain=False,
        labelExpr=label,
        labelLimit=alt.expr("width < 420 ? 90 : width < 760 ? 150 : 280"),
    )
    return alt.Y("r:O", axis=axis, scale=alt.Scale(domain=domain, padding=0.02))


def _rectangles(heatmap: Heatmap, cells: alt.Chart) -> alt.Chart:
    scale = heatmap.scale
    colour = alt.Color(
        "value:Q",
        scale=alt.Scale(
            domain=[scale.low, scale.high],
            range=list(scale.colours),
            interpolate="rgb",
            clamp=True,
        ),
        legend=alt.Legend(
            title=f"{scale.title} (fixed scale)",
            orient="bottom",
            gradientLength=280,
            format=".2f" if scale.factor == 1 else ".0%",
        ),
    )
    selection = alt.selection_point(name="cell", fields=["r", "c"], empty=False)
    rectangles = cells.mark_rect(cursor="pointer").encode(
        x=_x(heatmap), y=_y(heatmap), color=colour, tooltip=_tooltip()
    )
    clickable: alt.Chart = rectangles.add_params(selection)
    return clickable


def _tooltip() -> list[alt.Tooltip]:
    return [
        alt.Tooltip("caption:N", title="Caption"),
        alt.Tooltip("image:N", title="Image"),
        alt.Tooltip("cosine:Q", title="Cosine", format=".3f"),
        alt.Tooltip("percentile:Q", title="Percentile", format=".1%"),
        alt.Tooltip("z:Q", title="z", format=".1f"),
        alt.Tooltip("band:N", title="Band"),
    ]


def _values(heatmap: Heatmap, cells: alt.Chart) -> alt.Chart:
    text = cells.mark_text(
        fontSize=alt.expr("min(14, bandwidth('x') / 2.9, bandwidth('y') / 1.6)"),
        opacity=alt.expr("bandwidth('x') > 23 && bandwidth('y') > 14 ? 1 : 0"),
        cursor="pointer",
    )
    ink = alt.condition("datum.dark", alt.value("white"), alt.value("black"))
    drawn: alt.Chart = text.encode(
        x=_x(heatmap), y=_y(heatmap), text="text:N", color=ink, tooltip=_tooltip()
    )
    return drawn


def _marks(heatmap: Heatmap) -> list[alt.Chart]:
    # Offsets, because bandPosition breaks a chart that has a selection (Vega-Lite 6).
    size = alt.expr("clamp(pow(min(bandwidth('x'), bandwidth('y')) / 3, 2), 8, 110)")
    style: dict[str, Any] = {
        "filled": True,
        "color": "white",
        "stroke": "black",
        "strokeWidth": 0.8,
        "opacity": 1,
        "size": size,
        "tooltip": False,
        "cursor": "pointer",
    }
    x, y = _x(heatmap), _y(heatmap)
    rows = _places(heatmap.best_of_row).mark_point(
        shape="triangle-right", xOffset=alt.expr("-bandwidth('x') * 0.4"), **style
    )
    columns = _places(heatmap.best_of_column).mark_point(
        shape="triangle-down", yOffset=alt.expr("-bandwidth('y') * 0.36"), **style
    )
    return [rows.encode(x=x, y=y), columns.encode(x=x, y=y)]


def _frames(heatmap: Heatmap, chosen: Cell | None) -> list[alt.Chart]:
    frames = []
    for cells, stroke, dash in (
        (heatmap.assigned, 1.5, [1, 0]),
        ((chosen,) if chosen else (), 2.5, [4, 2]),
    ):
        for colour, extra, pattern in (("black", 1.6, [1, 0]), ("white", 0.0, dash)):
            if cells:
                frame = _places(cells).mark_rect(
                    fill="transparent",
                    stroke=colour,
                    strokeWidth=stroke + extra,
                    strokeDash=pattern,
                    tooltip=False,
                    cursor="pointer",
                )
                frames.append(frame.encode(x=_x(heatmap), y=_y(heatmap)))
    return frames


def _places(cells: Sequence[Cell]) -> alt.Chart:
    return alt.Chart(pd.DataFrame(cells, columns=["r", "c"]))


def _images(heatmap: Heatmap, thumbnails: Sequence[bytes]) -> alt.Chart:
    side = 64 if len(thumbnails) <= 40 else 24
    frame = pd.DataFrame(
        {
            "r": _IMAGES,
            "c": range(len(thumbnails)),
            "url": [_tiny(jpeg, side) for jpeg in thumbnails],
            "image": heatmap.images,
        }
    )
    size = alt.expr("min(bandwidth('x'), bandwidth('y'))")
    drawn: alt.Chart = (
        alt.Chart(frame)
        .mark_image(width=size, height=size)
        .encode(
            x=_x(heatmap),
            y=_y(heatmap),
            url="url:N",
            tooltip=[alt.Tooltip("image:N", title="Image")],
        )
    )
    return drawn


@lru_cache(maxsize=512)
def _tiny(jpeg: bytes, side: int) -> str:
    """Return a smaller thumbnail, its longer side ``side`` pixels, as a data URL."""
    image = Image.open(io.BytesIO(jpeg))
    image.draft("RGB", (side, side))
    image.thumbnail((side, side))
    out = io.BytesIO()
    image.save(out, "JPEG", quality=80)
    return f"data:image/jpeg;base64,{b64encode(out.getvalue()).decode()}"
