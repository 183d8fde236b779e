"""What every session runs first: page set-up and navigation; everything else is in ``pages/``."""

import streamlit as st

from components.errors import CaptionLensError
from components.ui.setup import PAGES, page, setup
from components.ui.text import plain

setup()
shown = st.navigation([page(entry) for entry in PAGES], position="top")
try:
    shown.run()
except CaptionLensError as error:  # what no page has a better place for
    st.error(plain(str(error)), icon=":material/error:")
