"""What the benchmarks share: fresh processes, peak memory, the processor, temporary data."""

import multiprocessing
import os
import platform
import re
import tempfile
from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from components.scores import Floats

_EXTENSIONS = (
    *("avx2", "avx512f", "avx_vnni", "avx512_vnni"),
    *("avx512_bf16", "amx_int8", "amx_bf16"),
)
Say = Callable[[str], None]
Result = TypeVar("Result")


def in_a_fresh_process(function: Callable[..., Result], *arguments: object) -> Result:
    """Return the result of a module-level ``function`` run in a newly started process."""
    with ProcessPoolExecutor(1, multiprocessing.get_context("spawn")) as pool:
        return pool.submit(function, *arguments).result()


def peak_memory(process: int | None = None) -> int:
    """Return the peak resident memory of a process, by default this one, in bytes (Linux only)."""
    status = Path(f"/proc/{process or 'self'}/status").read_text(encoding="ascii")
    return 1024 * int(re.search(r"VmHWM:\s+(\d+) kB", status)[1])  # type: ignore[index]


def processor() -> str:
    """Return the processor's name, its number of cores, and its vector and matrix extensions."""
    try:
        text = Path("/proc/cpuinfo").read_text(encoding="utf-8")
    except OSError:  # not Linux
        return f"{platform.processor() or platform.machine()}, {os.cpu_count()} cores"
    name = re.search(r"model name\s*:\s*(.+)", text)
    flags = set((re.search(r"flags\s*:\s*(.+)", text) or [""])[0].split())
    kinds = [kind for kind in _EXTENSIONS if kind in flags]
    return f"{name[1] if name else platform.machine()}, {os.cpu_count()} cores: {', '.join(kinds)}"


@contextmanager
def temporary_data() -> Iterator[Path]:
    """Keep a benchmark's collections in a temporary folder."""
    with tempfile.TemporaryDirectory() as folder, environment("CAPTIONLENS_DATA", folder):
        yield Path(folder)


@contextmanager
def environment(variable: str, value: str) -> Iterator[None]:
    """Set an environment variable for a while."""
    before = os.environ.get(variable)
    os.environ[variable] = value
    try:
        yield
    finally:
        os.environ.pop(variable)
        if before is not None:
            os.environ[variable] = before


def average_precision(scores: Floats, wrong: NDArray[np.bool_]) -> float:
    """Return the average precision of finding ``wrong`` (n,) by ``scores`` (n,), high first."""
    from sklearn.metrics import average_precision_score

    return float(average_precision_score(wrong, scores))
