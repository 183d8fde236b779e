"""Two models side by side on the same images and captions, and their difference."""

import time
from collections.abc import Sequence

import numpy as np
import streamlit as st

from components.encoder import Encoded, Encoder, decode_for
from components.images import sample_sources
from components.scores import Cell, Heatmap, Scores, agreement, difference
from components.ui.matrix import view as matrix_view
from components.ui.matrix.view import Drawing, MatrixView
from components.ui.model_picker import choices, load_encoder
from components.ui.text import plain
from components.words import shorten

_NONE = "(none)"
_TIMED = 16  # images


def pick_second(first: Encoder) -> Encoder | None:
    """Draw the choice of a second model; return its encoder, None if there is none."""
    options = [_NONE, *(id_ for id_ in choices(first.spec.id) if id_ != first.spec.id)]
    chosen = st.selectbox(
        "Compare with",
        options,
        key="matrix_other_model",
        bind="query-params",
        accept_new_options=True,
        width=380,
        help="Shows a second model's matrix beside the first, and their difference",
    )
    if not chosen or chosen in (_NONE, first.spec.id):
        return None
    encoder = load_encoder(str(chosen))
    if encoder and encoder.head:
        st.caption(
            f"{plain(encoder.spec.name)} scores pairs and has no vectors: it cannot be compared."
        )
        return None
    if encoder and encoder.note:
        st.caption(f":material/info: {plain(encoder.note)} It runs on PyTorch, more slowly.")
    return encoder


def show(
    encoders: tuple[Encoder, Encoder],
    scores: tuple[Scores, Scores],
    images: Sequence[Encoded],
    view: MatrixView,
    cell: Cell,
) -> Heatmap:
    """Draw both matrices, their difference and rank agreement; return the first's heatmap."""
    names = [plain(encoder.spec.name) for encoder in encoders]
    first = matrix_view.heatmap_of(encoders[0], scores[0], view)
    order = (first.rows, first.columns)
    second = matrix_view.heatmap_of(encoders[1], scores[1], view, order)
    columns = st.columns(2, gap="medium")
    for column, name, heatmap, own, key in zip(
        columns, names, (first, second), scores, ("matrix_heat", "matrix_heat_2"), strict=True
    ):
        with column:
            st.header(name)
            matrix_view.draw(heatmap, own, images, Drawing(key, cell, view.presenting))
    st.header("Difference")
    differences = difference(scores[0], scores[1], order)
    place = Drawing("matrix_heat_difference", cell, view.presenting)
    matrix_view.draw(differences, scores[0], images, place)
    st.caption(
        f"Percentage points by which the percentile of {names[1]} is higher (purple) or lower"
        f" (orange) than that of {names[0]}. Different models are compared by percentile only:"
        " their cosines have different scales."
    )
    _agreement(scores, names)
    _times(encoders, names)
    return first


def _agreement(scores: tuple[Scores, Scores], names: Sequence[str]) -> None:
    import pandas as pd

    correlations = agreement(scores[0].percentile, scores[1].percentile)
    if np.isnan(correlations).all():
        st.caption("Rank agreement needs at least two images with different scores.")
        return
    best = [
        [shorten(each.images[each.images_of(row)[0]], 30) for row in range(len(each.captions))]
        for each in scores
    ]
    st.markdown(f"**Rank agreement**: median {np.nanmedian(correlations):.2f} over the captions")
    st.dataframe(
        pd.DataFrame(
            {
                "Caption": scores[0].captions,
                "Spearman": correlations,
                f"Best of {names[0]}": best[0],
                f"Best of {names[1]}": best[1],
            }
        ),
        hide_index=True,
        column_config={"Spearman": st.column_config.NumberColumn(format="%.2f")},
    )
    st.caption(
        "Spearman's rank correlation of each caption's row of percentiles: 1 means the same"
        " order of images, 0 no relation, -1 the opposite order."
    )


def _times(encoders: tuple[Encoder, Encoder], names: Sequence[str]) -> None:
    times = [_milliseconds(encoder.key, encoder) for encoder in encoders]
    listed = "; ".join(f"{name} {each:.1f} ms" for name, each in zip(names, times, strict=True))
    st.markdown(f"**Time per image** (without decoding, in a batch of {_TIMED}): {listed}")


@st.cache_data(max_entries=8, show_spinner="Measuring the time per image")
def _milliseconds(key: tuple[str, str, str], _encoder: Encoder) -> float:
    """Return the minimum of three runs over the same sample images, after a warm-up run."""
    images = [decode_for(_encoder, source)[1] for source in sample_sources()[:_TIMED]]
    runs = []
    for _ in range(4):
        start = time.perf_counter()
        _encoder.images(images)
        runs.append(time.perf_counter() - start)
    return 1000 * min(runs[1:]) / len(images)
