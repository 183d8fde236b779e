"""What every session runs first: set-up, login, navigation; everything else is in ``pages/``."""

import streamlit as st

from components.ui import account, login
from components.ui.reconnecting import rerun_on_reconnect
from components.ui.setup import PAGES, page, setup

setup()
rerun_on_reconnect()
inside = account.admitted()
chosen = st.navigation([page(entry) for entry in PAGES], position="top" if inside else "hidden")
if inside:
    login.return_to_link()
    login.warn()
    chosen.run()
else:
    login.show()
