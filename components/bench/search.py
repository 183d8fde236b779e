"""Speed, recall and memory of search, against exact numpy and FAISS's exact index, in one run."""

import os
import statistics
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from components.bench.baseline import RANDOM_CLIP, located
from components.bench.measure import Say, in_a_fresh_process, temporary_data
from components.collection.chunks import Row, write_shard
from components.collection.manifest import Manifest, Shard, folder_of, write_manifest
from components.collection.query import compose, parse
from components.collection.records import Record
from components.collection.search import Limits, search
from components.collection.sources.source import SourceSpec
from components.collection.store import open_folder
from components.collection.writer import SHARD_ROWS, write_index
from components.encoder import load
from components.scores import Floats, unit

_WIDTH, _TOP, _QUERIES = 512, 10, 200
_CLUSTER_SIZE = 100  # vectors of a cluster, on average
_NOISE = 0.7  # standard deviation a dimension; the cluster centres have 1
_SEED = 1_000_000  # of the queries; the seeds of vectors are shard numbers


def clustered(rows: int, clusters: int, seed: int) -> Floats:
    """Return (rows, 512) unit vectors around ``clusters`` centres, the same for every ``seed``."""
    centres = np.random.default_rng(0).standard_normal((clusters, _WIDTH), dtype=np.float32)
    rng = np.random.default_rng(seed)
    noise = rng.standard_normal((rows, _WIDTH), dtype=np.float32)
    return unit(centres[rng.integers(0, len(centres), rows)] + _NOISE * noise)


