"""The large view's image, or film: its position in the list, and the way to its neighbours."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import streamlit as st

from components.images import data_url

_HERE = Path(__file__).parent
_HTML = """
<div class="stage">
  <img alt="">
  <video controls playsinline preload="metadata" hidden></video>
  <div class="bar">
    <button type="button" class="previous" aria-label="Previous image">←</button>
    <span class="count" aria-live="polite"></span>
    <button type="button" class="next" aria-label="Next image">→</button>
  </div>
</div>
"""
_STAGE = st.components.v2.component(
    "large_view",
    html=_HTML,
    css=(_HERE / "stage.css").read_text(encoding="utf-8"),
    js=(_HERE / "stage.js").read_text(encoding="utf-8"),
)


@dataclass(frozen=True)
class Film:
    """A film in the browser's own player: its relative address, and the second it begins at.

    ``seek``: a number that differs where the player must go to ``start`` again. ``on_failed`` is
    called with the address before the page runs again, where the browser cannot play it.
    """

    address: str
    start: float
    seek: int
    on_failed: Callable[[str], None]


def stage(  # noqa: PLR0913 - what a page shows, and what its buttons do
    jpeg: bytes,
    alt: str,
    position: tuple[int, int],
    key: str,
    on_move: Callable[[int], None],
    *,
    film: Film | None = None,
) -> None:
    """Draw an image with buttons for the next and the previous one, which arrow keys press too.

    ``position``: (place, length) of the image in its list, from 1. ``on_move`` is called with 1 or
    -1 before the page runs again. A ``film`` is drawn in the image's place, which shows until it
    is loaded.
    """
    at, of = position
    _STAGE(
        key=key,
        data={
            "src": data_url(jpeg),
            "alt": alt,
            "at": at,
            "of": of,
            "film": _film(film) if film else None,
        },
        on_moved_change=lambda: on_move(int(st.session_state[key]["moved"])),
        on_failed_change=lambda: (
            film.on_failed(str(st.session_state[key]["failed"])) if film else None
        ),
    )


def _film(film: Film) -> dict[str, Any]:
    return {name: value for name, value in vars(film).items() if name != "on_failed"}
