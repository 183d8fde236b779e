"""The map of a collection: points to pan, zoom and select, as a Streamlit component."""

from components.ui.map.area import Polygon, inside, parse_area, written
from components.ui.map.map import (
    ALL_PARTS,
    Colouring,
    Label,
    Parts,
    Place,
    Plot,
    Reactions,
    Scale,
    draw_map,
    parse_place,
    written_place,
)

__all__ = [
    "ALL_PARTS",
    "Colouring",
    "Label",
    "Parts",
    "Place",
    "Plot",
    "Polygon",
    "Reactions",
    "Scale",
    "draw_map",
    "inside",
    "parse_area",
    "parse_place",
    "written",
    "written_place",
]
