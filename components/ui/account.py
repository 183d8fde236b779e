"""The person behind a session: logged in or not, the role, and what it permits.

Pages ask `may` before they draw a control, and what the control does asks `require` again.
"""

from collections.abc import Mapping

import streamlit as st
from streamlit.errors import StreamlitSecretNotFoundError

from components.server import events
from components.server.roles import (
    Access,
    AccessError,
    NotAllowed,
    Permission,
    Role,
    permits,
    refusal,
    verified_address,
)
from components.settings import Settings
from components.ui.text import plain

__all__ = ["Permission", "may", "require"]
_ABOUT = {  # each role includes those above it
    Role.VIEWER: "search, match and read",
    Role.EDITOR: "make collections, decide in Check, and train",
    Role.ADMIN: "remove collections and models, download models, and see the usage",
}


def secrets() -> Mapping[str, object]:
    """Return what secrets.toml says, nothing without one.

    Raises AccessError where one cannot be read: a login that is lost must not let everyone in.
    """
    try:
        return st.secrets.to_dict()
    except StreamlitSecretNotFoundError as error:
        if error.error_id == "no-secrets-found":
            return {}
        raise AccessError("secrets.toml cannot be read: mend it, or remove it.") from error


def access() -> Access | None:
    """Return who is let in; None where there is no login. Raises AccessError."""
    said = secrets()
    return Access.of(said.get("captionlens", {})) if "auth" in said else None


def role() -> Role | None:
    """Return the role of this session, None for nobody's; without a login everyone is an admin."""
    listed = access()
    given = Role.ADMIN if listed is None else listed.role_of(claims()) if claims() else None
    return Role.VIEWER if given and Settings().read_only else given


def may(action: Permission) -> bool:
    """Return whether this session may do something: the one place that decides."""
    return permits(role(), action)


def require(action: Permission) -> None:
    """Return if this session may do something. Raises NotAllowed with the reason."""
    if not may(action):
        raise NotAllowed(why_not(action))


def why_not(action: Permission) -> str:
    """Return why this session may not do something, and what to do about it."""
    return refusal(action, role(), Settings().read_only)


def explain(action: Permission) -> None:
    """Draw why this session may not do something."""
    st.info(why_not(action), icon=":material/lock:")


def claims() -> Mapping[str, object]:
    """Return what the provider says of the person who is logged in, nothing without one."""
    said: Mapping[str, object] = st.user.to_dict()
    return said if said.get("is_logged_in") is True else {}


def admitted() -> bool:
    """Return whether this session may see the pages; a login or a refusal is logged."""
    if access() is None:
        return True
    given = role()
    if claims():
        address = str(claims().get("email") or claims().get("sub") or "")
        _log_once(address, str(claims().get("iat")), given, bool(verified_address(claims())))
    return given is not None


@st.cache_resource(max_entries=10_000, show_spinner=False)
def _log_once(address: str, issued: str, given: Role | None, verified: bool) -> None:
    """Log a login, which ``issued`` tells from the person's other ones: tabs share it."""
    events.log(
        "login" if given else "refused login",
        {"address": address},
        person=events.pseudonym(address, _key()),
        role=given.word if given else None,
        verified=verified,
    )


def _key() -> str:
    """Return the key of pseudonyms: the secret of the login's cookies, alike on all servers."""
    auth = secrets().get("auth")
    return str(auth.get("cookie_secret", "")) if isinstance(auth, Mapping) else ""


def shown(address: str) -> str:
    """Return an address as Markdown that is not drawn as a link to write to it."""
    return plain(address).replace("@", "@\N{WORD JOINER}")


def popover() -> None:
    """Draw the person's address and role, and the button "Log out"; nothing without a login."""
    given = role()
    if access() is None or given is None:
        return
    with st.popover("Account", icon=":material/account_circle:", key="account"):
        st.markdown(f"**{shown(verified_address(claims()))}**")
        listed = "".join(f"\n- {_ABOUT[each]}" for each in Role if each <= given)
        st.markdown(f"Role: {given.word}. You can{listed}")
        if Settings().read_only:
            st.caption("This installation is read-only: everyone is a viewer.")
        st.button("Log out", icon=":material/logout:", on_click=st.logout, key="account_log_out")
