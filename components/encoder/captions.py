"""A text box's lines -> captions."""

import unicodedata
from dataclasses import dataclass

from components.settings import Settings

# Soft hyphen, zero-width space, word joiner, byte order mark. Joiners and marks of the reading
# direction stay: they make one emoji of several, shape Persian, and order Arabic beside Latin.
_IGNORED = frozenset("\u00ad\u200b\u2060\ufeff")
_UNSEEN = frozenset({"Cf", "Mn", "Zs"})  # Unicode categories: format, accent on nothing, space


@dataclass(frozen=True)
class CaptionList:
    """The captions of a text, in their order; what was merged or left out is counted."""

    captions: tuple[str, ...]
    merged: int  # lines equal to an earlier one
    dropped: int  # captions above the limit


def parse_captions(text: str, limit: int | None = None) -> CaptionList:
    """Return one caption a line; blank lines and lines that begin with # are left out.

    Captions are compared and returned in Unicode's NFC form, with white space collapsed and
    without control characters. ``limit`` is how many are kept, by default the setting.
    """
    lines = [_clean(line) for line in text.splitlines()]
    asked = [line for line in lines if _shows(line) and not line.startswith("#")]
    captions = tuple(dict.fromkeys(asked))
    limit = Settings().max_captions if limit is None else limit
    return CaptionList(captions[:limit], len(asked) - len(captions), max(0, len(captions) - limit))


def _clean(line: str) -> str:
    kept = (mark for mark in line if mark.isspace() or _is_text(mark))
    return " ".join(unicodedata.normalize("NFC", "".join(kept)).split())


def _is_text(mark: str) -> bool:
    return mark not in _IGNORED and unicodedata.category(mark) not in {"Cc", "Cs"}


def _shows(line: str) -> bool:
    """Return whether anything of a line can be seen: not just joiners and reading directions."""
    return any(unicodedata.category(mark) not in _UNSEEN for mark in line)
