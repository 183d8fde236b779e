"""Writes files whole or not at all."""

import os
import tempfile
from collections.abc import Callable
from pathlib import Path

DRAFT = ".draft"


def write_whole(path: Path, write: Callable[[Path], object]) -> None:
    """Have ``write(draft)`` write a file, then put it at ``path`` in one step, readable by all.

    The draft is beside it under a name of its own. Once this returns, the file survives a crash of
    the machine; where it raises, what was there before stays. Raises OSError and what ``write``
    raises.
    """
    handle, name = tempfile.mkstemp(DRAFT, f".{path.name[:40]}.", path.parent)
    os.close(handle)
    draft = Path(name)
    try:
        write(draft)
        draft.chmod(0o644)  # mkstemp's is for its owner only
        _sync(draft)
        draft.replace(path)
    except BaseException:
        draft.unlink(missing_ok=True)
        raise
    _sync(path.parent)


def write_bytes(path: Path, data: bytes) -> None:
    """Put ``data`` into ``path`` in one step, its folder made first. Raises OSError."""
    path.parent.mkdir(parents=True, exist_ok=True)
    write_whole(path, lambda draft: draft.write_bytes(data))


def _sync(path: Path) -> None:
    """Wait until a file, or a folder's list of files, is on the disk."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
