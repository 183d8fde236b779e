"""The usage of this server, for its admins."""

import streamlit as st

from components.server.counters import Usage, usage
from components.ui.account import Permission, may
from components.words import EMPTY, duration, megabytes


@st.fragment(run_every=10.0)
def show() -> None:
    """Draw the counters with what each means; nothing for those who may not see them."""
    if not may(Permission.SEE_USAGE):
        return
    now = usage()
    st.header("Usage", divider="gray")
    with st.container(horizontal=True, gap="small", key="usage"):
        for label, (value, meaning) in _figures(now).items():
            st.metric(label, value, help=meaning, border=True, width=145)
    st.caption(
        f"This server alone, since its start {duration(now.uptime)} ago. The time of a query"
        " includes its encoding. Prometheus reads these counters at /metrics, from this computer"
        " only."
    )


def _figures(now: Usage) -> dict[str, tuple[str, str]]:
    """Return each counter's value and meaning by its name."""
    return {
        "Open pages": (f"{now.sessions:,}", "Browser tabs that are connected now"),
        "Queries": (f"{now.queries:,}", "Searches of collections; each change of text is one"),
        "Query, p50": (_time(now.p50), "Half of the latest 1,000 queries took at most this"),
        "Query, p95": (_time(now.p95), "95% of the latest 1,000 queries took at most this"),
        "Images": (f"{now.images:,}", "Encoded here: of uploads, samples and builds"),
        "Captions": (f"{now.captions:,}", "Encoded here: captions and queries, each phrase"),
        "Builds": (f"{now.builds:,}", "Builds of collections that ended"),
        "Memory": (megabytes(now.memory), "Of this server's process, models included"),
    }


def _time(seconds: float | None) -> str:
    return EMPTY if seconds is None else f"{1000 * seconds:,.0f} ms"
