"""Untrusted text in Markdown."""

import re

_SPECIAL = re.compile(r"([\\`*_{}\[\]()<>#+\-.!|~$:&])")


def plain(text: str) -> str:
    """Return ``text`` with all Markdown escaped, so that a file name is shown as it is."""
    return _SPECIAL.sub(r"\\\1", text)


def linked(text: str, url: str) -> str:
    """Return ``text`` as a Markdown link to ``url``, or as plain text if ``url`` is empty."""
    return f"[{plain(text)}]({url})" if url else plain(text)
