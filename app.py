"""CaptionLens: ``streamlit run app.py``.

The script that sessions run is in another folder on purpose. Streamlit takes a ``pages/`` folder
beside the script for its old automatic navigation until the first session has called
`st.navigation`: a link to a page, as the first request after start-up, would get "Page not found".
"""

import sys

import streamlit as st

from components.settings import ROOT
from components.ui.errors import show_error
from components.ui.memory import collect_garbage

_SCRIPT = ROOT / "components" / "ui" / "shell" / "session.py"
# Streamlit puts a script's folder on sys.path for as long as a session runs it, unless it is there.
# If that changes sys.path, an import or metadata lookup in another session may miss an entry.
sys.path.append(str(_SCRIPT.parent))

collect_garbage()
app = st.App(_SCRIPT, on_script_error=show_error)
