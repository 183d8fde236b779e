"""Parses captions from text, one per line."""

import unicodedata
from dataclasses import dataclass

from components.settings import Settings

# Soft hyphen, zero-width space, word joiner, byte order mark. Zero-width joiners and direction
# marks are kept: composed emoji, Persian, and Arabic mixed with Latin need them.
_IGNORED = frozenset("\u00ad\u200b\u2060\ufeff")
_INVISIBLE = frozenset({"Cf", "Mn", "Zs"})  # Unicode categories: format, accent alone, space


@dataclass(frozen=True)
class CaptionList:
    """The captions of a text, in their order, with the number of lines merged or left out."""

    captions: tuple[str, ...]
    merged: int  # lines equal to an earlier one
    dropped: int  # captions above the limit


def parse_captions(text: str, limit: int | None = None) -> CaptionList:
    """Return one caption per line, without blank lines and lines that begin with #.

    Captions are normalised to Unicode NFC, with white space collapsed and control characters
    removed. At most ``limit`` are kept, by default the setting.
    """
    lines = [_clean(line) for line in text.splitlines()]
    given = [line for line in lines if _is_visible(line) and not line.startswith("#")]
    captions = tuple(dict.fromkeys(given))
    limit = Settings().max_captions if limit is None else limit
    return CaptionList(captions[:limit], len(given) - len(captions), max(0, len(captions) - limit))


def _clean(line: str) -> str:
    kept = (mark for mark in line if mark.isspace() or _is_text(mark))
    return " ".join(unicodedata.normalize("NFC", "".join(kept)).split())


def _is_text(mark: str) -> bool:
    return mark not in _IGNORED and unicodedata.category(mark) not in {"Cc", "Cs"}


def _is_visible(line: str) -> bool:
    """Return whether a line has a visible character: not only joiners and direction marks."""
    return any(unicodedata.category(mark) not in _INVISIBLE for mark in line)
