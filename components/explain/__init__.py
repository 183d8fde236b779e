"""Explanations of a score: image regions, words, and the effect of changes."""

from components.explain.occlusion import (
    Curves,
    Occlusion,
    area,
    curves,
    full_colour,
    gibberish,
    occlude,
    on_grid,
    overlay,
    saliency,
    verdict,
    words,
)
from components.explain.probe import caption_variants, image_variants, views

__all__ = [
    "Curves",
    "Occlusion",
    "area",
    "caption_variants",
    "curves",
    "full_colour",
    "gibberish",
    "image_variants",
    "occlude",
    "on_grid",
    "overlay",
    "saliency",
    "verdict",
    "views",
    "words",
]
