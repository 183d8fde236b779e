"""A source's images -> a collection: what is new is encoded, what is gone is dropped."""

import threading
import time
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from functools import partial
from itertools import islice, product
from typing import Literal

import numpy as np

from components.collection.manifest import (
    PUBLISHED,
    UNDER_WAY,
    CollectionError,
    Manifest,
    folder_of,
    read_manifest,
)
from components.collection.open_shard import Row
from components.collection.records import Record, record_of
from components.collection.sources.folder import Folder
from components.collection.sources.samples import Samples
from components.collection.sources.source import ImageSource, Item, SourceSpec
from components.collection.writer import Writer, writing
from components.encoder import Encoded, Encoder, Skipped, encode
from components.images import Source
from components.scores import Floats
from components.words import duration

Stage = Literal["Reading the source", "Encoding", "Indexing"]
COMMIT = 64  # images that are stored together: what a kill can cost
_DOWNLOADS = 8  # at a time
_WINDOW = 5.0  # seconds over which the rate is measured

# What people ask for, to measure an index with: texts lie elsewhere than images.
_THINGS = ("a dog", "two children", "an old car", "a mountain", "a plate of food", "a bird")
_PLACES = (
    "on a beach",
    "in the snow",
    "at night",
    "in a city street",
    "seen from above",
    "in a room",
)


@dataclass(frozen=True)
class BuildProgress:
    """How far a build is; ``seconds_left`` is None until a rate is known."""

    stage: Stage
    done: int = 0  # images of the source that are settled: stored, known or skipped
    total: int = 0
    skipped: int = 0
    per_second: float = 0.0
    seconds_left: float | None = None
    name: str = ""  # of the image last settled


@dataclass(frozen=True)
class Report:
    """What a build did."""

    manifest: Manifest
    added: int
    kept: int
    dropped: int
    skipped: int


@dataclass(frozen=True)
class Job:
    """A collection to make or to bring up to date; ``afresh`` encodes everything again."""

    name: str
    source: SourceSpec
    afresh: bool = False


def build(
    job: Job,
    encoder: Encoder,
    on_progress: Callable[[BuildProgress], None] = lambda progress: None,
    stop: threading.Event | None = None,
    images: ImageSource | None = None,
) -> Report:
    """Make a collection, go on with an interrupted one, or bring one up to date with its source.

    Readers see the new state at the end; a stop publishes what is there, to be gone on with.
    ``images`` stands in for what the job's source describes. Raises CollectionError and its
    kinds, and what the source raises where it cannot be read.
    """
    _check_source(job)
    run = _Run(encoder, on_progress, stop or threading.Event())
    images = images or open_source(job.source)
    limit = job.source.limit or None
    with writing(job.name, job.source, encoder, job.afresh) as writer:
        before = set(writer.known)
        on_progress(BuildProgress("Reading the source"))
        listed = {item.id for item in islice(images.items(), limit) if isinstance(item, Item)}
        run.encode_new(islice(images.items(), limit), listed, writer)
        on_progress(BuildProgress("Indexing", run.done, run.total, len(run.skipped)))
        keep = frozenset((listed & writer.known.keys()) - run.skipped.keys())
        skipped = list(run.skipped.values())
        manifest = writer.publish(keep, skipped, partial(_queries, encoder), not run.stop.is_set())
    return Report(manifest, run.added, len(keep) - run.added, len(before - keep), len(skipped))


def describe(now: BuildProgress) -> str:
    """Return how far a build is, in a line."""
    if now.stage != "Encoding":
        return now.stage
    left = "" if now.seconds_left is None else f", {duration(now.seconds_left)} left"
    skipped = f", {now.skipped:,} skipped" if now.skipped else ""
    return f"{now.done:,} of {now.total:,}, {now.per_second:.0f} a second{left}{skipped}"


def summary(report: Report) -> str:
    """Return what a build did, in a sentence or two."""
    facts = report.manifest
    done = "" if facts.complete else " It was stopped: run it again to go on."
    return (
        f"{facts.name}: {facts.rows:,} images ({report.added:,} new, {report.dropped:,} dropped,"
        f" {report.skipped:,} skipped).{done}"
    )


def _queries(encoder: Encoder) -> Floats:
    """Return the vectors of what people ask for, to measure an index with."""
    texts = [" ".join(pair) for pair in product(_THINGS, _PLACES)]
    return np.concatenate([encoder.texts([text]) for text in texts])  # as they will be asked


