"""Numbers in the page's link that no widget is bound to."""

import streamlit as st


def linked_number(name: str, default: int, digits: int = 5) -> int:
    """Return a whole number of at most ``digits`` digits from the link; ``default`` for others."""
    text = st.query_params.get(name, "")
    return int(text) if text.isdecimal() and len(text) <= digits else default
