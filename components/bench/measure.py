"""Fresh processes, their peak memory, and a temporary data folder for the benchmarks."""

import multiprocessing
import os
import re
import tempfile
from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import TypeVar

Say = Callable[[str], None]
Result = TypeVar("Result")


def in_a_fresh_process(function: Callable[..., Result], *arguments: object) -> Result:
    """Return the result of a module-level ``function`` run in a newly started process."""
    with ProcessPoolExecutor(1, multiprocessing.get_context("spawn")) as pool:
        return pool.submit(function, *arguments).result()


def peak_memory() -> int:
    """Return the peak resident memory of this process in bytes (VmHWM, Linux only)."""
    status = Path("/proc/self/status").read_text(encoding="ascii")
    return 1024 * int(re.search(r"VmHWM:\s+(\d+) kB", status)[1])  # type: ignore[index]


@contextmanager
def temporary_data() -> Iterator[Path]:
    """Keep a benchmark's collections in a temporary folder."""
    before = os.environ.get("CAPTIONLENS_DATA")
    with tempfile.TemporaryDirectory() as folder:
        os.environ["CAPTIONLENS_DATA"] = folder
        try:
            yield Path(folder)
        finally:
            os.environ.pop("CAPTIONLENS_DATA")
            if before is not None:
                os.environ["CAPTIONLENS_DATA"] = before
