"""The photo grid: justified rows of ranked images, as a Streamlit component.

Its HTML, CSS and JavaScript are inline: there is no build step and no request to another server.
Text from files and people reaches the page as text only, never as HTML.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import streamlit as st

from components.images import data_url

_HERE = Path(__file__).parent
ROW_HEIGHTS = {"Small": 110, "Medium": 150, "Large": 280}  # pixels
_GRID = st.components.v2.component(
    "photo_grid",
    html="<div class='root'>\n</div>",
    css=(_HERE / "grid.css").read_text(encoding="utf-8"),
    js=(_HERE / "grid.js").read_text(encoding="utf-8"),
)


@dataclass(frozen=True)
class Picture:
    """An image of a grid: its JPEG thumbnail, the original's size, its name, alternative text."""

    thumbnail: bytes
    width: int
    height: int
    name: str
    alt: str


@dataclass(frozen=True)
class Line:
    """A line of text below an image, with its score and band.

    ``whole``: wrapped, not cut; ``muted``: less prominent.
    """

    text: str
    score: str = ""
    band: str = ""
    whole: bool = False
    muted: bool = False


@dataclass(frozen=True)
class Tile:
    """One image in a list. Tiles of one ``id`` have the same picture; empty fields are not shown.

    ``detail`` appears on hover and on focus. ``mark``: a word beside the rank, such as "Dropped".
    ``credit``: (text, address or "") pieces below it.
    """

    id: str
    picture: Picture
    rank: int = 0  # from 1
    of: int = 0  # the length of the list that it is ranked in
    score: str = ""
    band: str = ""
    detail: str = ""
    best: bool = False
    mark: str = ""
    lines: tuple[Line, ...] = ()
    credit: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True)
class Group:
    """A list of tiles under a title. ``more``: the label of a button that opens the whole list.

    With ``one_row`` only the tiles that fit into the first row are shown.
    """

    key: str
    tiles: Sequence[Tile]
    title: str = ""
    notice: str = ""
    more: str = ""
    one_row: bool = False


@dataclass(frozen=True)
class Look:
    """How a grid looks: the height of its rows in pixels; file names; check marks to select.

    ``framed``: the id of an image to frame, in a grid that is not ``selectable``.
    """

    height: int = ROW_HEIGHTS["Medium"]
    names: bool = False
    selectable: bool = False
    framed: str = ""


def grid(
    key: str,
    groups: Sequence[Group],
    on_open: Callable[[str, str], None],
    on_more: Callable[[str], None] | None = None,
    look: Look = Look(),
) -> list[str]:
    """Draw ``groups``; return the ids of the selected images, in the order of selection.

    ``on_open`` is called with the id of the image that was clicked and its group's key, ``on_more``
    with the key of the group whose button was clicked; both run before the page does.
    """
    shown = {tile.id: tile.picture for group in groups for tile in group.tiles}
    result = _GRID(
        key=key,
        data={
            "groups": [_group(group) for group in groups],
            "pictures": {id_: _picture(each) for id_, each in shown.items()},
            "height": look.height,
            "names": look.names,
            "selectable": look.selectable,
            "selected": _selected(key) if look.selectable else [*filter(None, [look.framed])],
            "cleared": st.session_state.get(_cleared(key), 0),
            "density": density(key),
        },
        on_opened_change=lambda: on_open(*_opened(key)),
        on_more_change=lambda: on_more(str(st.session_state[key]["more"])) if on_more else None,
        on_selected_change=lambda: None,
        on_density_change=lambda: None,
    )
    return [id_ for id_ in result.get("selected") or [] if id_ in shown]


def _selected(key: str) -> list[str]:
    state: Mapping[str, Any] = st.session_state.get(key) or {}
    return list(state.get("selected") or [])


def density(key: str) -> float:
    """Return how many pixels of the screen a pixel of the page has where the grid is shown."""
    state: Mapping[str, Any] = st.session_state.get(key) or {}
    return min(max(float(state.get("density") or 1.0), 1.0), 4.0)


def clear_selection(key: str) -> None:
    """Select nothing in the grid of ``key``; for callbacks, before the grid is drawn."""
    st.session_state.setdefault(key, {})["selected"] = []
    # The page in the browser has the selection too, and sends it with every run.
    st.session_state[_cleared(key)] = st.session_state.get(_cleared(key), 0) + 1


def _cleared(key: str) -> str:
    """Return where the number of times that a grid's selection was cleared is kept."""
    return f"{key}_cleared"


def _opened(key: str) -> tuple[str, str]:
    opened = st.session_state[key]["opened"]
    return str(opened["id"]), str(opened["group"])


def _group(group: Group) -> dict[str, Any]:
    return {**vars(group), "tiles": [_tile(tile) for tile in group.tiles]}


def _tile(tile: Tile) -> dict[str, Any]:
    shown = {name: value for name, value in vars(tile).items() if name != "picture"}
    return {
        **shown,
        "lines": [vars(line) for line in tile.lines],
        "credit": [{"text": text, "url": url} for text, url in tile.credit],
    }


def _picture(picture: Picture) -> dict[str, Any]:
    return {
        "src": data_url(picture.thumbnail),
        "width": picture.width,
        "height": picture.height,
        "name": picture.name,
        "alt": picture.alt,
    }
