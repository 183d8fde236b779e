"""A list to be written again, on disk or in memory, and text written like it."""

import io
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import BinaryIO, TextIO

_BOM = b"\xef\xbb\xbf"


@dataclass(frozen=True)
class Original:
    """A list on disk or in memory: its file's name, and what opens its bytes."""

    name: str
    open: Callable[[], BinaryIO]

    def text(self) -> TextIO:
        """Open its text, without UTF-8's mark; ends of lines stay. Raises OSError."""
        return io.TextIOWrapper(self.open(), encoding="utf-8-sig", newline="")

    @property
    def encoding(self) -> str:
        """The encoding of a file that begins with UTF-8's mark if this one does."""
        with self.open() as start:
            return "utf-8-sig" if start.read(3) == _BOM else "utf-8"


@contextmanager
def as_text(out: BinaryIO, encoding: str = "utf-8") -> Iterator[TextIO]:
    """Yield a stream of text into ``out``, which stays open; ends of lines are written as given."""
    text = io.TextIOWrapper(out, encoding=encoding, newline="")
    try:
        yield text
    finally:
        text.detach()
