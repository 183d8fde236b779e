"""Search on a Milvus server beside search in the folder, over the same vectors in one run."""

import secrets
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass

import numpy as np
import psutil

from components.bench.measure import Say, environment, temporary_data
from components.bench.search import clustered, synthetic
from components.collection.collection import Collection
from components.collection.filters import Filters, mask
from components.collection.milvus.address import Server, connect
from components.collection.milvus.publish import PublishProgress, publish, withdraw
from components.collection.opening import open_collection
from components.collection.store import FolderCollection, open_folder
from components.scores import Floats
from components.words import megabytes

_TOP, _QUERIES = 10, 100
_CLIENTS, _EACH = 20, 25  # at once, and the queries of each
_ALBUM = 500  # rows of a folder in the synthetic collection
_SEED = 3_000_000


@dataclass(frozen=True)
class _Case:
    """A filter, and the true cosine of the tenth nearest image of each query (q,)."""

    title: str
    filters: Filters
    tenth: Floats


def beside(to: str, rows: int, say: Say) -> None:
    """Print recall, speed and memory of both, and how long publishing took.

    The collection has a name of its own on the server, and is removed again.
    """
    server, name = connect(to), f"bench-{secrets.token_hex(4)}"
    with temporary_data(), environment("CAPTIONLENS_MILVUS", to):
        synthetic(name, rows)
        before = _memory(server)
        with _published(name, server, rows, say):
            folder, served = open_folder(name), open_collection(name)
            queries = clustered(_QUERIES, max(rows // 100, 1), _SEED)
            cases = [
                _case("no filter", {}, folder, queries),
                _case("1% pass", _one_percent(rows), folder, queries),
                _case("half pass", {"year": ["2013.."]}, folder, queries),
            ]
            both: dict[str, Collection] = {"folder": folder, "Milvus": served}
            say(f"\n{'':<34}{'recall@10':>12}{'p50':>10}{'p95':>10}{f'{_CLIENTS} at once':>16}")
            for case in cases:
                _compare(case, both, queries, say)
            say(f"memory of the server: {_words(before)} before, {_words(_memory(server))} after")


@contextmanager
def _published(name: str, server: Server, rows: int, say: Say) -> Iterator[None]:
    """Publish a collection for a while; print how long each stage took."""
    stages: dict[str, float] = {}

    def show(now: PublishProgress) -> None:
        stages.setdefault(now.stage, time.perf_counter())

    try:
        publish(name, server, show, threading.Event())
        ends = [*[*stages.values()][1:], time.perf_counter()]
        for (stage, begin), end in zip(stages.items(), ends, strict=True):
            say(f"{stage:<10}{end - begin:>8.1f} s{rows / (end - begin):>12,.0f} images/s")
        yield
    finally:
        withdraw(name, server)


def _one_percent(rows: int) -> Filters:
    albums = max(1, round(rows / 100 / _ALBUM))
    return {"folder": [f"album {7 * n}" for n in range(albums)]}


def _case(title: str, filters: Filters, folder: FolderCollection, queries: Floats) -> _Case:
    allowed = mask(folder.table, filters)
    best = np.full((len(queries), _TOP), -1.0, dtype=np.float32)
    first = 0
    for chunk in folder.matrix.chunks():
        passing = chunk if allowed is None else chunk[allowed[first : first + len(chunk)]]
        first += len(chunk)
        every = np.concatenate([best, queries @ passing.T], axis=1)
        best = -np.partition(-every, _TOP - 1, axis=1)[:, :_TOP]
    return _Case(title, filters, best.min(axis=1))


def _compare(case: _Case, both: dict[str, Collection], queries: Floats, say: Say) -> None:
    """Print a line for each; they alternate on every query."""
    near, times = dict.fromkeys(both, 0), {name: [0.0] * len(queries) for name in both}
    for number, (query, tenth) in enumerate(zip(queries, case.tenth, strict=True)):
        for name, collection in both.items():
            start = time.perf_counter()
            found = collection.find(query, _TOP, case.filters)
            times[name][number] = 1000 * (time.perf_counter() - start)
            near[name] += int((found.cosines >= tenth - 1e-5).sum())
    for name, collection in both.items():
        p50, p95 = np.percentile(times[name][_QUERIES // 10 :], [50, 95])
        rate = _rate(collection, case.filters, queries)
        say(
            f"{f'{case.title}, {name}':<34}{near[name] / (_TOP * len(queries)):>12.4f}"
            f"{p50:>7.1f} ms{p95:>7.1f} ms{rate:>10,.0f} q/s"
        )


def _rate(collection: Collection, filters: Filters, queries: Floats) -> float:
    """Return the queries a second of several clients at once."""

    def client(number: int) -> None:
        for n in range(_EACH):
            collection.find(queries[(number + n) % len(queries)], _TOP, filters)

    start = time.perf_counter()
    with ThreadPoolExecutor(_CLIENTS) as pool:
        list(pool.map(client, range(_CLIENTS)))
    return _CLIENTS * _EACH / (time.perf_counter() - start)


def _memory(server: Server) -> int:
    """Return the bytes of the process that listens at the address, 0 where it is not here."""
    if server.address.lite:
        return 0
    for connection in psutil.net_connections("tcp"):
        listens = connection.status == psutil.CONN_LISTEN and connection.pid
        if listens and connection.laddr.port == server.address.port:
            return int(psutil.Process(connection.pid).memory_info().rss)
    return 0


def _words(size: int) -> str:
    return megabytes(size) if size else "not measured"
