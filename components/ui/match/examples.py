"""The example sets of the Match page, as chips: captions to rank the sample images against."""

from collections.abc import Sequence

import streamlit as st

from components.images import EXAMPLE_SETS
from components.ui.match.results import leave_list

_KEY = "match_example"


def show(captions: Sequence[str]) -> None:
    """Draw a chip for each set, and the note of the set whose captions are on the page."""
    current = next((each for each in EXAMPLE_SETS if each.captions == tuple(captions)), None)
    st.session_state[_KEY] = current.title if current else None
    with st.container(key="inputs-examples", gap="xsmall"):
        st.pills(
            "Examples",
            [each.title for each in EXAMPLE_SETS],
            key=_KEY,
            on_change=_take,
            label_visibility="collapsed",
        )
        if current:
            st.caption(current.note)


def _take() -> None:
    chosen = next((each for each in EXAMPLE_SETS if each.title == st.session_state[_KEY]), None)
    if chosen:
        st.session_state["match_captions"] = "\n".join(chosen.captions)
        leave_list()
