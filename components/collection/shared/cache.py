"""Files of shared collections on the local disk, named by their SHA-256, up to a bound.

An open collection holds a lease: a small file that lists what it uses, under a shared lock that
the kernel releases when the process ends. Whoever opens another one drops what no lease lists,
least recently used first.
"""

import fcntl
import json
import os
import time
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from hashlib import sha256
from pathlib import Path
from typing import BinaryIO

from filelock import FileLock

from components.collection.manifest import CollectionError, File, has_size
from components.files import DRAFT, write_bytes, write_whole
from components.settings import Settings
from components.words import megabytes

Fetch = Callable[[File, Path], object]  # writes a file into a draft
_GIGABYTE = 10**9  # bytes
_AT_ONCE = 4  # downloads
_ABANDONED = 3600.0  # seconds after which a draft that nobody writes is a killed process's


def _folder() -> Path:
    return Settings().data / "cache"


def path_of(file: File) -> Path:
    """Return where a file is kept."""
    return _folder() / file.sha256


def lease(name: str, files: Sequence[File]) -> BinaryIO:
    """Return a file that is held open while ``files`` are used: nobody drops them meanwhile.

    Makes room for them. Raises CollectionError where they do not fit beside what is in use, and
    OSError.
    """
    text = json.dumps({file.sha256: file.bytes for file in files}, sort_keys=True).encode()
    path = _leases() / sha256(text).hexdigest()
    path.parent.mkdir(parents=True, exist_ok=True)
    with FileLock(_folder() / "lock"):
        if not path.exists():
            write_bytes(path, text)
        held = path.open("rb")
        fcntl.flock(held, fcntl.LOCK_SH)
        try:
            _make_room(name, files)
        except BaseException:
            held.close()
            raise
    return held


def _leases() -> Path:
    return _folder() / "leases"


def _make_room(name: str, files: Sequence[File]) -> None:
    bound, used = Settings().cache_gb * _GIGABYTE, _in_use()
    total = sum(used.values())
    if total > bound:
        needed = sum({file.sha256: file.bytes for file in files}.values())
        raise CollectionError(
            f"{name} needs {megabytes(needed)} of the cache on this computer, which has"
            f" {megabytes(bound)} with {megabytes(total - needed)} in use. Raise"
            " CAPTIONLENS_CACHE_GB, or close other collections."
        )
    kept = [file for file in _folder().iterdir() if file.is_file() and file.name not in used]
    for file, facts in sorted(
        ((file, file.stat()) for file in kept), key=lambda each: -each[1].st_mtime
    ):
        if file.suffix == DRAFT:
            if time.time() - facts.st_mtime > _ABANDONED:
                file.unlink(missing_ok=True)
        elif len(file.name) == len(sha256().hexdigest()):
            total += facts.st_size
            if total > bound:
                file.unlink(missing_ok=True)


def _in_use() -> dict[str, int]:
    """Return the digests and sizes of the files that leases list; drop the leases nobody holds."""
    used: dict[str, int] = {}
    for path in _leases().iterdir():
        with path.open("rb") as file:
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                used |= json.load(file)
            else:
                path.unlink()
    return used


def fill(files: Iterable[File], checked: Iterable[File], fetch: Fetch) -> None:
    """Have every file in the cache, those that are missing by ``fetch(file, draft)``.

    A file that is there must have its size, and those of ``checked`` their digest. Raises what
    ``fetch`` does, and OSError.
    """
    digests = {file.sha256 for file in checked}
    unique = {file.sha256: file for file in files}.values()
    with ThreadPoolExecutor(_AT_ONCE) as pool:
        done = [pool.submit(_have, file, file.sha256 in digests, fetch) for file in unique]
        try:
            for each in done:
                each.result()
        except BaseException:
            pool.shutdown(cancel_futures=True)
            raise


def _have(file: File, check: bool, fetch: Fetch) -> None:
    path = path_of(file)
    # A lock for each sixteenth of the files: two who open a collection download each file once.
    with FileLock(_folder() / f"downloading.{file.sha256[0]}"):
        there = has_size(path, file.bytes)
        if there and check:
            there = replace(file, name=file.sha256).is_whole(path.parent)
        if not there:
            write_whole(path, lambda draft: fetch(file, draft))
    os.utime(path)
