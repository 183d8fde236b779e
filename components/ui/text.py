"""Strangers' text in our Markdown."""

import re

_SPECIAL = re.compile(r"([\\`*_{}\[\]()<>#+\-.!|~$:&])")


def plain(text: str) -> str:
    """Return ``text`` with all Markdown escaped, so that a file name is shown as it is."""
    return _SPECIAL.sub(r"\\\1", text)


def shorten(text: str, length: int = 60) -> str:
    """Return ``text`` in at most ``length`` characters; its end stays, which tells files apart."""
    if len(text) <= length:
        return text
    half = (length - 1) // 2
    return f"{text[:half]}…{text[-half:]}"


def count(number: int, noun: str) -> str:
    """Return "1 picture", "2 pictures"."""
    return f"{number:,} {noun}" if number == 1 else f"{number:,} {noun}s"
