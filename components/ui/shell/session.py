"""What every session runs first: page set-up and navigation; everything else is in ``pages/``."""

import streamlit as st

from components.ui.reconnecting import rerun_on_reconnect
from components.ui.setup import PAGES, page, setup

setup()
rerun_on_reconnect()
st.navigation([page(entry) for entry in PAGES], position="top").run()
