"""What the benchmarks measure with: fresh processes, and the memory of one."""

import multiprocessing
import re
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path
from typing import TypeVar

Say = Callable[[str], None]
Found = TypeVar("Found")


def in_a_fresh_process(function: Callable[..., Found], *arguments: object) -> Found:
    """Return what ``function`` of a module returns in a process that has done nothing else."""
    with ProcessPoolExecutor(1, multiprocessing.get_context("spawn")) as pool:
        return pool.submit(function, *arguments).result()


def peak_memory() -> int:
    """Return the most bytes that this process has held: Linux tells it."""
    status = Path("/proc/self/status").read_text(encoding="ascii")
    return 1024 * int(re.search(r"VmHWM:\s+(\d+) kB", status)[1])  # type: ignore[index]
