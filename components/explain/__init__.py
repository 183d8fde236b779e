"""Why a caption matches: where in the picture, which words, what a change does."""

from components.explain.occlusion import (
    Curves,
    Look,
    area,
    curves,
    full_colour,
    gibberish,
    look,
    on_grid,
    overlay,
    saliency,
    verdict,
    words,
)
from components.explain.probe import caption_variants, picture_variants, views

__all__ = [
    "Curves",
    "Look",
    "area",
    "caption_variants",
    "curves",
    "full_colour",
    "gibberish",
    "look",
    "on_grid",
    "overlay",
    "picture_variants",
    "saliency",
    "verdict",
    "views",
    "words",
]
