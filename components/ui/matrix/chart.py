"""The heatmap on the screen: an Altair chart, clickable, accessible, and of any width."""

import json
import textwrap
from collections.abc import Sequence
from typing import Any

import altair as alt
import numpy as np
import pandas as pd

from components.images import data_url
from components.output.matrix_figure import legend
from components.scores import Cell, Heatmap, Scores, band
from components.ui.pictures import small_square
from components.ui.vega import data
from components.words import count

_MAX_VALUES = 1_600  # cells: with more, no screen has room for the numbers
_IMAGES = -1  # the lowest of the rows that the images take, above the first caption
_LABELS, _COLUMN = 225, 74  # pixels: preferred widths
_HEIGHT, _ROW = 900, 44  # pixels: preferred heights of all rows, and of one at most
_PRESENTED_HEIGHT, _PRESENTED_ROW = 680, 72  # what a projector of 1,440 x 900 has room for
_LETTERS = 30  # in a line of a caption
_FONT, _LINE = 13, 16  # pixels: the size of captions, and the height of their lines
_TWO_LINES = 30  # pixels: lower rows have captions of one line


def width(heatmap: Heatmap) -> int:
    """Return the chart's preferred width in pixels; a narrower page makes it narrower."""
    return _LABELS + _COLUMN * len(heatmap.images)


def chart(
    heatmap: Heatmap,
    scores: Scores,
    thumbnails: Sequence[bytes],
    chosen: Cell | None = None,
    presenting: bool = False,
) -> alt.LayerChart:
    """Return the chart; its selection "cell" has fields r and c, the drawn row and column.

    ``thumbnails`` are JPEG bytes in drawn order, ``chosen`` is the drawn cell to frame.
    """
    cells = alt.Chart(data(_cells(heatmap, scores))).transform_calculate(
        caption=f"{_names(heatmap.captions)}[datum.r]", image=f"{_names(heatmap.images)}[datum.c]"
    )
    step = _step(heatmap, presenting)
    y = _y(heatmap, two_lines=step >= _TWO_LINES)
    layers: list[alt.Chart] = [_images(heatmap, thumbnails, y), _rectangles(heatmap, cells, y)]
    if heatmap.values.size <= _MAX_VALUES:
        layers.append(_values(heatmap, cells, y))
    if heatmap.best_of_row:
        layers += _marks(heatmap, y)
    layers += _frames(heatmap, chosen, y)
    return alt.LayerChart(layer=layers).properties(
        height=round(_rows(heatmap) * step), description=_description(heatmap)
    )


def _image_rows(heatmap: Heatmap) -> int:
    """Return how many rows the images take: two where columns are wide, to be recognised."""
    return 2 if len(heatmap.images) <= 20 else 1


def _rows(heatmap: Heatmap) -> int:
    return len(heatmap.captions) + _image_rows(heatmap)


def _step(heatmap: Heatmap, presenting: bool) -> float:
    """Return the height of a row in pixels."""
    if presenting:
        return float(np.clip(_PRESENTED_HEIGHT / _rows(heatmap), 11, _PRESENTED_ROW))
    return float(np.clip(_HEIGHT / len(heatmap.captions), 11, _ROW))


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
            "band": [
                band(float(share), float(stands_out))
                for share, stands_out in zip(shares, scores.prominence[place].ravel(), strict=True)
            ],
        }
    )
    if heatmap.values.size <= _MAX_VALUES:
        frame["text"] = [heatmap.scale.text(float(value)) for value in frame["value"]]
        frame["dark"] = heatmap.scale.is_dark(heatmap.values).ravel()
    return frame


def _x(heatmap: Heatmap) -> alt.X:
    domain = list(range(len(heatmap.images)))
    return alt.X("c:O", axis=None, scale=alt.Scale(domain=domain, padding=0.02))


def _y(heatmap: Heatmap, two_lines: bool) -> alt.Y:
    above = _image_rows(heatmap)
    domain = list(range(-above, len(heatmap.captions)))
    lines = [_lines(caption) if two_lines else [caption] for caption in heatmap.captions]
    label = f"{json.dumps([['']] * above + lines)}[datum.value + {above}]"
    upwards = {"test": f"length({label}) > 1", "value": -_LINE / 2}  # so that two are centred
    axis = alt.Axis(
        title=None,
        ticks=False,
        domain=False,
        labelExpr=label,
        labelFontSize=_FONT if two_lines else alt.Undefined,
        labelLineHeight=_LINE,
        labelOffset={"condition": upwards, "value": 0},
        labelLimit=alt.expr("width < 420 ? 90 : width < 760 ? 150 : 280"),
    )
    return alt.Y("r:O", axis=axis, scale=alt.Scale(domain=domain, padding=0.02))


def _lines(caption: str) -> list[str]:
    return textwrap.wrap(caption, _LETTERS, max_lines=2, placeholder=" …")


def _rectangles(heatmap: Heatmap, cells: alt.Chart, y: alt.Y) -> alt.Chart:
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
        x=_x(heatmap), y=y, color=colour, tooltip=_tooltip()
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


def _values(heatmap: Heatmap, cells: alt.Chart, y: alt.Y) -> alt.Chart:
    text = cells.mark_text(
        fontSize=alt.expr("min(14, bandwidth('x') / 2.9, bandwidth('y') / 1.6)"),
        opacity=alt.expr("bandwidth('x') > 23 && bandwidth('y') > 14 ? 1 : 0"),
        cursor="pointer",
    )
    ink = alt.condition("datum.dark", alt.value("white"), alt.value("black"))
    drawn: alt.Chart = text.encode(x=_x(heatmap), y=y, text="text:N", color=ink, tooltip=_tooltip())
    return drawn


def _marks(heatmap: Heatmap, y: alt.Y) -> list[alt.Chart]:
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
    x = _x(heatmap)
    rows = _places(heatmap.best_of_row).mark_point(
        shape="triangle-right", xOffset=alt.expr("-bandwidth('x') * 0.4"), **style
    )
    columns = _places(heatmap.best_of_column).mark_point(
        shape="triangle-down", yOffset=alt.expr("-bandwidth('y') * 0.36"), **style
    )
    return [rows.encode(x=x, y=y), columns.encode(x=x, y=y)]


def _frames(heatmap: Heatmap, chosen: Cell | None, y: alt.Y) -> list[alt.Chart]:
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
                frames.append(frame.encode(x=_x(heatmap), y=y))
    return frames


def _places(cells: Sequence[Cell]) -> alt.Chart:
    return alt.Chart(data(pd.DataFrame(cells, columns=["r", "c"])))


def _images(heatmap: Heatmap, thumbnails: Sequence[bytes], y: alt.Y) -> alt.Chart:
    side = 160 if len(thumbnails) <= 20 else 64 if len(thumbnails) <= 40 else 24
    frame = pd.DataFrame(
        {
            "r": _IMAGES,
            "c": range(len(thumbnails)),
            "url": [data_url(small_square(jpeg, side)) for jpeg in thumbnails],
            "image": heatmap.images,
        }
    )
    size = f"min(bandwidth('x'), {_image_rows(heatmap)} * bandwidth('y'))"
    drawn: alt.Chart = (
        alt.Chart(data(frame))
        .mark_image(
            width=alt.expr(size),
            height=alt.expr(size),
            yOffset=alt.expr(f"(bandwidth('y') - {size}) / 2"),  # just above the first row
        )
        .encode(x=_x(heatmap), y=y, url="url:N", tooltip=[alt.Tooltip("image:N", title="Image")])
    )
    return drawn
