"""Encodes images on a Ray cluster: each worker has an encoder of its own, and writes chunks.

Workers read the originals, and write into the collection's folder, where this machine has them: on
storage that all share. They send back only what a chunk's receipt says. Whatever ends a worker, its
chunks are encoded again by another one; an image that ends one worker after another is named.
"""

import importlib
import os
import signal
import socket
import time
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field, replace
from functools import partial
from itertools import islice
from pathlib import Path
from typing import Any

from components.collection.chunks import Chunk, chunk_size, write_chunk
from components.collection.encoding import Job
from components.collection.manifest import CollectionError, Manifest
from components.collection.sources.source import Item
from components.encoder import Encoder, Skipped, encode, load
from components.errors import CaptionLensError
from components.models import ModelSpec
from components.version import version

_IN_FLIGHT = 2  # chunks of a worker: one is read and written while the other is encoded
_CPUS = 4  # of a worker without a GPU: decoding and encoding, for half a gigabyte of memory
_DEATHS = 2  # of workers, before a chunk is halved, or its one image is named
_PATIENCE = 300.0  # seconds without any worker: a model may have to be converted first
_CONNECT = 5.0  # seconds
_CURRENT = Path("/tmp/ray/ray_current_cluster")  # noqa: S108 - where `ray start` notes its cluster
_STORE = 256_000_000  # bytes of Ray's own memory, where a cluster is started: only lists pass there
_MISSING = "Ray is not installed. Run `pip install -r requirements-scale.txt`."


class ClusterError(CollectionError):
    """A cluster that cannot be used, and what to do about it."""


@dataclass(frozen=True)
class Cluster:
    """An Engine: the workers of a Ray cluster, one for each GPU, or for some cores.

    ``address`` is HOST:PORT of a cluster that this machine has joined; "auto" is the one that runs
    here, or else one that is started on this machine alone. ``key`` is that of the encoder that the
    collection is for; ``load`` returns it in a worker, given the number of its threads. ``cpus``
    are the cores of a worker without a GPU.
    """

    address: str
    key: tuple[str, str, str]
    load: Callable[[int], Encoder]
    cpus: int = _CPUS

    def chunks(self, items: Iterator[Item], job: Job) -> Iterator[Chunk]:
        """Yield chunks as they are finished; after a stop, those that were begun."""
        with _connected(self.address) as ray:
            pool = _Pool(ray, self, job)
            try:
                yield from pool.run(items)
            finally:
                pool.close()


def cluster(address: str, encoder: Encoder) -> Cluster:
    """Return the engine that encodes on a Ray cluster what ``encoder`` would encode here."""
    load = partial(_load, encoder.spec, encoder.runtime.precision)
    return Cluster(address, encoder.key, load)


def _load(model: ModelSpec, precision: str, threads: int) -> Encoder:
    return load(model, precision, threads=threads)


@contextmanager
def _connected(address: str) -> Iterator[Any]:
    """Return Ray, connected to a cluster. Raises ClusterError."""
    os.environ.update(RAY_USAGE_STATS_ENABLED="0", RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO="0")
    try:
        ray = importlib.import_module("ray")
    except ImportError as error:
        raise ClusterError(_MISSING) from error
    before = signal.getsignal(signal.SIGTERM)
    try:
        _join(ray, address)
        if before != signal.getsignal(signal.SIGTERM):
            signal.signal(signal.SIGTERM, before)  # Ray's own would end the process at once
        yield ray
    finally:
        ray.shutdown()


def _join(ray: Any, address: str) -> None:
    options: dict[str, Any] = {"log_to_driver": False, "logging_level": "error"}
    if address != "auto" and not _answers(address):  # Ray itself would try for five minutes
        raise ClusterError(f"There is no Ray cluster at {address}. --ray takes auto or HOST:PORT.")
    running = _running() if address == "auto" else address
    if running is None:  # on loopback: no other machine may run commands here
        options |= {"_node_ip_address": "127.0.0.1", "include_dashboard": False}
        options |= {"object_store_memory": _STORE}
    try:
        ray.init(address=running or "local", **options)
    except ConnectionError as error:
        raise ClusterError(_not_joined(address)) from error
    except (RuntimeError, ValueError, OSError) as error:
        reason = str(error).strip().splitlines() or [type(error).__name__]
        raise ClusterError(f"The Ray cluster {address} cannot be used: {reason[0]}") from error


