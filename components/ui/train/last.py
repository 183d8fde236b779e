"""The run that finished last, from the files beside its model."""

import streamlit as st

from components.models import resolve
from components.training.finished import Finished
from components.ui.text import plain
from components.ui.train import results
from components.ui.train.curves import curves


def show(finished: Finished) -> None:
    """Draw a finished run: its figures, its curves, and the way to its model."""
    with st.container(border=True):
        st.markdown(f"**Last finished run: {plain(finished.name)}**")
        if finished.comparison:
            results.show_recalls(finished.comparison)
        curves(finished.losses, finished.devs)
        results.link_to_match(finished.name, resolve(f"trained:{finished.name}").id)
