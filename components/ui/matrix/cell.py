"""The selected cell of the matrix: its choice without a mouse, its image, and every number."""

from collections.abc import Sequence

import streamlit as st

from components.encoder import Encoded, Encoder
from components.scores import Cell, Heatmap, Mode, Scores, values
from components.ui.grid import Group, Look, Tile, grid
from components.ui.pictures import small_picture
from components.ui.text import plain

CAPTION, IMAGE = "matrix_caption", "matrix_image"  # in the link: the selected cell
_GRID = "matrix_images"
_ORDER = "matrix_order_drawn"  # the captions from the top down, for the keys that step through them
_ROW = 88  # pixels
_WITHOUT_SCROLLING = 24  # tiles


def select(caption: str, image: str) -> None:
    """Select a cell by its caption and its image's name; for callbacks."""
    st.session_state[CAPTION] = caption
    st.query_params[IMAGE] = image


def step(way: int) -> None:
    """Select the cell of the next caption (1) or the one before (-1), with the same image."""
    order = st.session_state.get(_ORDER, [])
    current = st.session_state.get(CAPTION)
    if current in order:
        at = order.index(current) + way
        st.session_state[CAPTION] = order[min(max(at, 0), len(order) - 1)]


def choose_caption(scores: Scores) -> Cell:
    """Draw the choice of a caption; return the selected cell, whose image is in the link."""
    with st.container(key="inputs-cell"):
        caption = st.selectbox(
            "Caption", scores.captions, key=CAPTION, bind="query-params", help="Or click a cell"
        )
    linked = st.query_params.get(IMAGE, "")
    image = linked if linked in scores.images else scores.images[0]
    return scores.captions.index(caption), scores.images.index(image)


def choose_image(heatmap: Heatmap, scores: Scores, images: Sequence[Encoded], cell: Cell) -> None:
    """Draw the images in the order of ``heatmap``, with the caption's scores: a click selects."""
    st.session_state[_ORDER] = list(heatmap.captions)
    row, column = cell
    drawn = heatmap.values[list(heatmap.rows).index(row)]
    ranks = {image: rank for rank, image in enumerate(scores.images_of(row), 1)}
    tiles = [
        _tile(scores, images, (row, index), ranks[index], _text(heatmap, float(value)))
        for index, value in zip(heatmap.columns, drawn, strict=True)
    ]
    look = Look(_ROW, framed=scores.images[column])
    many = len(tiles) > _WITHOUT_SCROLLING
    with st.container(height=3 * _ROW if many else "content", border=False):
        grid(_GRID, [Group("images", tiles)], lambda name, _: _select_image(name), look=look)


def _select_image(name: str) -> None:
    st.query_params[IMAGE] = name


def _text(heatmap: Heatmap, value: float) -> str:
    return f"{heatmap.scale.text(value)}{heatmap.scale.unit}"


def _tile(scores: Scores, images: Sequence[Encoded], cell: Cell, rank: int, text: str) -> Tile:
    match = scores.match(*cell, rank)
    return Tile(
        match.image,
        small_picture(images[cell[1]], match.image),
        rank=rank,
        of=len(images),
        score=text,
        band=match.band,
    )


def show(
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
        table = {"Measure": list(numbers[0])} | {
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
