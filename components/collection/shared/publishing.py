"""Publishes a collection to a shared place: files first, its manifest last."""

import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor, as_completed
from contextlib import suppress
from functools import partial
from pathlib import Path

from components.collection.manifest import (
    PUBLISHED,
    CollectionError,
    Damaged,
    File,
    Manifest,
    damaged,
    folder_of,
    parse_manifest,
    read_manifest,
)
from components.collection.milvus.address import connect
from components.collection.milvus.publication import NOTED, read_publication, sharing
from components.collection.milvus.publish import sweep
from components.collection.shared.lock import PublishingLock, publishing
from components.collection.shared.place import (
    FILES,
    PREVIOUS,
    Place,
    open_place,
    path_in,
    reaching,
)
from components.collection.shared.reading import LISTED
from components.collection.store import locked, missing_sentence
from components.files import DRAFT
from components.settings import Settings
from components.words import count, megabytes

_AT_ONCE = 4  # uploads
_SEEN = LISTED + 1.0  # seconds after which readers have seen a new state


def publish(
    name: str,
    place: str,
    on_progress: Callable[[str], None] = lambda text: None,
    stop: threading.Event | None = None,
) -> str:
    """Copy a collection's published state to a place; return what was done, in a sentence.

    ``place`` is an fsspec address, or a folder. Readers see the old state or the new one; after a
    kill, or ``stop``, publishing again copies what is missing. The files of the state before stay,
    for those who have it open. What was published to a Milvus server goes along: its note, and the
    thumbnails of the state that is searched there. Raises CollectionError.
    """
    folder, target = folder_of(name), open_place(place)
    if target.folder and (target.folder / name).resolve() == folder.resolve():
        raise CollectionError(f"{target.shown} is where {name} is built. Choose another place.")
    if read_manifest(folder) is None:
        raise CollectionError(missing_sentence(name, folder))
    with locked(folder), reaching(f"{name} cannot be published to {target.shown}"):
        manifest = read_manifest(folder)
        if manifest is None:  # removed meanwhile
            raise CollectionError(missing_sentence(name, folder))
        with publishing(target, name, folder) as lock:
            return _publish(folder, manifest, lock, on_progress, stop or threading.Event())


def _publish(
    folder: Path,
    manifest: Manifest,
    lock: PublishingLock,
    on_progress: Callable[[str], None],
    stop: threading.Event,
) -> str:
    name, target, publication = manifest.name, lock.place, read_publication(folder)
    there = target.sizes(name)
    files = (*manifest.files, *(publication.thumbnails if publication else ()))
    unique = {file.sha256: file for file in files}.values()
    new = [file for file in unique if there.get(path_in(file)) != file.bytes]
    on_copied = _counted(new, on_progress)
    _upload(new, partial(_copy, folder, name, target), on_copied, stop)
    if stop.is_set():
        return f"Stopped. Publish {name} again to copy the rest; readers see what was there before."
    lock.check()
    with sharing(folder, target.shown, publication):
        _switch(folder, name, target)
    lock.check()  # what another publisher has copied is not to be removed
    removed = _sweep(name, set(files), target)
    if publication and (server := Settings().milvus):
        with suppress(CollectionError):  # the next publication to it removes them
            sweep(name, connect(server), after=_SEEN)
    copied = megabytes(sum(file.bytes for file in new))
    return (
        f"Published {name}, {count(manifest.rows, 'image')}, to {target.shown}:"
        f" {count(len(new), 'file')} copied ({copied}), {count(removed, 'old file')} removed."
    )


def _counted(files: list[File], on_progress: Callable[[str], None]) -> Callable[[File], None]:
    """Return what reports the share of ``files`` that is copied, called with each."""
    total, done = megabytes(sum(file.bytes for file in files)), 0

    def on_copied(file: File) -> None:
        nonlocal done
        done += file.bytes
        on_progress(f"{megabytes(done)} of {total} copied")

    return on_copied


def _upload(
    files: list[File],
    copy: Callable[[File], File],
    on_copied: Callable[[File], None],
    stop: threading.Event,
) -> None:
    with ThreadPoolExecutor(_AT_ONCE) as pool:
        started = [pool.submit(copy, file) for file in files]
        try:
            for each in as_completed(started):
                on_copied(each.result())
                if stop.is_set():
                    return
        finally:
            pool.shutdown(cancel_futures=True)


def _copy(folder: Path, name: str, target: Place, file: File) -> File:
    if not file.is_whole(folder):  # damage would get a valid name
        raise damaged(name, file.name)
    target.put(name, file, folder / file.name)
    return file


def _switch(folder: Path, name: str, target: Place) -> None:
    """Show the new state to readers, and keep a note of the one that they may have open."""
    data = (folder / PUBLISHED).read_bytes()
    before = _read(target, name, PUBLISHED)
    if before and before != data:
        target.write(before, name, PREVIOUS)
    facts = folder / NOTED
    if facts.exists():
        target.write(facts.read_bytes(), name, NOTED)
    else:
        target.remove(name, NOTED)
    target.write(data, name, PUBLISHED)


def _read(target: Place, *names: str) -> bytes:
    try:
        return target.read(*names)
    except FileNotFoundError:
        return b""


def _sweep(name: str, needed: set[File], target: Place) -> int:
    """Remove what neither the state nor the one before needs, and drafts; return how many."""
    before = _read(target, name, PREVIOUS)
    with suppress(Damaged):  # of another version: its readers open the new state
        needed |= set(parse_manifest(name, before).files) if before else set()
    there = [path for path in target.sizes(name) if path.startswith(FILES) or path.endswith(DRAFT)]
    old = set(there) - set(map(path_in, needed))
    for path in old:
        target.remove(name, path)
    return len(old)
