"""CaptionLens: ``streamlit run app.py``.

The script that sessions run lies elsewhere on purpose. Streamlit takes a ``pages/`` folder beside
the script for its old automatic navigation until the first session has called `st.navigation`; a
link to a page, as the first request after start-up, would meet "Page not found".
"""

import streamlit as st

app = st.App("components/ui/shell.py")
