"""The choice of how a photo grid looks, which Match and Search share."""

import streamlit as st

from components.ui.grid import ROW_HEIGHTS, Look


def choose_look(page: str, presenting: bool) -> Look:
    """Draw the controls of a selectable grid; return their state, in the link with ``page`` before.

    A presented page has large images.
    """
    size = st.segmented_control(
        "Image size",
        list(ROW_HEIGHTS),
        default="Medium",
        required=True,
        key=f"{page}_size",
        bind="query-params",
    )
    names = st.toggle("File names", key=f"{page}_names", bind="query-params")
    height = ROW_HEIGHTS["Large" if presenting else str(size)]
    return Look(height, bool(names), selectable=True)
