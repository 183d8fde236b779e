"""Shared collections as readers see them: served from cached files, thumbnails read by ranges."""

import re
import time
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from functools import lru_cache, partial
from hashlib import sha256
from pathlib import Path
from typing import BinaryIO

import pyarrow as pa

from components.collection.collection import AHEAD
from components.collection.index import FaissIndex, remake_index
from components.collection.manifest import (
    PUBLISHED,
    CollectionError,
    Damaged,
    File,
    IndexInfo,
    Manifest,
    digest_of,
    folder_of,
    is_name,
    parse_manifest,
)
from components.collection.milvus.publication import (
    NOTED,
    Publication,
    alias_of,
    parse_publication,
)
from components.collection.records import Record
from components.collection.shared import cache as local
from components.collection.shared.place import Place, open_place, reaching
from components.collection.shared.thumbnails import SharedThumbnails, damaged_there, readers
from components.collection.store import FolderCollection
from components.collection.vectors import Vectors, open_vectors
from components.settings import Settings

_DIGEST = re.compile(r"[0-9a-f]{64}")
_FIELD = re.compile(r'c\d+|more\["c\d+"\]')  # of a column in an expression
LISTED = 5.0  # seconds that a listing is kept: a page lists the collections on every run


@dataclass(frozen=True)
class SharedCollection(FolderCollection):
    """A `FolderCollection` over cached files; ``folder`` holds only what people decided here."""

    thumbnails: SharedThumbnails
    lease: BinaryIO  # held open as long as this is

    def records(self, ids: Sequence[str]) -> list[Record]:
        """Return the metadata of images; those of a page have their thumbnails read meanwhile."""
        if len(ids) <= AHEAD:
            for row in self.rows(ids).tolist():
                self.thumbnails.ahead(*self._range(row))
        return super().records(ids)

    def thumbnail_at(self, row: int) -> bytes:
        """Return the JPEG bytes of a row's thumbnail. Raises CollectionError."""
        return self.thumbnails.read(*self._range(row))

    def _range(self, row: int) -> tuple[File, int, int]:
        shards, offsets, sizes = self._offsets
        file = self.manifest.shards[shards[row]].thumbnails
        return file, int(offsets[row]), int(sizes[row])


def open_shared(name: str) -> SharedCollection | None:
    """Return a shared collection as last published, None where there is none of this name.

    What is not in the cache is downloaded, and compared with its size and digest. Raises
    CollectionError.
    """
    found = _found(name)
    if found is None:
        return None
    try:
        return _opened(*found)
    except CollectionError:
        again = _found(name)
        if again is None or again == found:
            raise
        return _opened(*again)  # published in between


def _found(name: str) -> tuple[Place, Manifest] | None:
    """Return the shared place and the manifest of a collection in it, None without."""
    address = Settings().shared_collections
    if not address:
        return None
    place = _place(address)
    with reaching(f"{name} cannot be read from the shared place"):
        try:
            return place, _parsed(name, place.read(name, PUBLISHED))
        except FileNotFoundError:
            if not place.exists():
                raise
            return None


@lru_cache(maxsize=1)
def _place(address: str) -> Place:
    return open_place(address)


def _parsed(name: str, data: bytes) -> Manifest:
    """Return a manifest. Raises CollectionError, not Damaged, which offers to mend it here."""
    try:
        manifest = parse_manifest(name, data, PUBLISHED, "Publish it again.")
    except Damaged as error:
        raise CollectionError(str(error)) from error
    if manifest.name != name or not all(map(_is_sound, manifest.files)):
        raise CollectionError(f"{name} has a damaged {PUBLISHED}. Publish it again.")
    return manifest


def _is_sound(file: File) -> bool:
    """Return whether a file's entry can be trusted with a path and a size."""
    return bool(_DIGEST.fullmatch(file.sha256)) and file.bytes >= 0


def _opened(place: Place, manifest: Manifest) -> SharedCollection:
    index, skipped, shards = manifest.index, manifest.skipped, manifest.shards
    assert index is not None  # noqa: S101 - nothing is published without
    # As in a folder, vectors are trusted by their size: reading them all would take too long.
    small = [index.file, *(shard.metadata for shard in shards), *([skipped] if skipped else [])]
    files = [*small, *(shard.vectors for shard in shards)]
    lease = local.lease(manifest.name, files)
    try:
        local.fill(files, small, lambda file, draft: _download(place, manifest.name, file, draft))
        vectors = open_vectors([(local.path_of(s.vectors), s.rows) for s in shards], manifest.width)
        return SharedCollection(
            folder_of(manifest.name),
            manifest,
            vectors,
            _index(index, vectors),
            (),
            tuple(pa.OSFile(str(local.path_of(shard.metadata))) for shard in shards),
            pa.OSFile(str(local.path_of(skipped))) if skipped else None,
            SharedThumbnails(manifest.name, place),
            lease,
        )
    except BaseException:
        lease.close()
        raise


