"""The map: every image of a collection as a point, as a Streamlit component.

Its HTML, CSS and JavaScript are inline, as the photo grid's are. Colours come with its data, so
that a new query recolours it at once; places and thumbnails come from an address of this server.
"""

import base64
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import streamlit as st
from numpy.typing import NDArray

from components.scores import Floats
from components.ui.map.area import Polygon

Place = tuple[float, float, float]  # what is in the middle, x and y, and how far it is zoomed in
Corners = Sequence[Sequence[float]]

_HERE = Path(__file__).parent
ALL_PARTS = -3  # the number of parts that have one entry together
_NONE = 65535  # the number of an image that is in no part
_PLACE = re.compile(r"-?\d{1,3}(\.\d{1,5})?(_-?\d{1,3}(\.\d{1,5})?){2}")
# One script, in this order.
_SCRIPTS = ("geometry", "colours", "points", "legend", "card", "gestures", "map")
_MAP = st.components.v2.component(
    "collection_map",
    html=(_HERE / "map.html").read_text(encoding="utf-8"),
    css=(_HERE / "map.css").read_text(encoding="utf-8"),
    js="\n".join((_HERE / f"{name}.js").read_text(encoding="utf-8") for name in _SCRIPTS),
)


@dataclass(frozen=True)
class Scale:
    """Points coloured by a number. ``values`` (n,) are between -1 and 1.

    The colours reach from ``low`` to ``high``, whatever the values are; ``note`` says why.
    """

    title: str
    values: Floats
    low: float
    high: float
    note: str


@dataclass(frozen=True)
class Parts:
    """Points coloured by what they belong to.

    ``numbers`` (n,) are places in ``names``, -1: in none, which is called ``rest``. Many parts have
    one entry in the legend, ``together``; ``looks`` are the numbers of their colours and shapes,
    by default their places.
    """

    title: str
    numbers: NDArray[np.int32]
    names: tuple[str, ...]
    rest: str
    note: str = ""
    together: str = ""
    looks: tuple[int, ...] = ()


Colouring = Scale | Parts


@dataclass(frozen=True)
class Label:
    """A name on the map, at (x, y), of a number of images."""

    text: str
    x: float
    y: float
    size: int


@dataclass(frozen=True)
class Plot:
    """What the map shows.

    ``address`` serves "xy" (n, 2 float32, little-endian), and for a row "thumb/ROW" (a JPEG) and
    "about/ROW" (JSON: name, alt, credit). ``passing`` and ``selected`` (n,) are None where all are.
    ``part``: the selected one of Parts, -1: none, `ALL_PARTS`: each. ``place`` is None where the
    whole map is shown.
    """

    address: str
    count: int
    colouring: Colouring
    labels: tuple[Label, ...] = ()
    passing: NDArray[np.bool_] | None = None
    selected: NDArray[np.bool_] | None = None
    area: Polygon = ()
    part: int = -1
    place: Place | None = None


@dataclass(frozen=True)
class Reactions:
    """What is called when a person uses the map, before the page runs again.

    Opened: a row. Selected: the corners of an area, () to select nothing; a part's number, -1 for
    images in none, `ALL_PARTS` for those in any. Moved: a place.
    """

    opened: Callable[[int], None]
    area: Callable[[Corners], None]
    part: Callable[[int], None]
    moved: Callable[[Place], None]


def draw_map(key: str, plot: Plot, on: Reactions) -> None:
    """Draw a map."""

    def sent(name: str) -> Any:
        return st.session_state[key][name]

    _MAP(
        key=key,
        data={
            "address": plot.address,
            "count": plot.count,
            "colouring": _colouring(plot.colouring),
            "labels": [vars(label) for label in plot.labels],
            "passing": _bits(plot.passing),
            "selected": _bits(plot.selected),
            "area": plot.area,
            "part": plot.part,
            "place": plot.place,
        },
        on_opened_change=lambda: on.opened(int(sent("opened"))),
        on_area_change=lambda: on.area(sent("area")),
        on_part_change=lambda: on.part(int(sent("part"))),
        on_moved_change=lambda: on.moved(sent("moved")),
    )


def parse_place(text: str) -> Place | None:
    """Return the place of a link, None where ``text`` is none."""
    if not _PLACE.fullmatch(text):
        return None
    x, y, zoom = map(float, text.split("_"))
    return x, y, zoom


def written_place(place: Sequence[float]) -> str:
    """Return a place as text for a link."""
    return "_".join(f"{number:.5f}".rstrip("0").rstrip(".") for number in place[:3])


def _colouring(colouring: Colouring) -> dict[str, Any]:
    shown = {name: value for name, value in vars(colouring).items() if name not in _ARRAYS}
    if isinstance(colouring, Scale):
        numbers = np.round((np.clip(colouring.values, -1, 1) + 1) * 32767)
        return {**shown, "values": _base64(numbers.astype("<u2"))}
    numbers = np.where(colouring.numbers < 0, _NONE, colouring.numbers)
    known = colouring.numbers[colouring.numbers >= 0]
    counts = np.bincount(known, minlength=len(colouring.names)).tolist()
    counts.append(len(colouring.numbers) - len(known))
    return {**shown, "values": _base64(numbers.astype("<u2")), "counts": counts}


_ARRAYS = ("values", "numbers")


def _bits(rows: NDArray[np.bool_] | None) -> str:
    return "" if rows is None else _base64(np.packbits(rows, bitorder="little"))


def _base64(values: NDArray[Any]) -> str:
    return base64.b64encode(values.tobytes()).decode()
