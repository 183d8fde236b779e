"""A caption's map as a figure: the view, the map, gibberish's map, the faithfulness check."""

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from components.explain import Curves, Occlusion, overlay
from components.scores import Floats

if TYPE_CHECKING:
    from matplotlib.figure import Figure


@dataclass(frozen=True)
class Explained:
    """The contents of the figure.

    ``salient`` and ``random_letters`` are the maps (GRID, GRID) of the caption and of gibberish,
    ``limit`` the change of cosine that has full colour.
    """

    caption: str
    gibberish: str
    occlusion: Occlusion
    salient: Floats
    random_letters: Floats
    checked: Curves
    limit: float


def draw(explained: Explained, footer: str) -> "Figure":
    """Return the figure, with ``footer`` as its last line."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(14, 4.4), layout="constrained")
    view, own, other, curves = figure.subplots(1, 4, width_ratios=[1, 1, 1, 1.3])
    _image(view, explained.occlusion.view, "model input")
    _image(own, _map(explained, explained.salient), explained.caption)
    _image(other, _map(explained, explained.random_letters), f"gibberish: {explained.gibberish}")
    _curves(curves, explained.checked)
    figure.supxlabel(
        "Orange: hiding it lowers the cosine; purple: hiding it raises the cosine; full colour at"
        f" {explained.limit:.3f}. The line encloses the most salient tenth.\n{footer}",
        fontsize=9,
        parse_math=False,
    )
    return figure


def _map(explained: Explained, salient: Floats) -> Any:
    return np.asarray(overlay(explained.occlusion.view, salient, explained.limit, 0.7))


def _image(axes: Any, pixels: Any, title: str) -> None:
    axes.imshow(pixels)
    axes.set_title(title, fontsize=9, parse_math=False, wrap=True)
    axes.axis("off")


def _curves(axes: Any, checked: Curves) -> None:
    tenths = np.arange(11) * 10
    for values, label, style in (
        (checked.deletion, "hiding, by the map", "C1-"),
        (checked.random_deletion, "hiding, random order", "C1:"),
        (checked.insertion, "showing, by the map", "C0-"),
        (checked.random_insertion, "showing, random order", "C0:"),
    ):
        axes.plot(tenths, values, style, label=label)
    axes.set_xlabel("share of the image hidden or shown, %")
    axes.set_ylabel("cosine")
    axes.set_title("faithfulness check", fontsize=9)
    axes.legend(fontsize=8)