def _index(info: IndexInfo, vectors: Vectors) -> FaissIndex:
    with suppress(ValueError):  # written by another version of FAISS, say
        return FaissIndex.open(local.path_of(info.file), vectors, info.effort)
    return remake_index(vectors, info.effort)


def _download(place: Place, name: str, file: File, draft: Path) -> None:
    with reaching(f"{file.name} of {name} cannot be read from the shared place"):
        place.take(name, file, draft)
    if draft.stat().st_size != file.bytes or digest_of(draft) != file.sha256:
        raise damaged_there(name, file)


def shared_manifest(name: str) -> Manifest | None:
    """Return a shared collection's manifest, None where there is none. Raises CollectionError."""
    found = _found(name)
    return found[1] if found else None


def shared_publication(name: str) -> tuple[Publication, SharedThumbnails] | None:
    """Return a shared collection's state on a Milvus server, and its thumbnails, None without.

    It may be some seconds old; `forget` has it read again. Raises CollectionError.
    """
    address = Settings().shared_collections
    publication = _noted(address, name, _moment()) if address else None
    if isinstance(publication, CollectionError):
        raise CollectionError(str(publication))
    return (publication, SharedThumbnails(name, _place(address))) if publication else None


def forget() -> None:
    """Discard the cached notes of states on a Milvus server: they are read again."""
    _noted.cache_clear()


def _moment() -> int:
    return int(time.monotonic() / LISTED)


@lru_cache(maxsize=256)
def _noted(address: str, name: str, _moment: int) -> Publication | CollectionError | None:
    try:
        with reaching(f"{name} cannot be read from the shared place"):
            return _publication(name, _place(address).read(name, NOTED))
    except CollectionError as error:
        return None if isinstance(error.__cause__, FileNotFoundError) else error


def _publication(name: str, text: bytes) -> Publication:
    """Return a publication that can be trusted with the names in it. Raises CollectionError."""
    with suppress(ValueError, KeyError, TypeError, AttributeError):
        publication = parse_publication(text)
        manifest, alias = publication.manifest, alias_of(name)
        is_state = manifest.name == name and re.fullmatch(rf"{alias}_g\d+", publication.place)
        fields = all(_FIELD.fullmatch(column.field) for column in publication.columns)
        if is_state and fields and all(map(_is_sound, publication.thumbnails)):
            return publication
    raise CollectionError(f"{name} has a damaged {NOTED}. Publish it again.")


def shared_states() -> list[Manifest | CollectionError]:
    """Return every shared collection's manifest, or what is wrong, at most some seconds old."""
    address = Settings().shared_collections
    return list(_listed(address, _moment())) if address else []


@lru_cache(maxsize=1)
def _listed(address: str, moment: int) -> tuple[Manifest | CollectionError, ...]:
    try:
        with reaching("The shared collections cannot be listed"):
            place = _place(address)
            names = [name for name in place.names() if is_name(name)]
    except CollectionError as error:
        return (error,)
    if Settings().milvus:  # a page asks for the notes of all: read here, they are read at once
        list(readers().map(lambda name: _noted(address, name, moment), names))
    return tuple(filter(None, readers().map(partial(_state, place), names)))


def _state(place: Place, name: str) -> Manifest | CollectionError | None:
    try:
        with reaching(f"{name} cannot be read from the shared place"):
            return _parsed(name, place.read(name, PUBLISHED))
    except CollectionError as error:
        return None if isinstance(error.__cause__, FileNotFoundError) else error


def check_not_shared(name: str) -> None:
    """Return if a collection can be changed here. Raises CollectionError where it is shared."""
    if any(isinstance(each, Manifest) and each.name == name for each in shared_states()):
        raise CollectionError(
            f"{name} is a shared collection: it is read here, and updated, rebuilt and removed"
            " where it was built. Use another name for one of your own."
        )


def verify_shared(name: str) -> list[str] | None:
    """Return what is wrong with a shared collection's files, None where there is none of the name.

    Reads every byte. Raises CollectionError.
    """
    found = _found(name)
    if found is None:
        return None
    place, manifest = found
    forget()
    noted, wrong = None, []
    try:
        noted = shared_publication(name)
    except CollectionError as damaged:
        wrong = [str(damaged)]
    files = dict.fromkeys((*manifest.files, *(noted[0].thumbnails if noted else ())))
    return [*wrong, *(error for file in files if (error := _wrong(place, name, file)))]


def _wrong(place: Place, name: str, file: File, block: int = 1 << 24) -> str:
    digest = sha256()
    try:
        with reaching(f"{file.name} cannot be read from the shared place"):
            for start in range(0, file.bytes, block):
                size = min(block, file.bytes - start)
                digest.update(place.read_range(name, file, start, size))
    except CollectionError as error:
        return str(error)
    return "" if digest.hexdigest() == file.sha256 else str(damaged_there(name, file))
