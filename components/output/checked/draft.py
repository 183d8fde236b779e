"""Opens the draft of a text file."""

import io
from pathlib import Path

_BOM = b"\xef\xbb\xbf"


def open_like(file: Path, draft: Path) -> io.TextIOWrapper:
    """Open a draft for text whose ends of lines stay; it begins with UTF-8's mark if ``file`` does.

    Raises OSError.
    """
    with file.open("rb") as start:
        encoding = "utf-8-sig" if start.read(3) == _BOM else "utf-8"
    return draft.open("w", encoding=encoding, newline="")
