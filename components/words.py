"""Numbers, sizes, times and lists in words."""

from collections.abc import Sequence

EMPTY = "–"  # noqa: RUF001 - the en dash of an empty table cell


def duration(seconds: float) -> str:
    """Return "4 s", "2 min 5 s", or, from an hour on, rounded to minutes, "1 h 3 min"."""
    if round(seconds) >= 3600:
        hours, minutes = divmod(round(seconds / 60), 60)
        return f"{hours} h {minutes} min"
    minutes, rest = divmod(round(seconds), 60)
    return f"{minutes} min {rest} s" if minutes else f"{rest} s"


def shorten(text: str, length: int = 60) -> str:
    """Return ``text`` in at most ``length`` characters; its end stays, which tells files apart."""
    if len(text) <= length:
        return text
    half = (length - 1) // 2
    return f"{text[:half]}…{text[-half:]}"


def count(number: int, noun: str) -> str:
    """Return "1 image", "2 images"."""
    return f"{number:,} {noun}" if number == 1 else f"{number:,} {noun}s"


def megabytes(size: int) -> str:
    """Return bytes as people read them: "609 MB", "1.7 GB"."""
    return f"{size / 1e9:.1f} GB" if size >= 1e9 else f"{size / 1e6:.0f} MB"


def and_more(names: Sequence[str], shown: int = 5) -> str:
    """Return "a, b and 3 more": the first ``shown`` names, and how many others there are."""
    listed = ", ".join(names[:shown])
    return f"{listed} and {len(names) - shown:,} more" if len(names) > shown else listed
