"""The tray: images that this session has taken from Search to the other pages."""

import streamlit as st

from components.images import Source, read_source, source_of
from components.ui.text import plain
from components.words import and_more, count, shorten

_NAMED = 6


def tray() -> dict[str, Source]:
    """Return the images in the tray by collection and id, oldest first."""
    images: dict[str, Source] = st.session_state.setdefault("tray", {})
    return images


def add(key: str, source: Source) -> None:
    """Add an image to the tray, which holds its bytes. Raises ImageError if it cannot be read."""
    tray()[key] = source_of(read_source(source), source.name)


def show() -> None:
    """Draw the names of the images in the tray, and the button that clears it."""
    if not tray():
        return
    names = [plain(shorten(source.name, 60)) for source in tray().values()]
    with st.container(horizontal=True, vertical_alignment="center"):
        listed = and_more(names, _NAMED)
        st.caption(f"{count(len(names), 'image')} from Search: {listed}.")
        st.button("Clear", icon=":material/playlist_remove:", on_click=tray().clear)