def _running() -> str | None:
    """Return the address of the cluster that this machine has joined, None where it has not."""
    address = os.environ.get("RAY_ADDRESS", "")
    with suppress(OSError):
        address = address or _CURRENT.read_text(encoding="utf-8").strip()
    return address if _answers(address) else None


def _answers(address: str) -> bool:
    host, _, port = address.rpartition(":")
    try:
        socket.create_connection((host, int(port)), _CONNECT).close()
    except (OSError, ValueError, OverflowError):
        return False
    return True


def _not_joined(address: str) -> str:
    return (
        f"This machine has not joined the Ray cluster {address}. Run"
        f" `ray start --address={address}` here first."
    )


class _Encoding:
    """The actor: an encoder in a process of its own, somewhere in the cluster."""

    def ready(
        self, load: Callable[[int], Encoder], threads: int, settings: dict[str, str]
    ) -> tuple[tuple[str, ...], int]:
        """Load the encoder; return what its vectors depend on, and its batch."""
        os.environ.update(settings)
        self._encoder = load(threads)
        return (version(), *self._encoder.key), self._encoder.batch

    def chunk(self, folder: Path, maker: Manifest, items: Sequence[Item]) -> Chunk:
        """Write a chunk."""
        results = encode(self._encoder, [item.source for item in items], thumbnails=True)
        return write_chunk(folder, maker, list(zip(items, results, strict=True)))


@dataclass(frozen=True)
class _Shape:
    """What a worker takes of its node."""

    cpus: int
    gpus: int


@dataclass(frozen=True)
class _Work:
    """The images of a chunk, and how many workers died of it, or beside it."""

    items: tuple[Item, ...]
    deaths: int = 0
    errors: int = 0


@dataclass(eq=False)
class _Worker:
    shape: _Shape
    actor: Any
    batch: int = 0  # 0: not ready yet
    running: int = 0
    suspect: bool = False  # runs a chunk that may end it: it gets no other beside


