"""What the server counts: for Prometheus as text, for the Models page as numbers.

Counts begin at the start of the server and hold no text and no person.
"""

import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np
import psutil
from numpy.typing import NDArray
from prometheus_client import (
    CollectorRegistry,
    Counter,
    Gauge,
    Histogram,
    ProcessCollector,
    generate_latest,
)

from components.encoder import Encoder
from components.encoder.runtimes import Array, Runtime

_LATEST = 1000  # queries that the page's p50 and p95 are of
_REGISTRY = CollectorRegistry()
ProcessCollector(registry=_REGISTRY)  # memory, processor time, open files
_QUERIES = Histogram(
    "captionlens_query_seconds",
    "Seconds from a query to its results, the encoding included",
    buckets=(0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0),
    registry=_REGISTRY,
)
_ENCODED = Counter(
    "captionlens_encoded",
    "Images and captions that a model has encoded",
    ["kind"],
    registry=_REGISTRY,
)
_BUILDS = Counter("captionlens_builds", "Builds of collections that ended", registry=_REGISTRY)
_SESSIONS = Gauge("captionlens_sessions", "Pages that are open now", registry=_REGISTRY)
_seconds: deque[float] = deque(maxlen=_LATEST)
_began = time.monotonic()


@dataclass(frozen=True)
class Usage:
    """Numbers since the start: times in seconds, None without a query; memory in bytes."""

    uptime: float
    sessions: int
    queries: int
    p50: float | None
    p95: float | None
    images: int
    captions: int
    builds: int
    memory: int


def count_query(seconds: float) -> None:
    """Count a query and how long it took."""
    _QUERIES.observe(seconds)
    _seconds.append(seconds)


def count_build() -> None:
    """Count a build that has ended."""
    _BUILDS.inc()


def count_sessions(now: Callable[[], int]) -> None:
    """Take the number of open pages from ``now`` whenever it is asked for."""
    _SESSIONS.set_function(now)


def counted(encoder: Encoder) -> Encoder:
    """Return an encoder that counts what it encodes, and is the same otherwise."""
    return replace(encoder, runtime=_Counted(encoder.runtime))


class _Counted:
    """A Runtime that counts the images and captions that pass through it."""

    def __init__(self, runtime: Runtime) -> None:
        self._runtime = runtime
        self.library, self.device = runtime.library, runtime.device
        self.precision = runtime.precision

    def images(self, *inputs: Array) -> NDArray[np.float32]:
        rows = self._runtime.images(*inputs)
        _ENCODED.labels("image").inc(len(rows))
        return rows

    def texts(self, ids: Array, mask: Array) -> NDArray[np.float32]:
        rows = self._runtime.texts(ids, mask)
        _ENCODED.labels("caption").inc(len(rows))
        return rows


def as_text() -> bytes:
    """Return all counters in Prometheus' text format."""
    return generate_latest(_REGISTRY)


def usage() -> Usage:
    """Return the numbers as they are now."""
    latest = list(_seconds)
    p50, p95 = (float(each) for each in np.percentile(latest, (50, 95))) if latest else (None, None)
    return Usage(
        time.monotonic() - _began,
        _value("captionlens_sessions"),
        _value("captionlens_query_seconds_count"),
        p50,
        p95,
        _value("captionlens_encoded_total", kind="image"),
        _value("captionlens_encoded_total", kind="caption"),
        _value("captionlens_builds_total"),
        psutil.Process().memory_info().rss,
    )


def _value(sample: str, **labels: str) -> int:
    return int(_REGISTRY.get_sample_value(sample, labels) or 0)
