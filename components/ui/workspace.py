"""The three places of a page with inputs: `style.css` arranges them by the width of the window."""

import streamlit as st
from streamlit.delta_generator import DeltaGenerator


def workspace() -> tuple[DeltaGenerator, DeltaGenerator, DeltaGenerator]:
    """Return the containers of the first inputs, of the results, and of the other inputs.

    Side by side, inputs to the left; on a phone one below the other, in this order.
    """
    with st.container(key="workspace"):
        first = st.container(key="workspace-first")
        results = st.container(key="workspace-results")
        return first, results, st.container(key="workspace-inputs")