def open_source(spec: SourceSpec) -> ImageSource:
    """Return what a spec describes."""
    if spec.kind == "folder":
        return Folder(spec.location)
    if spec.kind == "samples":
        return Samples()
    from components.collection.sources.remote import Fetcher

    if spec.kind == "table":
        from components.collection.sources.table import Table

        return Table(spec.location, spec.images, Fetcher().get)
    from components.collection.sources.unsplash import Unsplash

    return Unsplash(spec.location, spec.limit)


def _check_source(job: Job) -> None:
    """Raise CollectionError where a name is taken by a collection of another source."""
    for file in (PUBLISHED, UNDER_WAY):
        try:
            known = read_manifest(folder_of(job.name), file)
        except CollectionError:
            if not job.afresh:
                raise
            continue
        if known and replace(known.source, limit=job.source.limit) != job.source:
            source = f"{known.source.kind} {known.source.location}".strip()
            raise CollectionError(
                f"{job.name} is a collection of another source ({source}): choose another name, or"
                " remove it first."
            )


class _Run:
    """One build under way: its counts, its skipped table, its progress."""

    def __init__(
        self, encoder: Encoder, tell: Callable[[BuildProgress], None], stop: threading.Event
    ) -> None:
        self.encoder, self.tell, self.stop = encoder, tell, stop
        self.skipped: dict[str, Record] = {}
        self.done = self.total = self.added = 0
        self._marks: deque[tuple[float, int]] = deque([(time.monotonic(), 0)])
        self._encoded = 0

    def encode_new(self, items: Iterator[Item | Skipped], listed: set[str], writer: Writer) -> None:
        """Store what the writer does not know yet, in batches of COMMIT."""
        self.total = len(listed)
        digests = {known.digest: id_ for id_, known in writer.known.items() if id_ in listed}
        batch: list[Row] = []
        for item, result in self._results(self._new(items, writer)):
            self._count(result)
            first = digests.get(result.photo.digest) if isinstance(result, Encoded) else None
            if isinstance(result, Skipped):
                self._skip(item.id, result.reason)
            elif first not in (None, item.id):
                self._skip(item.id, f"{item.id} is the same file as {first}.")
            else:
                digests[result.photo.digest] = item.id
                batch.append(_row(item, result))
            if len(batch) >= max(COMMIT, self.encoder.batch):
                self._store(batch, writer)
            if self.stop.is_set():
                break
        self._store(batch, writer)

    def _store(self, batch: list[Row], writer: Writer) -> None:
        writer.add(batch)
        self.added += len(batch)
        batch.clear()

    def _new(self, items: Iterable[Item | Skipped], writer: Writer) -> Iterator[Item]:
        for item in items:
            if self.stop.is_set():
                return
            if isinstance(item, Skipped):
                self._skip(item.source.name, item.reason)
                continue
            known = writer.known.get(item.id)
            if known and known.signature == item.signature:
                self.done += 1
            else:
                yield item

    def _results(self, items: Iterator[Item]) -> Iterator[tuple[Item, Encoded | Skipped]]:
        """Yield each item with its vector, downloads running ahead of the decoding."""
        waiting: deque[Item] = deque()
        pool = ThreadPoolExecutor(_DOWNLOADS)

        def sources() -> Iterator[Source]:
            for item in items:
                waiting.append(item)
                data = item.source.data
                ahead = pool.submit(data).result if callable(data) else data
                yield replace(item.source, data=ahead)

        try:
            for result in encode(self.encoder, sources(), thumbnails=True):
                yield waiting.popleft(), result
        finally:
            pool.shutdown(wait=False, cancel_futures=True)

    def _skip(self, id_: str, reason: str) -> None:
        self.skipped[id_] = {"id": id_, "reason": reason}

    def _count(self, result: Encoded | Skipped) -> None:
        self.done += 1
        self._encoded += 1
        now = time.monotonic()
        self._marks.append((now, self._encoded))
        while self._marks[0][0] < now - _WINDOW:
            self._marks.popleft()
        since, before = self._marks[0]
        rate = (self._encoded - before) / max(now - since, 1e-9)
        source = result.photo.source if isinstance(result, Encoded) else result.source
        left = (self.total - self.done) / rate if rate else None
        self.tell(
            BuildProgress(
                "Encoding", self.done, self.total, len(self.skipped), rate, left, source.name
            )
        )


def _row(item: Item, encoded: Encoded) -> Row:
    return Row(record_of(item, encoded), encoded.vector, encoded.thumbnail)