def synthetic(name: str, rows: int) -> Manifest:
    """Write a collection of random clustered vectors, with the metadata of a folder collection."""
    folder = folder_of(name)
    folder.mkdir(parents=True)
    shards = []
    for number, start in enumerate(range(0, rows, SHARD_ROWS), start=1):
        shards.append(_shard(folder, number, range(start, min(start + SHARD_ROWS, rows)), rows))
    facts = write_index(
        folder,
        "index.faiss",
        shards,
        _WIDTH,
        lambda: clustered(100, rows // _CLUSTER_SIZE, _SEED),
    )
    manifest = Manifest(
        name, RANDOM_CLIP, "", "f32", _WIDTH, SourceSpec("folder", name), tuple(shards), facts
    )
    return write_manifest(folder, replace(manifest, complete=True, generation=1))


def _shard(folder: Path, number: int, rows: range, whole: int) -> Shard:
    records: list[Record] = [
        {
            "id": f"album {n // 500}/{n:07}.jpg",
            "image": f"album {n // 500}/{n:07}.jpg",
            "location": f"/images/album {n // 500}/{n:07}.jpg",
            "digest": f"{n:064x}",
            "signature": f"{n}-{n}",
            "width": 4000,
            "height": 3000,
            "file_type": "JPEG",
            "folder": f"album {n // 500}",
            "year": 2000 + n % 26,
            "colours": ["blue", "green"],
            "thumbnail_bytes": 1,
            "orientation": "landscape",
        }
        for n in rows
    ]
    vectors = clustered(len(rows), whole // _CLUSTER_SIZE, number)
    stored = [Row(record, vector, b"\0") for record, vector in zip(records, vectors, strict=True)]
    return write_shard(folder / f"{number:06}", stored, number)


def at_25k(rounds: int, say: Say) -> None:
    """Print the time of a search beside that of encoding its text, at 25,000 vectors."""
    with temporary_data(), located(RANDOM_CLIP) as place:
        encoder = load(place)
        synthetic("bench", 25_000)
        collection = open_folder("bench")
        texts = [f"photograph number {n} of something" for n in range(_QUERIES)]

        def ours(text: str) -> list[str]:
            query = compose(encoder, parse(text))
            return list(search(collection, query.vector, Limits(_TOP)).ids)

        bare, whole = _medians(texts * rounds, lambda text: encoder.texts([text]), ours)
        index = collection.index
        say(f"\n25,000 vectors, {_WIDTH} wide; index: {index.kind}, {index.effort}")
        say(f"{'text encoder alone, p50':<44}{bare:>9.2f} ms")
        say(f"{'text to the ids of its ten nearest, p50':<44}{whole:>9.2f} ms{whole / bare:>9.2f}x")
        every = np.concatenate(collection.matrix.parts)
        _compare(every, index.search, rounds, say)


def _medians(items: list[str], *jobs: Callable[[str], object]) -> list[float]:
    """Return the median milliseconds of each job; the jobs alternate on every item."""
    times: list[list[float]] = [[] for _ in jobs]
    for number, item in enumerate(items):
        for job, taken in zip(jobs, times, strict=True):
            start = time.perf_counter()
            job(item)
            if number >= len(items) // 10:
                taken.append(1000 * (time.perf_counter() - start))
    return [statistics.median(taken) for taken in times]


def _compare(every: Floats, ours: Callable[..., object], rounds: int, say: Say) -> None:
    """Print the time of exact numpy, FAISS exact and our search, alternating on every query."""
    import faiss

    flat = faiss.IndexFlatIP(_WIDTH)
    flat.add(every)
    queries = clustered(20, len(every) // _CLUSTER_SIZE, _SEED + 1)

    def numpy(number: str) -> object:
        cosines = every @ queries[int(number)]
        best = np.argpartition(cosines, -_TOP)[-_TOP:]
        return best[np.argsort(-cosines[best])]

    numbers = [str(n) for n in range(len(queries))] * rounds
    exact, library, mine = _medians(
        numbers,
        numpy,
        lambda n: flat.search(queries[int(n)][None], _TOP),
        lambda n: ours(queries[int(n)], _TOP),
    )
    say(f"{'search alone, p50':<44}{'ms':>12}{'ours is':>12}")
    say(f"{'  exact numpy':<44}{exact:>12.2f}{exact / mine:>11.1f}x faster")
    say(f"{'  FAISS exact (IndexFlatIP)':<44}{library:>12.2f}{library / mine:>11.1f}x faster")
    say(f"{'  ours':<44}{mine:>12.2f}")


@dataclass(frozen=True)
class _Probe:
    """Measurements of a collection in a fresh process."""

    opening: float  # seconds, metadata included
    resident: int  # bytes, after the queries
    base: int  # bytes, before
    recall: float
    p50: float  # milliseconds


def at_1m(rounds: int, say: Say, rows: int = 1_000_000) -> None:
    """Print recall, speed, memory and opening time at a million vectors."""
    with temporary_data():
        start = time.perf_counter()
        manifest = synthetic("bench", rows)
        index = manifest.index
        assert index is not None  # noqa: S101 - synthetic makes one
        say(f"\n{rows:,} vectors, {_WIDTH} wide; index: {index.kind}, {index.effort}")
        say(f"vectors and index made in {time.perf_counter() - start:.0f} s")
        collection = open_folder("bench")
        every = np.concatenate(collection.matrix.parts)
        queries = clustered(100, rows // _CLUSTER_SIZE, _SEED + 2)
        truth = np.argsort(-(queries @ every.T), axis=1)[:, :_TOP]
        _compare(every, collection.index.search, rounds, say)
        probe = in_a_fresh_process(_probe, "bench", queries, truth)
        whole = rows * _WIDTH * 4
        say(f"{'recall@10 against exact':<44}{probe.recall:>12.4f}")
        say(f"{'p50 in a fresh process':<44}{probe.p50:>12.2f} ms")
        say(f"{'opening, metadata included':<44}{probe.opening:>12.2f} s")
        say(
            f"{'resident memory after the queries':<44}{probe.resident / 1e6:>9,.0f} MB,"
            f" {probe.resident / whole:.2f} of the float32 vectors ({whole / 1e6:,.0f} MB);"
            f" {probe.base / 1e6:,.0f} MB before"
        )


def _probe(name: str, queries: Floats, truth: np.ndarray) -> _Probe:
    import faiss  # noqa: F401 - its memory is not the collection's

    base = _resident()
    start = time.perf_counter()
    collection = open_folder(name)
    collection.table  # noqa: B018 - the metadata is loaded on first access
    opening = time.perf_counter() - start
    nearest = [collection.index.search(query, _TOP)[0] for query in queries]
    times = []
    for query in queries:
        start = time.perf_counter()
        search(collection, query, Limits(_TOP))
        times.append(1000 * (time.perf_counter() - start))
    hits = [np.isin(rows, row).mean() for row, rows in zip(nearest, truth, strict=True)]
    return _Probe(opening, _resident(), base, float(np.mean(hits)), statistics.median(times))


def _resident() -> int:
    """Return this process's resident bytes, file pages included."""
    with Path("/proc/self/statm").open(encoding="ascii") as file:
        return int(file.read().split()[1]) * os.sysconf("SC_PAGE_SIZE")
