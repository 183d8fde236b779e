"""What the server does once, before the first session."""

from streamlit import config, runtime
from streamlit.runtime.stats import ACTIVE_SESSIONS_FAMILY

from components.server import events
from components.server.counters import count_sessions
from components.server.roles import Access
from components.server.sharing import declare_shared, reaches_beyond
from components.settings import SettingError, Settings
from components.ui import account, login
from components.version import version


def begin() -> None:
    """Find out whether the server is shared, and log its start. Raises AccessError."""
    access = account.access()
    names = config.get_option("server.allowedHosts")
    if access is not None or reaches_beyond(config.get_option("server.address"), names):
        declare_shared()
    count_sessions(_sessions)
    try:
        _log_start(access, Settings())
    except SettingError as error:  # the pages say it too
        events.log("warning", message=str(error))


def _log_start(access: Access | None, settings: Settings) -> None:
    events.log(
        "start",
        version=version(),
        login=access is not None,
        shared=settings.shared,
        read_only=settings.read_only,
    )
    if access is None and settings.shared:
        events.log("warning", message=login.missing())
    elif access is not None and access.nobody:
        events.log(
            "warning",
            message="Login is on, and nobody is let in: set allowed, editors or admins in"
            " [captionlens] of secrets.toml.",
        )


def _sessions() -> int:
    stats = runtime.get_instance().stats_mgr.get_stats(family_names=[ACTIVE_SESSIONS_FAMILY])
    return sum(int(getattr(each, "value", 0)) for each in stats.get(ACTIVE_SESSIONS_FAMILY, []))
