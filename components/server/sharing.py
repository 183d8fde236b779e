"""Whether other people use this server, and which places it may index for them."""

import ipaddress
import os
from collections.abc import Iterable
from pathlib import Path

from components.errors import CaptionLensError
from components.settings import SHARED, Settings


class PlaceRefused(CaptionLensError):  # noqa: N818 - a state, not a failure
    """A place that this server does not index from the page."""


def is_loopback(host: str) -> bool:
    """Return whether a host's name or address means this computer alone."""
    host = host.strip().strip("[]").lower()
    if host == "localhost":
        return True
    try:
        address = ipaddress.ip_address(host)
    except ValueError:
        return False
    mapped = getattr(address, "ipv4_mapped", None)  # ::ffff:127.0.0.1
    return bool((mapped or address).is_loopback)


def reaches_beyond(address: str | None, names: Iterable[str]) -> bool:
    """Return whether others than this computer's own people reach a server.

    ``address`` is where it listens (None: everywhere), ``names`` the hosts that it answers to
    (none: all of them), a proxy's among them.
    """
    hosts = list(names)
    here = address is not None and (address.startswith("unix:") or is_loopback(address))
    return not here or not hosts or not all(map(is_loopback, hosts))


def declare_shared() -> None:
    """Have every `Settings` of this process, and of those that it starts, say ``shared``."""
    os.environ[SHARED] = "1"


def check_place(place: str) -> None:
    """Return if a file or folder may be indexed from the page. Raises PlaceRefused.

    Links are followed first. An address of the web, and no place at all, are not on this server.
    """
    settings = Settings()
    folders = settings.folders if settings.folders is not None else () if settings.shared else None
    if folders is None or not place or place.startswith(("https://", "http://")):
        return
    try:
        path = Path(place).expanduser().resolve()
        inside = any(path.is_relative_to(folder.expanduser().resolve()) for folder in folders)
    except (OSError, ValueError, RuntimeError):  # a null byte, a circular link, an unknown ~user
        inside = False
    if not inside:
        raise PlaceRefused(
            f"{place[:200]} is not in a folder that may be indexed from this page. Index it with"
            " `python cli.py index`, or ask for its folder in CAPTIONLENS_FOLDERS."
        )
