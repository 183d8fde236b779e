"""What the Train page shows before a run: the last finished one, and the sample images."""

from dataclasses import replace

import streamlit as st

from components.images import sample_captions
from components.ui.grid import Group, Line, Look, grid
from components.ui.pictures import sample_tiles
from components.words import count

_HEIGHT = 110  # of a row of images, in pixels
_SHOWN = 24  # images


def introduce() -> None:
    """Draw what training does, and the button that fills in everything for a short run."""
    st.markdown(
        "Training moves each image closer to its own captions and away from those of other images."
        " Images that are held out show whether the model has improved."
    )
    st.button(
        "Try it with the sample pictures",
        type="primary",
        icon=":material/play_circle:",
        on_click=_try,
        help="Fills in the sample images with their captions, and the settings of a short run",
        key="train_try",
    )


def _try() -> None:
    from components.ui.train.methods import METHODS

    method = "Projections only"
    # Short, and slow enough to improve Pocket on the samples that are held out.
    run: dict[str, str | float] = {"from": "Samples", "method": method, "epochs": 4, "batch": 16}
    run[f"rate_{METHODS[method].rate}"] = 1e-5
    st.session_state.update({f"train_{name}": value for name, value in run.items()})


def show_samples(one_row: bool = False) -> None:
    """Draw the sample images, below each the caption that it is trained with; or one row alone."""
    captions = sample_captions()
    tiles = sample_tiles()
    if not one_row:
        tiles = [replace(tile, lines=(Line(captions[tile.id], ""),)) for tile in tiles]
    title = f"{count(len(tiles), 'sample image')}, each with its caption"
    group = Group("samples", tiles[:_SHOWN], title=title, one_row=one_row)
    grid("train_samples", [group], lambda *_: None, look=Look(_HEIGHT))
