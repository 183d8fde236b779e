"""Builds a collection from a source: new images are encoded, missing ones dropped."""

import threading
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from functools import partial
from itertools import islice, product
from pathlib import Path
from typing import Literal

import numpy as np

from components.collection.manifest import (
    PUBLISHED,
    UNDER_WAY,
    CollectionError,
    Damaged,
    Manifest,
    folder_of,
    read_manifest,
)
from components.collection.open_shard import Row
from components.collection.records import Record, record_of
from components.collection.sources.captioned import Captioned
from components.collection.sources.folder import Folder
from components.collection.sources.samples import Samples
from components.collection.sources.source import ImageSource, Item, SourceSpec
from components.collection.writer import Writer, writing
from components.encoder import Encoded, Encoder, Skipped, encode
from components.images import Source
from components.rate import Rate
from components.scores import Floats
from components.words import and_more, count, duration

Stage = Literal["Reading the source", "Encoding", "Indexing"]
COMMIT = 64  # images stored at a time: the most that a kill can lose
_DOWNLOADS = 8  # at a time

# Texts to measure an index's recall with: their vectors are distributed like those of queries.
_SUBJECTS = ("a dog", "two children", "an old car", "a mountain", "a plate of food", "a bird")
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
    """How far a build is; ``seconds_left`` is None while the rate is 0."""

    stage: Stage
    done: int = 0  # images of the source that are stored or skipped
    total: int = 0
    skipped: int = 0
    per_second: float = 0.0
    seconds_left: float | None = None
    name: str = ""  # of the last image


@dataclass(frozen=True)
class BuildReport:
    """The result of a build, and how many images it added, kept, dropped and skipped.

    ``damaged`` names files found damaged, whose images were encoded again.
    """

    manifest: Manifest
    added: int
    kept: int
    dropped: int
    skipped: int
    damaged: tuple[str, ...] = ()


@dataclass(frozen=True)
class BuildJob:
    """A collection to build or update; ``rebuild`` encodes every image again."""

    name: str
    source: SourceSpec
    rebuild: bool = False


def build(
    job: BuildJob,
    encoder: Encoder,
    on_progress: Callable[[BuildProgress], None] = lambda progress: None,
    stop: threading.Event | None = None,
    images: ImageSource | None = None,
) -> BuildReport:
    """Build a collection, resume an interrupted build, or update a collection from its source.

    Readers see the new state at the end; ``stop`` publishes what is there, and the next build
    resumes. ``images`` replaces what the job's source describes. Raises CollectionError and its
    subclasses, and what the source raises where it cannot be read.
    """
    _check_source(job)
    run = _Run(encoder, on_progress, stop or threading.Event())
    run.keep_copies = job.source.kind == "captions"  # a check finds them
    images = images or open_source(job.source, run.stop)
    limit = job.source.limit or None
    with writing(job.name, job.source, encoder, job.rebuild) as writer:
        stored = set(writer.stored)
        on_progress(BuildProgress("Reading the source"))
        listed = {item.id for item in islice(images.items(), limit) if isinstance(item, Item)}
        run.encode_new(islice(images.items(), limit), listed, writer)
        on_progress(BuildProgress("Indexing", run.done, run.total, len(run.skipped)))
        keep = frozenset((listed & writer.stored.keys()) - run.skipped.keys())
        skipped = list(run.skipped.values())
        manifest = writer.publish(keep, skipped, partial(_queries, encoder), not run.stop.is_set())
    counts = run.added, len(keep) - run.added, len(stored - keep), len(skipped)
    return BuildReport(manifest, *counts, writer.damaged)


def describe(now: BuildProgress) -> str:
    """Return how far a build is, in one line."""
    if now.stage != "Encoding":
        return now.stage
    left = "" if now.seconds_left is None else f", {duration(now.seconds_left)} left"
    skipped = f", {now.skipped:,} skipped" if now.skipped else ""
    return f"{now.done:,} of {now.total:,} images, {now.per_second:.0f} per second{left}{skipped}"


