"""Thumbnails of a shared collection, read by ranges: blocks that neighbours share."""

from collections import OrderedDict
from collections.abc import Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from functools import cache
from threading import Lock

from components.collection.manifest import CollectionError, File
from components.collection.shared.place import Place, reaching

_BLOCK = 1 << 17  # bytes: some nine thumbnails
_KEPT = 512  # blocks in memory: 67 MB
_AT_ONCE = 24  # requests


@cache
def readers() -> ThreadPoolExecutor:
    """Return the threads that read small parts of shared places."""
    return ThreadPoolExecutor(_AT_ONCE, thread_name_prefix="shared")


class SharedThumbnails:
    """The files of a collection's thumbnails in a shared place; used by several threads."""

    def __init__(self, name: str, place: Place) -> None:
        self._name, self._place = name, place
        self._blocks: OrderedDict[tuple[str, int], Future[bytes]] = OrderedDict()
        self._lock = Lock()

    def are_there(self, files: Sequence[File]) -> bool:
        """Return True without a request: a file that is gone is reported when it is read."""
        return True

    def ahead(self, file: File, start: int, size: int) -> None:
        """Begin to read a range that will be asked for."""
        for block in _blocks(file, start, size):
            self._reading(file, block)

    def read(self, file: File, start: int, size: int) -> bytes:
        """Return ``size`` bytes of a file. Raises CollectionError."""
        blocks = _blocks(file, start, size)
        data = b"".join([self._read(file, block) for block in blocks])
        start -= blocks.start * _BLOCK
        if len(data) < start + size:  # the metadata name more than there is
            raise damaged_there(self._name, file)
        return data[start : start + size]

    def _read(self, file: File, block: int) -> bytes:
        try:
            return self._reading(file, block).result()
        except CollectionError:
            with self._lock:
                self._blocks.pop((file.sha256, block), None)  # the next one asks again
            raise

    def _reading(self, file: File, block: int) -> "Future[bytes]":
        key = file.sha256, block
        with self._lock:
            future = self._blocks.get(key)
            if future is None:
                future = self._blocks[key] = readers().submit(self._fetch, file, block)
            self._blocks.move_to_end(key)
            if len(self._blocks) > _KEPT:
                self._blocks.popitem(last=False)
        return future

    def _fetch(self, file: File, block: int) -> bytes:
        start = block * _BLOCK
        size = min(_BLOCK, file.bytes - start)
        try:
            with reaching(f"A thumbnail of {self._name} cannot be read from the shared place"):
                data = self._place.read_range(self._name, file, start, size)
        except CollectionError as error:
            if isinstance(error.__cause__, FileNotFoundError):
                raise CollectionError(
                    f"{self._name} was published again since it was opened. Reload the page."
                ) from error
            raise
        if len(data) != size:
            raise damaged_there(self._name, file)
        return data


def _blocks(file: File, start: int, size: int) -> range:
    """Return the blocks of a file that a range is in."""
    return range(start // _BLOCK, -(-min(start + size, file.bytes) // _BLOCK))


def damaged_there(name: str, file: File) -> CollectionError:
    """Return the error that names a damaged file in the shared place and says what to do."""
    return CollectionError(
        f"{name} is damaged in the shared place: files/{file.sha256} ({file.name}) is not as it was"
        f" written. Remove that file there, and run `index publish {name}` again."
    )
