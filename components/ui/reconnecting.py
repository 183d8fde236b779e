"""What a page does when its server has stopped and another one takes its connection.

The browser keeps the page with what was typed and chosen; the session, with uploads, is lost.
"""

import streamlit as st
from streamlit.runtime.uploaded_file_manager import DeletedFile


@st.fragment(run_every=86_400)  # once a day
def rerun_on_reconnect() -> None:
    """Have the browser ask for a run of the page as soon as it is connected again.

    Until then nothing on the page leads to a file or a fragment that the other server knows.
    Streamlit's front end asks only where a fragment runs by itself, however rarely (in its
    `handleConnectionStateChanged`).
    """


def are_lost(key: str) -> bool:
    """Return whether the browser lists uploads that this server does not have.

    ``key`` is that of a field for files which was drawn in this run. True once in a session at
    most: later, a file that is missing is one that the person is just removing.
    """
    seen = f"{key}_seen"
    first = not st.session_state.get(seen)
    st.session_state[seen] = True
    files = st.session_state[key]
    listed = files if isinstance(files, list) else [files]
    return first and any(isinstance(file, DeletedFile) for file in listed)
