"""Builds a collection from a source: new images are encoded, missing ones dropped."""

import threading
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass, replace
from functools import partial
from itertools import chain, islice, product
from pathlib import Path
from typing import Literal

import numpy as np

from components.collection.encoding import Engine, Here, Job
from components.collection.manifest import (
    FILMS,
    PUBLISHED,
    UNDER_WAY,
    CollectionError,
    Damaged,
    Manifest,
    folder_of,
    read_manifest,
)
from components.collection.sources.captioned import Captioned
from components.collection.sources.films import Films
from components.collection.sources.folder import Folder
from components.collection.sources.samples import Samples
from components.collection.sources.source import (
    FilmPosition,
    Growing,
    ImageSource,
    Item,
    SourceSpec,
)
from components.collection.writer import Writer, writing
from components.encoder import Encoder
from components.rate import Rate
from components.scores import Floats
from components.words import and_more, count, duration

Stage = Literal["Reading the source", "Encoding", "Indexing"]

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
    film: FilmPosition | None = None  # where the films of a folder are being decoded

    @property
    def share(self) -> float:
        """How much of the work is done, from 0 to 1."""
        return self.film.share if self.film else self.done / max(self.total, 1)


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


def build(  # noqa: PLR0913 - two of them replace what is usual
    job: BuildJob,
    encoder: Encoder,
    on_progress: Callable[[BuildProgress], None] = lambda progress: None,
    stop: threading.Event | None = None,
    *,
    images: ImageSource | None = None,
    engine: Engine | None = None,
) -> BuildReport:
    """Build a collection, resume an interrupted build, or update a collection from its source.

    Readers see the new state at the end; ``stop`` publishes what is there, and the next build
    resumes. ``images`` replaces what the job's source describes; ``engine`` encodes in place of
    this process. Raises CollectionError and its subclasses, and what the source raises where it
    cannot be read.
    """
    _check_source(job)
    stop = stop or threading.Event()
    images = images or open_source(job.source, stop, folder_of(job.name) / FILMS)
    limit = job.source.limit or None
    with writing(job.name, job.source, encoder, job.rebuild) as writer:
        on_progress(BuildProgress("Reading the source"))
        writer.read(islice(images.items(), limit))
        run = _Run(writer, on_progress, stop)
        run.encode(run.new(images, limit), engine or Here(encoder))
        on_progress(replace(run.progress, stage="Indexing"))
        # A check finds the copies of a captioned dataset; a film may show the same again.
        counts = writer.settle(keep_copies=job.source.kind == "captions" or job.source.has_films)
        manifest = writer.publish(partial(_queries, encoder), not stop.is_set())
    return BuildReport(manifest, **asdict(counts), damaged=writer.damaged)


def describe(now: BuildProgress) -> str:
    """Return how far a build is, in one line."""
    if now.stage != "Encoding":
        return now.stage
    left = "" if now.seconds_left is None else f", {duration(now.seconds_left)} left"
    skipped = f", {now.skipped:,} skipped" if now.skipped else ""
    if now.film:
        frames = f"{count(now.done, 'frame')}, {now.per_second:.0f} per second"
        return f"{now.film}; {frames}{left}{skipped}"
    return f"{now.done:,} of {now.total:,} images, {now.per_second:.0f} per second{left}{skipped}"


def summary(report: BuildReport) -> str:
    """Return what a build did, in a sentence or two."""
    manifest = report.manifest
    stopped = "" if manifest.complete else " The build was stopped. Run it again to resume."
    names = and_more(report.damaged, 3)
    damaged = f" Damaged files, whose images were encoded again: {names}." if names else ""
    return (
        f"{manifest.name}: {count(manifest.rows, manifest.source.noun)} ({report.added:,} new,"
        f" {report.dropped:,} dropped, {report.skipped:,} skipped).{damaged}{stopped}"
    )


def _queries(encoder: Encoder) -> Floats:
    """Return (q, width) vectors of everyday queries, to measure an index with."""
    texts = [" ".join(pair) for pair in product(_SUBJECTS, _PLACES)]
    return np.concatenate([encoder.texts([text]) for text in texts])  # one by one, as in a search


def open_source(spec: SourceSpec, stop: threading.Event, films: Path) -> ImageSource:
    """Return the source that a spec describes; ``stop`` ends its downloads and decoding.

    ``films`` is the folder where it keeps what is known of films.
    """
    if spec.has_films:
        return Films(spec.location, films, stop)
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
    """The encoding of one build: its counts and progress."""

    def __init__(
        self, writer: Writer, on_progress: Callable[[BuildProgress], None], stop: threading.Event
    ) -> None:
        self._writer, self._on_progress, self._stop = writer, on_progress, stop
        total, done, skipped = writer.listing.counts()
        self.progress = BuildProgress("Encoding", done, total, skipped)
        self._encoded = 0
        self._rate = Rate()
        self._rate.add(0)
        self._films = Rate(window=60.0)  # of millionths of all films

    def new(self, images: ImageSource, limit: int | None) -> Iterator[Item]:
        """Yield what a source has and the collection has not, in the order that it is found."""
        listing = self._writer.listing
        if not isinstance(images, Growing):
            return listing.new(islice(images.items(), limit))
        room = None if limit is None else max(0, limit - listing.counts()[0])
        pending = images.pending(listing.is_known, self._place)
        return islice(listing.take(pending), room)

    def _place(self, film: FilmPosition) -> None:
        self._films.add(round(film.share * 1e6))
        left = self._films.seconds_left(round((1 - film.share) * 1e6))
        self.progress = replace(self.progress, film=film, seconds_left=left)
        self._on_progress(self.progress)

    def encode(self, items: Iterator[Item], engine: Engine) -> None:
        """Encode and store what is not stored yet."""
        first = next(items, None)
        if first is None or self._stop.is_set():
            return
        self._writer.begin()
        job = Job(self._writer.folder, self._writer.state, self._stop, self._count)
        for chunk in engine.chunks(chain([first], items), job):
            self._writer.adopt(chunk)

    def _count(self, name: str, failed: bool) -> None:
        self._encoded += 1
        now = self.progress
        done, rate = now.done + 1, self._rate.add(self._encoded)
        left = now.seconds_left if now.film else self._rate.seconds_left(now.total - done)
        self.progress = BuildProgress(
            "Encoding", done, now.total, now.skipped + failed, rate, left, name, now.film
        )
        self._on_progress(self.progress)