@dataclass
class _Pool:
    """The workers, and what each of them is doing."""

    ray: Any
    cluster: Cluster
    job: Job
    _calls: dict[Any, tuple[_Worker, _Work | None]] = field(default_factory=dict)
    _workers: list[_Worker] = field(default_factory=list)
    _again: deque[_Work] = field(default_factory=deque)
    _lost: int = 0  # workers in a row that ended before they were ready

    def run(self, items: Iterator[Item]) -> Iterator[Chunk]:
        """Yield chunks as they are finished."""
        for shape in _shapes(self.ray.nodes(), self.cluster.cpus):
            self._start(shape)
        if not self._workers:
            raise ClusterError("The Ray cluster has no cores for workers.")
        alive = time.monotonic()
        while self._give(items) or any(work for _, work in self._calls.values()):
            ended, _ = self.ray.wait([*self._calls], timeout=1.0)
            for call in ended:
                yield from self._take(call)
            if any(worker.batch for worker in self._workers):
                alive = time.monotonic()
            elif time.monotonic() > alive + _PATIENCE:
                raise ClusterError("The Ray cluster has no worker left. Run it again to resume.")

    def _start(self, shape: _Shape) -> None:
        """Ask for a worker. It gets chunks once it answers: until then its node may be gone."""
        options = {"num_cpus": shape.cpus, "num_gpus": shape.gpus, "max_concurrency": _IN_FLIGHT}
        settings = {key: text for key, text in os.environ.items() if key.startswith("CAPTIONLENS_")}
        worker = _Worker(shape, self.ray.remote(**options)(_Encoding).remote())
        ready = worker.actor.ready.remote(self.cluster.load, max(shape.cpus, 1), settings)
        self._workers.append(worker)
        self._calls[ready] = worker, None

    def _give(self, items: Iterator[Item]) -> bool:
        """Give every free worker a chunk; return whether there may be more to do."""
        if self.job.stop.is_set():
            return False
        for worker in [worker for worker in self._workers if worker.batch]:
            while worker.running < _IN_FLIGHT and not worker.suspect:
                work = self._next(worker, items)
                if work is None:
                    break
                call = worker.actor.chunk.remote(self.job.folder, self.job.maker, work.items)
                self._calls[call] = worker, work
                worker.running += 1
        return bool(self._again) or not any(worker.batch for worker in self._workers)

    def _next(self, worker: _Worker, items: Iterator[Item]) -> _Work | None:
        if self._again:
            if worker.running:
                return None
            work = self._again.popleft()
            worker.suspect = work.deaths > 0
            return work
        batch = tuple(islice(items, chunk_size(worker.batch)))
        for item in batch:
            if callable(item.source.data):
                raise ClusterError(
                    f"{item.id[:80]} is downloaded, and the workers only read files. Build without"
                    " --ray: downloading takes longer than encoding, so workers would not help."
                )
        return _Work(batch) if batch else None

    def _take(self, call: Any) -> Iterator[Chunk]:
        worker, work = self._calls.pop(call)
        errors = self.ray.exceptions
        try:
            result = self.ray.get(call)
        except errors.RayTaskError as error:
            self._free(worker)
            self._failed(work, error.cause)
        except errors.RayError:  # the process or its node has ended
            self._lose(worker, work)
            if work:
                yield from self._survive(replace(work, deaths=work.deaths + 1))
        else:
            if work is None:
                self._welcome(worker, *result)
            else:
                self._free(worker)
                yield self._finished(work, result)

    def _free(self, worker: _Worker) -> None:
        worker.running -= 1
        worker.suspect = False

    def _welcome(self, worker: _Worker, made_by: tuple[str, ...], batch: int) -> None:
        if made_by != (version(), *self.cluster.key):
            raise ClusterError(
                f"A worker of the Ray cluster runs {' '.join(made_by)}, and this machine"
                f" {' '.join((version(), *self.cluster.key))}. Install the same"
                " version and model on both."
            )
        worker.batch, self._lost = batch, 0

    def _failed(self, work: _Work | None, error: Exception) -> None:
        """Try again what raised an error, as a full disk does; raise the second one."""
        if work is None or work.errors or not isinstance(error, CaptionLensError):
            raise error
        self._again.append(replace(work, errors=1))

    def _lose(self, worker: _Worker, work: _Work | None) -> None:
        """Ask for another worker in place of one that died."""
        if worker not in self._workers:
            return
        self._workers.remove(worker)
        self._lost += work is None
        if self._lost > len(self._workers) + _DEATHS:
            raise ClusterError(
                "The workers of the Ray cluster end before they are ready. They may need more"
                " memory; Ray's logs say more."
            )
        self._start(worker.shape)

    def _survive(self, work: _Work) -> Iterator[Chunk]:
        """Have a chunk encoded again, in halves if need be; an image that is left is named."""
        if work.deaths < _DEATHS:
            self._again.append(work)
        elif len(work.items) > 1:
            middle = len(work.items) // 2
            for half in (work.items[:middle], work.items[middle:]):
                self._again.append(_Work(half, _DEATHS - 1))
        else:
            [item] = work.items
            reason = f"{item.source.name} ended the process that decoded it, {_DEATHS} times."
            skipped = [(item, Skipped(item.source, reason))]
            yield self._finished(work, write_chunk(self.job.folder, self.job.maker, skipped))

    def _finished(self, work: _Work, chunk: Chunk) -> Chunk:
        failed = {each.id for each in chunk.failed}
        for item in work.items:
            self.job.on_image(item.source.name, item.id in failed)
        return chunk

    def close(self) -> None:
        """End the workers."""
        for worker in self._workers:
            self.ray.kill(worker.actor)


def _shapes(nodes: Sequence[dict[str, Any]], each: int) -> list[_Shape]:
    """Return the workers for a cluster's nodes: one for each GPU, without GPUs for ``each`` cores.

    Where there are GPUs, nodes without any are left alone: they would hardly add to the speed.
    """
    resources = [node["Resources"] for node in nodes if node["Alive"]]
    sizes = [(int(its.get("CPU", 0)), int(its.get("GPU", 0))) for its in resources]
    if any(gpus for _, gpus in sizes):
        return [_Shape(cpus // gpus, 1) for cpus, gpus in sizes for _ in range(gpus)]
    counts = [(cpus, max(1, cpus // each)) for cpus, _ in sizes if cpus]
    return [_Shape(cpus // count, 0) for cpus, count in counts for _ in range(count)]
