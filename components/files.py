"""Files that appear whole or not at all."""

import os
import tempfile
from pathlib import Path


def write_bytes(file: Path, data: bytes) -> None:
    """Put ``data`` into ``file`` in one step, its folder made first. Raises OSError."""
    file.parent.mkdir(parents=True, exist_ok=True)
    handle, draft = tempfile.mkstemp(dir=file.parent, prefix=f".{file.name[:40]}.")
    try:
        with os.fdopen(handle, "wb") as sink:
            sink.write(data)
            sink.flush()
            os.fsync(sink.fileno())
            os.fchmod(sink.fileno(), 0o644)  # mkstemp's is for its owner alone
        Path(draft).replace(file)
    except BaseException:
        Path(draft).unlink(missing_ok=True)
        raise
