"""What is drawn where nobody is let in yet, and where a login is missing."""

from collections.abc import Mapping

import streamlit as st

from components.images import sample_captions
from components.server.roles import verified_address
from components.settings import Settings
from components.ui import account
from components.ui.text import plain

_PHOTOS = ("chelsea.jpg", "beach_riders.jpg")
_CLOSED = "login_missing_closed"  # in the session: the warning was closed

# The link that a person came with is opened after the login, which leads to the first page.
_KEEP_JS = """
export default function () {
  sessionStorage.setItem("captionlens-link", location.pathname + location.search)
}
"""
_RETURN_JS = """
export default function () {
  const link = sessionStorage.getItem("captionlens-link")
  sessionStorage.removeItem("captionlens-link")
  const here = location.pathname + location.search
  if (link && link !== here) location.replace(location.origin + link)
}
"""
_KEEP = st.components.v2.component("keep_link", html="<div>\n</div>", js=_KEEP_JS)
_RETURN = st.components.v2.component("return_to_link", html="<div>\n</div>", js=_RETURN_JS)


def show() -> None:
    """Draw the first screen: the app's name, two photographs, and the way in, or out again."""
    with st.container(key="login", horizontal_alignment="center"):
        with st.container(key="login-photos", horizontal=True, gap="small", width=480):
            for name in _PHOTOS:
                st.image(Settings().samples / name, width="stretch", alt=sample_captions()[name])
        st.title("CaptionLens", anchor=False, text_alignment="center")
        st.markdown("See how well images and captions match.", text_alignment="center")
        if account.claims():
            _refused()
        else:
            _ways_in()
            _KEEP(key="keep_link")


def _ways_in() -> None:
    """Draw a button for each provider of secrets.toml."""
    for provider in _providers():
        name = f"Log in with {provider.capitalize()}" if provider else "Log in"
        st.button(
            plain(name),
            type="primary",
            icon=":material/login:",
            on_click=st.login,
            args=[provider] if provider else [],
            key=f"enter_{provider}",
        )


def _providers() -> list[str]:
    """Return the names of the providers, "" for one without a name."""
    auth = account.secrets().get("auth")
    sections = auth if isinstance(auth, Mapping) else {}
    named = [
        str(name)
        for name, section in sections.items()
        if isinstance(section, Mapping) and "client_id" in section
    ]
    return named if named and "client_id" not in sections else ["", *named]


def _refused() -> None:
    """Draw why a person who is logged in has no access, and the button "Log out"."""
    address = account.shown(str(account.claims().get("email") or "This account"))
    if verified_address(account.claims()):
        sentence = "has no access to this server. Ask for it, or log in with another address."
    else:
        sentence = "is not a verified address. Verify it with your provider, then log in again."
    st.warning(f"{address} {sentence}", icon=":material/lock:", width=520)
    st.button("Log out", icon=":material/logout:", on_click=st.logout, key="leave")


def return_to_link() -> None:
    """Open the link that a person came with, in the first run after a login."""
    if account.access() is not None:
        with st.container(key="login-return"):
            _RETURN(key="return_to_link")


def warn() -> None:
    """Draw that a shared server has no login, until the session closes the warning."""
    if account.access() is not None or not Settings().shared or st.session_state.get(_CLOSED):
        return
    with st.container(key="inputs-open-server", horizontal=True, vertical_alignment="center"):
        st.warning(missing(), icon=":material/lock_open:")
        st.button("Close", icon=":material/close:", on_click=_close, key="login_missing_close")


def missing() -> str:
    """Return what a missing login means, and what to do about it."""
    can = "read its collections" if Settings().read_only else "use all of it, and remove from it"
    return f"This server has no login: whoever reaches it can {can}. Set up a login: see README."


def _close() -> None:
    st.session_state[_CLOSED] = True
