"""The matrix on its page: its controls, what its score is, and the chart."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import streamlit as st

from components.encoder import Encoded, Encoder
from components.output.matrix_figure import legend
from components.scores import (
    Cell,
    Floats,
    Heatmap,
    Mode,
    Order,
    Scores,
    arrange,
    clustered,
    scale_of,
    values,
)
from components.ui.matrix import cell as matrix_cell
from components.ui.matrix import chart as screen
from components.ui.reading import READING
from components.ui.vectors import bank, sample_images
from components.ui.vega import spec_of

_MODES = {
    "Cosine": Mode.cosine,
    "Percentile": Mode.percentile,
    "Probability by row": Mode.by_row,
    "Probability by column": Mode.by_column,
}


@dataclass(frozen=True)
class MatrixView:
    """How the matrix is shown; every field is part of the page's link."""

    mode: Mode
    clustered: bool
    assign: bool
    presenting: bool


def choose_view(encoder: Encoder, comparing: bool, presenting: bool) -> MatrixView:
    """Draw the controls of the matrix; return their state. Two models compare by percentile."""
    with st.container(key="inputs", horizontal=True, vertical_alignment="center"):
        mode = Mode.percentile if comparing else _choose_mode()
        with st.popover("About the score", icon=":material/help:", type="tertiary"):
            st.markdown(explain_score(mode, encoder))
        with st.popover("Display", icon=":material/tune:", type="tertiary"):
            order, assign = _details()
    return MatrixView(mode, order == "Clustered", assign, presenting)


def _choose_mode() -> Mode:
    chosen = st.segmented_control(
        "Score",
        list(_MODES),
        default="Cosine",
        required=True,
        key="matrix_score",
        bind="query-params",
    )
    return _MODES[str(chosen)]


def _details() -> tuple[str, bool]:
    order = st.segmented_control(
        "Order",
        ["As given", "Clustered"],
        default="As given",
        required=True,
        key="matrix_order",
        bind="query-params",
        help="Clustered: captions with similar scores are adjacent, and so are images",
    )
    assign = st.toggle(
        "One-to-one assignment",
        key="matrix_assign",
        bind="query-params",
        help="Frames the assignment of captions to different images that has the highest total"
        " cosine (the Hungarian method)",
    )
    return str(order), bool(assign)


def explain_score(mode: Mode, encoder: Encoder) -> str:
    """Return what the shown score is."""
    sigmoid = encoder.recipe.score.kind == "sigmoid"
    explanations = {
        Mode.cosine: "**Cosine**: how closely the two vectors point the same way, from -1 to 1."
        " The colour scale is fixed for each model by its chance scores: compare it within one"
        " model only.",
        Mode.percentile: f"**Percentile**. {READING}",
        Mode.by_row: "**Probability by row**: each caption's 100% spread over the images (a softmax"
        " along the row).",
        Mode.by_column: "**Probability by column**: each image's 100% spread over the captions (a"
        " softmax along the column, as in this model's training).",
    }
    if sigmoid and mode in {Mode.by_row, Mode.by_column}:
        return (
            "**Probability** that a caption and an image belong together, each pair on its own (a"
            " sigmoid, as in this model's training). By row and by column are the same."
        )
    return explanations[mode]


def heatmap_of(
    encoder: Encoder, scores: Scores, view: MatrixView, order: tuple[Order, Order] | None = None
) -> Heatmap:
    """Return the heatmap of a view, in ``order`` if given, else in the view's own."""
    shown = values(scores, view.mode, encoder.recipe.score)
    if order is None and view.clustered:
        order = clustered(shown)
    return arrange(scores, shown, scale_of(view.mode, _chance(encoder)), order, view.assign)


def _chance(encoder: Encoder) -> Floats:
    samples = sample_images(encoder.key, encoder)
    vectors = np.stack([item.vector for item in samples])
    chance: Floats = bank(encoder.key, encoder) @ vectors.T
    return chance


@dataclass(frozen=True)
class Drawing:
    """A heatmap's place: the chart's key, the cell to frame, and whether it is large."""

    key: str
    chosen: Cell
    presenting: bool = False


def draw(heatmap: Heatmap, scores: Scores, images: Sequence[Encoded], place: Drawing) -> None:
    """Draw the heatmap; a click selects a cell."""
    chosen, key = place.chosen, place.key
    row = int(np.flatnonzero(heatmap.rows == chosen[0])[0])
    column = int(np.flatnonzero(heatmap.columns == chosen[1])[0])
    thumbnails = [images[i].thumbnail for i in heatmap.columns]
    st.vega_lite_chart(
        _spec(heatmap, scores, thumbnails, (row, column), place.presenting),
        width="stretch" if place.presenting else screen.width(heatmap),
        key=key,
        on_select=lambda: _clicked(key, heatmap),
        selection_mode="cell",
    )
    st.caption(f"{legend(heatmap)} The dashed frame is the selected cell.")


@st.cache_data(max_entries=64, show_spinner=False)
def _spec(
    heatmap: Heatmap, scores: Scores, thumbnails: Sequence[bytes], chosen: Cell, presenting: bool
) -> dict[str, Any]:
    """Return the chart, made once for all sessions that show the same."""
    return spec_of(screen.chart(heatmap, scores, thumbnails, chosen, presenting))


def _clicked(key: str, heatmap: Heatmap) -> None:
    cells = st.session_state[key]["selection"].get("cell") or []
    for cell in cells[:1]:
        if cell.get("r", -1) >= 0:
            matrix_cell.select(heatmap.captions[int(cell["r"])], heatmap.images[int(cell["c"])])
