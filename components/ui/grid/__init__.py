"""The photo grid and the image of the large view: Streamlit components of our own."""

from components.ui.grid.grid import (
    ROW_HEIGHTS,
    Group,
    Line,
    Look,
    Picture,
    Tile,
    clear_selection,
    density,
    grid,
)
from components.ui.grid.stage import Film, stage

__all__ = [
    "ROW_HEIGHTS",
    "Film",
    "Group",
    "Line",
    "Look",
    "Picture",
    "Tile",
    "clear_selection",
    "density",
    "grid",
    "stage",
]
