"""Encodes the images of a source in chunks, on this machine; `cluster` does so on a cluster."""

import threading
from collections import deque
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Protocol

from components.collection.chunks import Chunk, Result, chunk_size, write_chunk
from components.collection.manifest import Manifest
from components.collection.sources.source import Item
from components.encoder import Encoded, Encoder, Skipped, encode
from components.images import Source

_DOWNLOADS = 8  # at a time


@dataclass(frozen=True)
class Job:
    """Where chunks are written, which model makes them, when to stop, and who hears of images.

    ``on_image`` takes an image's name, and whether it failed.
    """

    folder: Path
    maker: Manifest
    stop: threading.Event
    on_image: Callable[[str, bool], None]


class Engine(Protocol):
    """What encodes images."""

    def chunks(self, items: Iterator[Item], job: Job) -> Iterator[Chunk]:
        """Yield chunks of the items' images as they are finished, until ``stop`` is set."""
        ...


@dataclass(frozen=True)
class Here:
    """An Engine: this process."""

    encoder: Encoder

    def chunks(self, items: Iterator[Item], job: Job) -> Iterator[Chunk]:
        """Yield chunks in the items' order; the last one has what was finished before a stop."""
        results: list[Result] = []
        for item, result in self._results(items):
            if job.stop.is_set() and isinstance(result, Skipped):
                break  # its download was ended
            results.append((item, result))
            job.on_image(item.source.name, isinstance(result, Skipped))
            if job.stop.is_set():
                break
            if len(results) == chunk_size(self.encoder.batch):
                yield write_chunk(job.folder, job.maker, results)
                results = []
        if results:
            yield write_chunk(job.folder, job.maker, results)

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
