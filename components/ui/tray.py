"""The tray: images taken along from Search to the other pages, in this session."""

import streamlit as st

from components.images import Source
from components.ui.text import plain
from components.words import count, shorten


def tray() -> dict[str, Source]:
    """Return the images in the tray by collection and id, oldest first."""
    kept: dict[str, Source] = st.session_state.setdefault("tray", {})
    return kept


def add(key: str, source: Source) -> None:
    """Put an image into the tray."""
    tray()[key] = source


def show() -> None:
    """Draw what the tray holds, and the button that empties it."""
    if not tray():
        return
    names = [source.name for source in tray().values()]
    with st.container(horizontal=True, vertical_alignment="center"):
        shown = ", ".join(plain(shorten(name, 60)) for name in names[:6])
        more = f" and {len(names) - 6} more" if len(names) > 6 else ""
        st.caption(f"{count(len(names), 'image')} taken along from Search: {shown}{more}.")
        st.button("Put back", icon=":material/playlist_remove:", on_click=tray().clear)
