"""A text box's lines -> captions."""

import re
import unicodedata
from dataclasses import dataclass

from components.settings import Settings

# Kept although invisible: joiners make one emoji of several and shape Persian and Indic words.
_JOINERS = "\u200c\u200d"
_INVISIBLE = re.compile("[\u00ad\u200b\u2060\ufeff]")


@dataclass(frozen=True)
class CaptionList:
    """The captions of a text, in their order; what was merged or left out is counted."""

    captions: tuple[str, ...]
    merged: int  # lines equal to an earlier one
    dropped: int  # captions above the limit


def parse(text: str, limit: int | None = None) -> CaptionList:
    """Return one caption a line; blank lines and lines that begin with # are left out.

    Captions are compared and returned in Unicode's NFC form, with white space collapsed and
    without control characters. ``limit`` is how many are kept, by default the setting.
    """
    lines = [_clean(line) for line in text.splitlines()]
    asked = [line for line in lines if line.strip(_JOINERS) and not line.startswith("#")]
    captions = tuple(dict.fromkeys(asked))
    limit = limit or Settings().max_captions
    return CaptionList(captions[:limit], len(asked) - len(captions), max(0, len(captions) - limit))


def _clean(line: str) -> str:
    spaced = " ".join(_INVISIBLE.sub("", unicodedata.normalize("NFC", line)).split())
    visible = (mark for mark in spaced if unicodedata.category(mark) not in {"Cc", "Cs"})
    return "".join(visible).strip()
