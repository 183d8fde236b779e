"""The large view's image: the picture, its position in the list, and the way to its neighbours."""

from collections.abc import Callable
from pathlib import Path

import streamlit as st

from components.images import data_url

_HERE = Path(__file__).parent
_HTML = """
<div class="stage">
  <img alt="">
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


def stage(
    jpeg: bytes, alt: str, position: tuple[int, int], key: str, on_move: Callable[[int], None]
) -> None:
    """Draw an image with buttons for the next and the previous one, which arrow keys press too.

    ``position``: (place, length) of the image in its list, from 1. ``on_move`` is called with 1 or
    -1 before the page runs again.
    """
    at, of = position
    _STAGE(
        key=key,
        data={
            "src": data_url(jpeg),
            "alt": alt,
            "at": at,
            "of": of,
        },
        on_moved_change=lambda: on_move(int(st.session_state[key]["moved"])),
    )
