"""Untrusted text in Markdown."""

import re
from urllib.parse import quote, urlsplit

_SPECIAL = re.compile(r"([\\`*_{}\[\]()<>#+\-.!|~$:&])")
# The browser draws an icon or emoji for a name between colons, even where they are escaped.
_SHORTCODE = re.compile(r":(?=[\w+/-]+:)")
_WORD_JOINER = "\N{WORD JOINER}"  # invisible
_IN_ADDRESSES = ":/?#@!$&'*+,;=%~-._"  # but for brackets, which mean something in Markdown


def plain(text: str) -> str:
    """Return ``text`` with all Markdown escaped, so that a file name is shown as it is."""
    return _SPECIAL.sub(r"\\\1", _SHORTCODE.sub(f":{_WORD_JOINER}", text))


def web_address(url: object) -> str:
    """Return ``url`` as a link may have it, "" where it is not an http or https address."""
    try:
        parts = urlsplit(str(url or ""))
    except ValueError:
        return ""
    whole = parts.scheme in {"http", "https"} and parts.hostname
    return quote(str(url), safe=_IN_ADDRESSES) if whole else ""


def linked(text: str, url: str, host: bool = False) -> str:
    """Return ``text`` as a Markdown link, or as plain text where ``url`` is not on the web.

    ``host``: name the host that a stranger's link leads to.
    """
    address = web_address(url)
    if not address:
        return plain(text)
    return f"[{plain(f'{text} ({urlsplit(address).hostname})' if host else text)}]({address})"