def summary(report: BuildReport) -> str:
    """Return what a build did, in a sentence or two."""
    manifest = report.manifest
    stopped = "" if manifest.complete else " The build was stopped. Run it again to resume."
    names = and_more(report.damaged, 3)
    damaged = f" Damaged files, whose images were encoded again: {names}." if names else ""
    return (
        f"{manifest.name}: {count(manifest.rows, 'image')} ({report.added:,} new,"
        f" {report.dropped:,} dropped, {report.skipped:,} skipped).{damaged}{stopped}"
    )


def _queries(encoder: Encoder) -> Floats:
    """Return (q, width) vectors of everyday queries, to measure an index with."""
    texts = [" ".join(pair) for pair in product(_SUBJECTS, _PLACES)]
    return np.concatenate([encoder.texts([text]) for text in texts])  # one by one, as in a search


def open_source(spec: SourceSpec, stop: threading.Event) -> ImageSource:
    """Return the source that a spec describes; ``stop`` ends its downloads."""
    if spec.kind == "folder":
        return Folder(spec.location)
    if spec.kind == "samples":
        return Samples()
    if spec.kind == "captions":
        return Captioned(spec.location, spec.images)
    from components.collection.sources.remote import Fetcher

    if spec.kind == "table":
        from components.collection.sources.table import Table

        return Table(spec.location, spec.images, Fetcher(stop=stop).get)
    from components.collection.sources.unsplash import Unsplash

    return Unsplash(spec.location, spec.limit, Fetcher(stop=stop))


def _check_source(job: BuildJob) -> None:
    """Raise CollectionError where a collection of this name has another source."""
    for file in (PUBLISHED, UNDER_WAY):
        try:
            manifest = read_manifest(folder_of(job.name), file)
        except Damaged:
            if file == PUBLISHED and not job.rebuild:
                raise
            continue  # it is made again
        if manifest and replace(manifest.source, limit=job.source.limit) != job.source:
            # Its name alone: on a shared server its path is no visitor's to know.
            source = f"{manifest.source.kind} {Path(manifest.source.location).name}".strip()
            raise CollectionError(
                f"{job.name} is a collection of another source ({source}). Choose another name, or"
                " remove the collection first."
            )


class _Run:
    """One running build: its counts, skipped images and progress."""

    def __init__(
        self, encoder: Encoder, on_progress: Callable[[BuildProgress], None], stop: threading.Event
    ) -> None:
        self.encoder, self.on_progress, self.stop = encoder, on_progress, stop
        self.skipped: dict[str, Record] = {}
        self.done = self.total = self.added = 0
        self.keep_copies = False  # equal files are skipped, as a search would find each of them
        self._encoded = 0
        self._rate = Rate()
        self._rate.add(0)

    def encode_new(self, items: Iterator[Item | Skipped], listed: set[str], writer: Writer) -> None:
        """Encode and store what is not stored yet, in batches of COMMIT."""
        self.total = len(listed)
        digests = {image.digest: id_ for id_, image in writer.stored.items() if id_ in listed}
        batch: list[Row] = []
        for item, result in self._results(self._new(items, writer)):
            if self.stop.is_set() and isinstance(result, Skipped):
                break  # its download was ended
            self._count(result)
            first = digests.get(result.photo.digest) if isinstance(result, Encoded) else None
            if isinstance(result, Skipped):
                self._skip(item.id, result.reason)
            elif first not in (None, item.id) and not self.keep_copies:
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
            stored = writer.stored.get(item.id)
            if stored and stored.signature == item.signature:
                self.done += 1
            else:
                yield item

    def _results(self, items: Iterator[Item]) -> Iterator[tuple[Item, Encoded | Skipped]]:
        """Yield each item with its vector; downloads run ahead of decoding."""
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
        rate = self._rate.add(self._encoded)
        left = self._rate.seconds_left(self.total - self.done)
        source = result.photo.source if isinstance(result, Encoded) else result.source
        self.on_progress(
            BuildProgress(
                "Encoding", self.done, self.total, len(self.skipped), rate, left, source.name
            )
        )


def _row(item: Item, encoded: Encoded) -> Row:
    return Row(record_of(item, encoded), encoded.vector, encoded.thumbnail)
