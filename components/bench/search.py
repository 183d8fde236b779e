"""How fast and how small search is, against exact numpy and FAISS's own exact index, in one run."""

import csv
import os
import statistics
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from components.bench.baseline import RANDOM_CLIP, jpegs, located
from components.bench.measure import Say, in_a_fresh_process, peak_memory
from components.bench.recall import recall_both_ways
from components.collection.build import Job, build
from components.collection.index import build_index
from components.collection.manifest import (
    File,
    IndexFacts,
    Manifest,
    Shard,
    facts_of,
    folder_of,
    write_manifest,
    write_whole,
)
from components.collection.query import Term, compose, parse
from components.collection.records import Record, table_of, write_table
from components.collection.search import Limits, search
from components.collection.sources.source import SourceSpec
from components.collection.store import open_collection, save_index
from components.collection.vectors import open_vectors
from components.collection.writer import SHARD_ROWS
from components.encoder import Encoder, encode, load
from components.images import source_of
from components.models import locate, resolve
from components.scores import Floats, unit

_WIDTH, _TOP, _QUERIES = 512, 10, 200
_A_CLUSTER = 100  # vectors of one cluster, on average
_NOISE = 0.7  # of a vector, beside 1 for the centre of its cluster, a dimension
_FILES = 1024
_SEED = 1_000_000  # of the queries: the vectors' are small numbers


@contextmanager
def workplace() -> Iterator[Path]:
    """Keep the collections of a benchmark in a folder of its own, removed afterwards."""
    before = os.environ.get("CAPTIONLENS_DATA")
    with tempfile.TemporaryDirectory() as folder:
        os.environ["CAPTIONLENS_DATA"] = folder
        try:
            yield Path(folder)
        finally:
            os.environ.pop("CAPTIONLENS_DATA")
            if before is not None:
                os.environ["CAPTIONLENS_DATA"] = before


def clustered(rows: int, clusters: int, seed: int) -> Floats:
    """Return (rows, 512) unit vectors round ``clusters`` centres, the same for every seed."""
    centres = np.random.default_rng(0).standard_normal((clusters, _WIDTH), dtype=np.float32)
    draw = np.random.default_rng(seed)
    noise = draw.standard_normal((rows, _WIDTH), dtype=np.float32)
    return unit(centres[draw.integers(0, len(centres), rows)] + _NOISE * noise)


