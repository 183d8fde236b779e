"""The matrix on its page: its controls, the chart, retrieval measures, and the selected cell."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import streamlit as st

from components.encoder import Encoded, Encoder
from components.output.matrix_figure import legend
from components.scores import (
    KS,
    Cell,
    Floats,
    Heatmap,
    Mode,
    Order,
    Retrieval,
    Scores,
    arrange,
    both_ways,
    clustered,
    known_pairs,
    scale_of,
    values,
)
from components.ui.matrix import chart as screen
from components.ui.reading import READING
from components.ui.text import plain
from components.ui.vectors import bank, sample_images
from components.words import count

CAPTION, IMAGE = "matrix_caption", "matrix_image"  # in the link: the selected cell
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


def choose_view(comparing: bool) -> MatrixView:
    """Draw the controls of the matrix; return their state. Two models compare by percentile."""
    with st.container(horizontal=True, vertical_alignment="bottom"):
        if comparing:
            mode = Mode.percentile
        else:
            mode = _MODES[
                str(
                    st.segmented_control(
                        "Score",
                        list(_MODES),
                        default="Cosine",
                        required=True,
                        key="matrix_score",
                        bind="query-params",
                        help="Each is explained below the controls",
                    )
                )
            ]
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
    return MatrixView(mode, order == "Clustered", bool(assign))


def explain_score(view: MatrixView, encoder: Encoder) -> str:
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
        " softmax along the column, as this model was trained).",
    }
    if sigmoid and view.mode in {Mode.by_row, Mode.by_column}:
        return (
            "**Probability** that a caption and an image belong together, each pair on its own (a"
            " sigmoid, as this model was trained). By row and by column are the same."
        )
    return explanations[view.mode]


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


def draw(
    heatmap: Heatmap, scores: Scores, images: Sequence[Encoded], chosen: Cell, key: str
) -> None:
    """Draw the heatmap; a click selects a cell. ``chosen`` is the selected one."""
    row = int(np.flatnonzero(heatmap.rows == chosen[0])[0])
    column = int(np.flatnonzero(heatmap.columns == chosen[1])[0])
    thumbnails = [images[i].thumbnail for i in heatmap.columns]
    st.altair_chart(
        screen.chart(heatmap, scores, thumbnails, (row, column)),
        width=screen.width(heatmap),
        key=key,
        on_select=lambda: _clicked(key, heatmap),
        selection_mode="cell",
    )
    st.caption(f"{legend(heatmap)} The dashed frame is the cell selected below.")


def _clicked(key: str, heatmap: Heatmap) -> None:
    cells = st.session_state[key]["selection"].get("cell") or []
    for cell in cells[:1]:
        if cell.get("r", -1) >= 0:
            st.session_state[CAPTION] = heatmap.captions[int(cell["r"])]
            st.session_state[IMAGE] = heatmap.images[int(cell["c"])]


def choose_cell(scores: Scores) -> Cell:
    """Draw the choice of a caption and an image, which clicks also set; return the cell."""
    left, right = st.columns(2)
    caption = left.selectbox(
        "Caption", scores.captions, key=CAPTION, bind="query-params", help="Or click a cell above"
    )
    image = right.selectbox(
        "Image", scores.images, key=IMAGE, bind="query-params", help="Or click a cell above"
    )
    return scores.captions.index(caption), scores.images.index(image)


def show_retrieval(named: Mapping[str, Scores], pairs: Sequence[tuple[str, str]]) -> None:
    """Draw recall, median rank and MRR in both directions for the scores of each model, by name.

    If it is not known which captions belong to which images, draw a sentence that says so.
    """
    rows = []
    for name, scores in named.items():
        before = f"{plain(name)}: " if len(named) > 1 else ""
        for way, found in both_ways(scores.cosine, known_pairs(scores, pairs)).items():
            rows.append(_figures(f"{before}{way}", found))
    if not rows:
        st.caption(
            "Recall is shown if it is known which captions belong to which images: from a CSV of"
            " pairs, or for the sample images with their own captions."
        )
        return
    st.markdown("**Retrieval** by cosine, over the known pairs")
    st.table(rows, border="horizontal")
    st.caption(
        "R@k: the share of queries with a correct result among the first k of the gallery. MRR:"
        " the mean of 1 / rank of the first correct result. Smaller galleries give better values,"
        " so compare them only within one gallery."
    )


def _figures(name: str, found: Retrieval) -> dict[str, str]:
    recalls = {f"R@{k}": f"{share:.1%}" for k, share in zip(KS, found.recall, strict=True)}
    return {
        "": name,
        **recalls,
        "Median rank": f"{found.median_rank:g}",
        "MRR": f"{found.mrr:.3f}",
        "Queries": f"{found.queries:,}",
        "Gallery": f"{found.gallery:,}",
    }


def show_cell(
    encoders: Sequence[Encoder],
    scored: Sequence[Scores],
    images: Sequence[Encoded],
    cell: Cell,
) -> None:
    """Draw the image, the caption and every number of a cell, a column for each model."""
    row, column = cell
    left, right = st.columns([1, 2], gap="large")
    name = scored[0].images[column]
    left.image(
        images[column].thumbnail, width="stretch", alt=f"{name}, the image of the selected cell"
    )
    with right:
        st.markdown(f"**{plain(scored[0].captions[row])}**  \nwith {plain(name)}")
        numbers = [
            _numbers(encoder, scores, cell)
            for encoder, scores in zip(encoders, scored, strict=True)
        ]
        names = [plain(encoder.spec.name) for encoder in encoders]
        table = {"": list(numbers[0])} | {
            model: list(each.values()) for model, each in zip(names, numbers, strict=True)
        }
        st.table(table, border="horizontal")


def _numbers(encoder: Encoder, scores: Scores, cell: Cell) -> dict[str, str]:
    row, column = cell
    match = scores.match(row, column, 1)
    by_row = values(scores, Mode.by_row, encoder.recipe.score)[cell]
    of_images = scores.images_of(row).index(column) + 1
    of_captions = scores.captions_of(column).index(row) + 1
    return {
        "Band": match.band,
        "Cosine": f"{match.cosine:.4f}",
        "Percentile among chance scores": f"{match.percentile:.1%}",
        "z among chance scores": f"{match.zscore:+.2f}",
        "Probability by row": f"{by_row:.2%}",
        "Probability by column": f"{match.probability:.2%}",
        "Rank of the image for the caption": f"{of_images} of {len(scores.images):,}",
        "Rank of the caption for the image": f"{of_captions} of {len(scores.captions):,}",
    }


def as_table(heatmap: Heatmap) -> None:
    """Draw the matrix as a table, which can be sorted and read by screen readers."""
    import pandas as pd

    scale = heatmap.scale
    unit = f" in{scale.unit}".replace("in%", "in %") if scale.unit else ""
    frame = pd.DataFrame(
        heatmap.values * scale.factor, index=list(heatmap.captions), columns=list(heatmap.images)
    )
    frame.index.name = "caption"
    with st.expander(
        f"Table: {count(len(heatmap.captions), 'caption')},"
        f" {count(len(heatmap.images), 'image')}, {scale.title}{unit}",
        icon=":material/table:",
        on_change="rerun",
        key="matrix_table",
    ) as table:
        if table.open:
            decimals = max(scale.decimals + 1, 1)
            st.dataframe(frame.round(decimals))
