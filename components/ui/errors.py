"""What a session shows of an exception that nothing else has caught."""

import streamlit as st

from components.errors import CaptionLensError
from components.ui.text import plain


def show_error(error: Exception) -> bool:
    """Draw a CaptionLensError's sentence where it was raised; return whether it was one.

    The `on_script_error` hook of `st.App`: Streamlit calls it for the script, callbacks, fragments
    and dialogs, after it has logged the traceback, and shows a general message on False.
    """
    if not isinstance(error, CaptionLensError):
        return False
    st.error(plain(str(error)), icon=":material/error:")
    return True
