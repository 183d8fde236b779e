"""CaptionLens: ``streamlit run app.py``.

The script that sessions run lies elsewhere on purpose. Streamlit takes a ``pages/`` folder beside
the script for its old automatic navigation until the first session has called `st.navigation`; a
link to a page, as the first request after start-up, would meet "Page not found".
"""

import sys

import streamlit as st

from components.settings import ROOT

_SCRIPT = ROOT / "components" / "ui" / "shell" / "session.py"
# Streamlit puts a script's folder on sys.path for as long as a session runs it, unless it is there.
# An import or a look at a package's metadata in another session, just then, misses an entry.
sys.path.append(str(_SCRIPT.parent))

app = st.App(_SCRIPT)
