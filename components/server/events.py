"""The server's log of events: a line of JSON each, on standard error.

No query, name of a file or collection, or address of a person is written unless
CAPTIONLENS_LOG_TEXTS=1; a person is a keyed hash, the same on every server with the same key.
"""

import hashlib
import hmac
import json
import sys
from collections.abc import Mapping
from datetime import UTC, datetime

from components.settings import SettingError, Settings

Fact = str | int | float | bool | None


def log(event: str, texts: Mapping[str, str] | None = None, **facts: Fact) -> None:
    """Write an event's line; ``texts`` are left out unless the settings ask for them."""
    line: dict[str, Fact] = {
        "time": datetime.now(UTC).isoformat(timespec="milliseconds"),
        "event": event,
        **facts,
    }
    if texts and _texts_wanted():
        line |= dict(texts)
    sys.stderr.write(json.dumps(line) + "\n")  # a single write: lines of threads do not mix
    sys.stderr.flush()


def _texts_wanted() -> bool:
    try:
        return Settings().log_texts
    except SettingError:  # the pages name the wrong setting; until it is mended, no texts
        return False


def pseudonym(address: str, key: str) -> str:
    """Return a name for an address that cannot be turned back without the key."""
    digest = hmac.new(key.encode(), address.strip().lower().encode(), hashlib.sha256)
    return digest.hexdigest()[:16]
