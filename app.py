"""CaptionLens: ``streamlit run app.py``.

The script that sessions run is in another folder on purpose. Streamlit takes a ``pages/`` folder
beside the script for its old automatic navigation until the first session has called
`st.navigation`: a link to a page, as the first request after start-up, would get "Page not found".
"""

import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import streamlit as st
from starlette.middleware import Middleware

from components.server.routes import ROUTES, LoopbackOnly
from components.settings import ROOT
from components.ui import serving
from components.ui.errors import show_error
from components.ui.memory import collect_garbage

_SCRIPT = ROOT / "components" / "ui" / "shell" / "session.py"
# Streamlit puts a script's folder on sys.path for as long as a session runs it, unless it is there.
# If that changes sys.path, an import or metadata lookup in another session may miss an entry.
sys.path.append(str(_SCRIPT.parent))


@asynccontextmanager
async def _lifespan(_: st.App) -> AsyncIterator[None]:
    serving.begin()
    yield


collect_garbage()
app = st.App(
    _SCRIPT,
    lifespan=_lifespan,
    routes=ROUTES,
    middleware=[Middleware(LoopbackOnly)],
    on_script_error=show_error,
)
