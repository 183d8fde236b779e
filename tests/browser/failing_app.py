"""An app of its own that raises in every place where Streamlit handles exceptions itself."""

from pathlib import Path

import streamlit as st

from components.ui.errors import show_error

app = st.App(Path(__file__).with_name("failing_session.py"), on_script_error=show_error)
