"""The run that finished last, from the files beside its model."""

import streamlit as st

from components.models import resolve
from components.training.finished import last_finished
from components.ui.text import plain
from components.ui.train import results
from components.ui.train.curves import curves


def show() -> bool:
    """Draw the last finished run; return whether there is one."""
    finished = last_finished()
    if finished is None:
        return False
    with st.container(border=True):
        st.markdown(f"**Last finished run: {plain(finished.name)}**")
        if finished.comparison:
            results.show_recalls(finished.comparison)
        curves(finished.losses, finished.devs)
        results.link_to_match(finished.name, resolve(f"trained:{finished.name}").id)
    return True
