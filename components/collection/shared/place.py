"""A place of collections that fsspec reads and writes: a folder, or object storage such as S3.

PLACE/NAME/manifest.json   the published state, replaced in one step
PLACE/NAME/previous.json   the one before, whose files stay for those who have it open
PLACE/NAME/milvus.json     the facts of its publication in Milvus, where there is one
PLACE/NAME/publishing.json who publishes it now, while that goes on
PLACE/NAME/files/SHA256    the files of both states, which never change
"""

import errno
import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from components.collection.manifest import CollectionError, File
from components.errors import CaptionLensError
from components.files import write_bytes, write_whole

PREVIOUS, FILES = "previous.json", "files"
# A place that does not answer is a sentence within seconds.
_S3 = {
    "connect_timeout": 2,
    "read_timeout": 20,
    "retries": {"total_max_attempts": 1},
    "max_pool_connections": 32,
}
_TRIES = 2


@dataclass(frozen=True)
class Place:
    """An fsspec file system, the path of the place in it, and its address as messages show it."""

    system: Any
    root: str
    shown: str

    @property
    def folder(self) -> Path | None:
        """The place as a folder of this computer, None where it is not one."""
        protocols = self.system.protocol
        is_local = "file" in ((protocols,) if isinstance(protocols, str) else protocols)
        return Path(self.root) if is_local else None

    def path(self, *names: str) -> str:
        """Return the path of something in the place."""
        return "/".join((self.root, *names))

    def names(self) -> list[str]:
        """Return the names of the folders in the place. Raises FileNotFoundError without one."""
        listed = self.system.ls(self.root, detail=True, refresh=True)
        folders = (each["name"] for each in listed if each["type"] == "directory")
        return sorted(path.rstrip("/").rpartition("/")[2] for path in folders)

    def exists(self) -> bool:
        """Return whether there is anything in the place."""
        return bool(self.system.exists(self.root))

    def read(self, *names: str) -> bytes:
        """Return a small file, in one request: it may be replaced meanwhile."""
        try:
            data: bytes = self.system.cat_file(self.path(*names), start=0)
        except OSError as error:
            if error.errno != errno.EINVAL:  # of an empty object, which has no first byte
                raise
            return b""
        return data

    def read_range(self, name: str, file: File, start: int, size: int) -> bytes:
        """Return ``size`` bytes of a collection's file."""
        path = self.path(name, path_in(file))
        data: bytes = self.system.cat_file(path, start=start, end=start + size)
        return data

    def write(self, data: bytes, *names: str) -> None:
        """Replace a small file in one step."""
        if self.folder:
            write_bytes(self.folder.joinpath(*names), data)
        else:
            self.system.pipe_file(self.path(*names), data)  # of object storage: one request

    def create(self, data: bytes, *names: str) -> None:
        """Write a small file that is not there. Raises FileExistsError where it is.

        A store that cannot do so in one request may replace one of the same moment.
        """
        path = self.path(*names)
        if self.folder:
            Path(path).parent.mkdir(parents=True, exist_ok=True)
            with Path(path).open("xb") as file:
                file.write(data)
            return
        try:
            self.system.pipe_file(path, data, mode="create")
        except OSError as error:
            if error.errno == errno.EINVAL:  # a precondition that failed
                raise FileExistsError from error
            if error.errno != errno.ENOSYS:
                raise
            self.system.pipe_file(path, data)

    def remove(self, *names: str) -> None:
        """Remove a file, if it is there."""
        try:
            self.system.rm_file(self.path(*names))
        except FileNotFoundError:
            return

    def sizes(self, name: str) -> dict[str, int]:
        """Return the sizes of what is there of a collection, by path: "files/SHA256", say."""
        root = self.path(name)
        found = self.system.find(root, detail=True, refresh=True)
        return {path[len(root) + 1 :]: int(facts["size"]) for path, facts in found.items()}

    def take(self, name: str, file: File, draft: Path) -> None:
        """Copy a collection's file to ``draft``."""
        self.system.get_file(self.path(name, path_in(file)), str(draft))

    def put(self, name: str, file: File, source: Path) -> None:
        """Copy a file of this computer to the place: there it is whole, or not at all."""
        if self.folder:
            target = self.folder / name / path_in(file)
            target.parent.mkdir(parents=True, exist_ok=True)
            write_whole(target, lambda draft: self.system.get_file(str(source), str(draft)))
        else:
            self.system.put_file(str(source), self.path(name, path_in(file)))


def path_in(file: File) -> str:
    """Return where a file is in the folder of its collection."""
    return f"{FILES}/{file.sha256}"


def open_place(address: str) -> Place:
    """Return the place of an fsspec address, or of a plain folder's path. Raises CollectionError.

    Credentials come from the environment, as its backend defines.
    """
    from fsspec.core import url_to_fs  # type: ignore[import-untyped] # has no types

    shown = shown_address(address)
    local = "://" not in address
    options: dict[str, Any] = {"use_listings_cache": False}
    if address.startswith(("s3://", "s3a://")):
        options["config_kwargs"] = _S3
    with reaching(f"{shown} cannot be used"):
        try:
            system, root = url_to_fs(
                str(Path(address).expanduser()) if local else address, **options
            )
        except ValueError as error:
            raise CollectionError(f"{shown} is not an address that fsspec knows.") from error
        system.retries = _TRIES  # of s3fs; others have no such attribute and ignore it
    return Place(system, str(root).rstrip("/"), shown)


def shown_address(address: str) -> str:
    """Return an address as messages show it: without user name, password and query."""
    if "://" not in address:
        return address
    parts = urlsplit(address)
    return f"{parts.scheme}://{parts.netloc.rpartition('@')[2]}{parts.path}"


@contextmanager
def reaching(what: str) -> Iterator[None]:
    """Turn what a backend raises into a CollectionError: ``what``, and the reason in words."""
    try:
        yield
    except CaptionLensError:
        raise
    except Exception as error:
        raise CollectionError(f"{what}: {reason(error)}.") from error


def reason(error: Exception) -> str:
    """Return why a place cannot be used; a backend's own text may hold an address, and is not."""
    kind = type(error).__name__
    if isinstance(error, ImportError):
        return "its backend is not installed; `pip install -r requirements-scale.txt` adds S3's"
    if isinstance(error, PermissionError) or "Credential" in kind or "Token" in kind:
        return "access was refused; check the credentials in the environment"
    if isinstance(error, FileNotFoundError):
        return "it is not there"
    if isinstance(error, OSError) and error.errno:
        return os.strerror(error.errno)
    return f"it does not answer ({kind})"