def synthetic(name: str, rows: int) -> Manifest:
    """Write a collection of random clustered vectors, with metadata as a folder's images have."""
    folder = folder_of(name)
    folder.mkdir(parents=True)
    shards = []
    for number, start in enumerate(range(0, rows, SHARD_ROWS), start=1):
        shards.append(_shard(folder, number, range(start, min(start + SHARD_ROWS, rows)), rows))
    named = [(folder / shard.vectors.name, shard.rows) for shard in shards]
    index, recall = build_index(
        open_vectors(named, _WIDTH), lambda: clustered(100, rows // _A_CLUSTER, _SEED)
    )
    file = save_index(folder, "index.faiss", index)
    facts = IndexFacts(file, index.kind, index.exact, index.effort, recall)
    manifest = Manifest(
        name, RANDOM_CLIP, "", "f32", _WIDTH, SourceSpec("folder", name), tuple(shards), facts
    )
    return write_manifest(folder, replace(manifest, complete=True, generation=1))


def _shard(folder: Path, number: int, rows: range, whole: int) -> Shard:
    def write(kind: str, data: bytes) -> File:
        path = folder / f"{number:06}.{kind}"
        path.write_bytes(data)
        return facts_of(path)

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
    metadata = write_whole(
        folder / f"{number:06}.parquet", lambda draft: write_table(table_of(records), draft)
    )
    vectors = write("vectors", clustered(len(rows), whole // _A_CLUSTER, number).tobytes())
    return Shard(number, len(rows), vectors, write("thumbnails", b"\0" * len(rows)), metadata)


def at_25k(rounds: int, say: Say) -> None:
    """Print what a search adds to encoding its text, at 25,000 vectors."""
    with workplace(), located(RANDOM_CLIP) as place:
        encoder = load(place)
        synthetic("bench", 25_000)
        collection = open_collection("bench")
        texts = [f"photograph number {n} of something" for n in range(_QUERIES)]

        def ours(text: str) -> list[str]:
            query = compose(encoder, parse(text))
            return collection.ids(search(collection, query.vector, Limits(_TOP)).rows)

        bare, whole = _medians(texts * rounds, lambda text: encoder.texts([text]), ours)
        index = collection.index
        say(f"\n25,000 vectors, {_WIDTH} wide; index: {index.kind}, {index.effort}")
        say(f"{'text encoder alone, p50':<44}{bare:>9.2f} ms")
        say(f"{'text to the ids of its ten nearest, p50':<44}{whole:>9.2f} ms{whole / bare:>9.2f}x")
        every = np.concatenate(collection.vectors.parts)
        _compare(every, index.search, rounds, say)


def _medians(items: list[str], *jobs: Callable[[str], object]) -> list[float]:
    """Return the median milliseconds of each job, all of them in turns on every item."""
    times: list[list[float]] = [[] for _ in jobs]
    for number, item in enumerate(items):
        for job, taken in zip(jobs, times, strict=True):
            start = time.perf_counter()
            job(item)
            if number >= len(items) // 10:
                taken.append(1000 * (time.perf_counter() - start))
    return [statistics.median(taken) for taken in times]


def _compare(every: Floats, ours: Callable[..., object], rounds: int, say: Say) -> None:
    """Print the search alone: exact numpy, FAISS exact and ours, in turns on every query."""
    import faiss

    flat = faiss.IndexFlatIP(_WIDTH)
    flat.add(every)
    queries = clustered(20, len(every) // _A_CLUSTER, _SEED + 1)

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
    """What a fresh process sees of a collection."""

    opening: float  # seconds, metadata included
    resident: int  # bytes, after the queries
    base: int  # bytes, before
    recall: float
    p50: float  # milliseconds


def at_1m(rounds: int, say: Say, rows: int = 1_000_000) -> None:
    """Print recall, speed, memory and opening time at a million vectors."""
    with workplace():
        start = time.perf_counter()
        manifest = synthetic("bench", rows)
        index = manifest.index
        assert index is not None  # noqa: S101 - synthetic makes one
        say(f"\n{rows:,} vectors, {_WIDTH} wide; index: {index.kind}, {index.effort}")
        say(f"made in {time.perf_counter() - start:.0f} s, vectors and index")
        collection = open_collection("bench")
        every = np.concatenate(collection.vectors.parts)
        queries = clustered(100, rows // _A_CLUSTER, _SEED + 2)
        truth = np.argsort(-(queries @ every.T), axis=1)[:, :_TOP]
        _compare(every, collection.index.search, rounds, say)
        probe = in_a_fresh_process(_probe, "bench", queries, truth)
        whole = rows * _WIDTH * 4
        say(f"{'recall@10 against exact':<44}{probe.recall:>12.4f}")
        say(f"{'p50 in a fresh process':<44}{probe.p50:>12.2f} ms")
        say(f"{'opening it, metadata included':<44}{probe.opening:>12.2f} s")
        say(
            f"{'resident memory after the queries':<44}{probe.resident / 1e6:>9,.0f} MB,"
            f" {probe.resident / whole:.2f} of the float32 vectors ({whole / 1e6:,.0f} MB);"
            f" {probe.base / 1e6:,.0f} MB before"
        )


def _probe(name: str, queries: Floats, truth: np.ndarray) -> _Probe:
    import faiss  # noqa: F401 - part of the process before the collection is opened

    base = _resident()
    start = time.perf_counter()
    collection = open_collection(name)
    collection.table  # noqa: B018 - read when it is first needed
    opening = time.perf_counter() - start
    found = [collection.index.search(query, _TOP)[0] for query in queries]
    times = []
    for query in queries:
        start = time.perf_counter()
        collection.ids(search(collection, query, Limits(_TOP)).rows)
        times.append(1000 * (time.perf_counter() - start))
    hit = [np.isin(rows, row).mean() for row, rows in zip(found, truth, strict=True)]
    return _Probe(opening, _resident(), base, float(np.mean(hit)), statistics.median(times))


def _resident() -> int:
    """Return this process's resident bytes, file pages included."""
    with Path("/proc/self/statm").open(encoding="ascii") as file:
        return int(file.read().split()[1]) * os.sysconf("SC_PAGE_SIZE")


def building(rounds: int, say: Say) -> None:
    """Print images a second of building a folder collection, against encoding alone."""
    encoder = load(locate(resolve("pocket")))
    with workplace() as folder:
        files = _distinct(jpegs(folder / "files", (640, 480), _FILES))
        sources = [source_of(file) for file in files]
        rates: dict[bool, list[float]] = {True: [], False: []}
        for turn in range(rounds + 1):
            for mine in (True, False):
                start = time.perf_counter()
                if mine:
                    build(Job(f"turn {turn}", SourceSpec("folder", str(folder / "files"))), encoder)
                else:
                    list(encode(encoder, sources))
                if turn:
                    rates[mine].append(_FILES / (time.perf_counter() - start))
        ours, bare = statistics.median(rates[True]), statistics.median(rates[False])
    say(f"\n{_FILES} JPEG files of 640 x 480, images a second, Pocket")
    say(f"{'files to vectors':<44}{bare:>12.1f}")
    say(f"{'files to a collection, thumbnails included':<44}{ours:>12.1f}  ({ours / bare:.0%})")


def _distinct(files: list[Path]) -> list[Path]:
    """Make each file's bytes its own: what follows a JPEG's end is not looked at."""
    for number, file in enumerate(files):
        file.write_bytes(file.read_bytes() + f"{number}".encode())
    return files


def memory(images: Path, say: Say, counts: tuple[int, int] = (2_000, 20_000)) -> None:
    """Print the peak memory of building from few and from many of a folder's images."""
    originals = [file for file in sorted(images.iterdir()) if file.suffix == ".jpg"]
    say("\npeak memory of a build, each in a fresh process")
    peaks: list[int] = []
    for count in counts:
        with workplace() as folder:
            place = folder / "files"
            place.mkdir()
            for number in range(count):
                data = originals[number % len(originals)].read_bytes()
                (place / f"{number:06}.jpg").write_bytes(data + f"{number}".encode())
            peaks.append(in_a_fresh_process(_peak, str(place)))
        say(f"{f'{count:,} images':<44}{peaks[-1] / 1e6:>12,.0f} MB")
    say(f"{'ratio':<44}{peaks[1] / peaks[0]:>12.2f}")


def _peak(place: str) -> int:
    encoder = load(locate(resolve("pocket")))
    build(Job("bench", SourceSpec("folder", place)), encoder)
    return peak_memory()


def recall(model_id: str, folder: Path, say: Say) -> None:
    """Print caption to image recall through the search, beside that of exact ranking.

    ``folder`` has ``images/`` and ``captions.csv`` with columns image, split and caption; the test
    split becomes a table collection.
    """
    with (folder / "captions.csv").open(encoding="utf-8", newline="") as file:
        rows = [row for row in csv.DictReader(file) if row["split"] == "test"]
    encoder = load(locate(resolve(model_id)))
    with workplace() as place:
        table = place / "test.csv"
        with table.open("w", encoding="utf-8", newline="") as sink:
            writer = csv.DictWriter(sink, ["image", "caption"], extrasaction="ignore")
            writer.writeheader()
            writer.writerows(rows)
        spec = SourceSpec("table", str(table), str(folder / "images"))
        build(Job("test", spec), encoder)
        _recall(encoder, rows, say)


def _recall(encoder: Encoder, rows: list[dict[str, str]], say: Say) -> None:
    collection = open_collection("test")
    ranks = []
    for row in rows:
        query = compose(encoder, [Term(row["caption"])])
        found = collection.ids(search(collection, query.vector, Limits(10)).rows)
        ranks.append(found.index(row["image"]) if row["image"] in found else 10)
    shares = " / ".join(f"{100 * np.mean(np.array(ranks) < k):.2f}" for k in (1, 5, 10))
    say(f"\n{len(rows):,} captions, {len(collection):,} images: recall@1 / 5 / 10 in percent")
    say(f"{'through the search':<44}{shares}")
    truth = np.array([collection.row_of(row["image"]) for row in rows])
    known = truth[:, None] == np.arange(len(collection))
    texts = encoder.texts([row["caption"] for row in rows])
    exact, _ = recall_both_ways(texts @ np.concatenate(collection.vectors.parts).T, known)
    say(f"{'exact ranking':<44}{exact}")
