"""Numbers in the page's link that no widget is bound to."""

import streamlit as st


def linked_number(name: str, default: int, digits: int = 5) -> int:
    """Return the link's value if it is a number of at most ``digits`` digits, else ``default``."""
    text = st.query_params.get(name, "")
    return int(text) if text.isdecimal() and len(text) <= digits else default
