"""Downloads models, with progress; a download can be stopped and resumed.

huggingface_hub provides listings, URLs, tokens and errors. The transfer itself is ours, because
version 2.4 deletes a partial file when a download fails and reads ten megabytes at a time, so it
can neither resume a download nor stop within a second.
"""

import hashlib
import shutil
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from components.models import disk
from components.models.checkpoint import Located
from components.models.hub import PATIENCE, Download, Part, RemoteFile, file_url, partial_file
from components.models.hub_errors import HubError, Stopped, naming_model
from components.rate import Rate
from components.words import megabytes

if TYPE_CHECKING:
    import httpx2

_RETRIES = 4  # failed tries in a row, without a byte received, before giving up
_PAUSE = 1.0  # seconds before the next try
_TICK = 0.2  # seconds between two progress reports
_SETTLE = 0.5  # seconds before a speed is reported
_LOCK_PATIENCE = 15.0  # seconds; longer than a stopped download can hold its lock
_RESERVE = 64_000_000  # bytes of disk space to leave free


@dataclass(frozen=True)
class Progress:
    """The progress of a download; ``seconds_left`` is None until the speed is known."""

    done_bytes: int
    total_bytes: int
    bytes_per_second: float
    seconds_left: float | None


def fetch(
    download: Download, on_progress: Callable[[Progress], None], stop: threading.Event
) -> Located:
    """Return the model once all its files are on disk.

    Resumes an earlier download. ``on_progress`` is called in the caller's thread, about five
    times a second. Raises Stopped within about a second of ``stop``, and HubError, which names
    the model and says what to do, where the download fails.
    """
    _check_disk_space(download)
    total = download.total_bytes
    transfer, rate = _Transfer(download), Rate(settle=_SETTLE)

    def report(done: int) -> None:
        speed = rate.add(done)
        on_progress(Progress(done, total, speed, rate.seconds_left(total - done)))

    transfer.start()
    try:
        while transfer.is_alive():
            if stop.is_set():
                raise Stopped(
                    f"The download of {download.spec.name} was stopped; it can be resumed."
                )
            report(transfer.done)
            transfer.join(_TICK)
    finally:
        transfer.abort()  # also where on_progress raises because its page was closed
    if transfer.failure:
        raise transfer.failure
    report(total)
    return disk.locate(download.spec)


def _check_disk_space(download: Download) -> None:
    folder = disk.store()
    with naming_model(download.spec.name):
        folder.mkdir(parents=True, exist_ok=True)
    free = shutil.disk_usage(folder).free
    if download.missing_bytes and download.missing_bytes + _RESERVE > free:
        raise HubError(
            f"{download.spec.name} needs {megabytes(download.missing_bytes)} and the disk has"
            f" {megabytes(free)} free: free some space, then try again."
        )


class _Transfer(threading.Thread):
    """Transfers one download in a thread, so that waiting for the Hub can be interrupted."""

    def __init__(self, download: Download) -> None:
        super().__init__(name=f"download {download.spec.id}", daemon=True)
        self.download = download
        self.done = download.total_bytes - download.missing_bytes
        self.failure: Exception | None = None
        self._halt = threading.Event()
        self._response: httpx2.Response | None = None

    def run(self) -> None:
        try:
            for part in self.download.parts:
                with naming_model(part.id), _locked(part.id, self._halt):
                    self._fetch_part(part)
        except Exception as error:  # noqa: BLE001 - raised again in the caller's thread
            self.failure = error

    def abort(self) -> None:
        """Stop the transfer, waiting at most a second; does nothing where it has ended."""
        self._halt.set()
        response = self._response
        if self.is_alive() and response is not None:
            # Only closing its socket wakes a thread that waits for bytes.
            with suppress(OSError, KeyError, AttributeError):
                stream = response.extensions["network_stream"]
                stream.get_extra_info("socket").shutdown(2)
        self.join(1.0)

    def _fetch_part(self, part: Part) -> None:
        # Counted again: another window may have downloaded some of it since the plan was made.
        missing = sum(each.missing_bytes for each in self.download.parts)
        self.done = self.download.total_bytes - missing
        if part.missing_bytes or disk.read_manifest(part.id) is None:
            for file in part.files:
                self._fetch_file(part, file)
            sizes = {file.path: file.size for file in part.files}
            disk.write_manifest(
                disk.DownloadManifest(part.id, self.download.spec.id, part.revision, files=sizes)
            )
            _drop_other_revisions(part)

    def _fetch_file(self, part: Part, file: RemoteFile) -> None:
        target = part.folder / file.path
        if disk.size_of(target) == file.size:
            return
        target.parent.mkdir(parents=True, exist_ok=True)
        partial = partial_file(target)
        partial.touch()
        self._fetch_bytes(part, file, partial)
        if file.digest and _digest(partial, file.digest) != file.digest:
            partial.unlink()
            raise HubError(
                f"{file.path} of {part.id} was damaged in transit and deleted: try again."
            )
        partial.replace(target)

    def _fetch_bytes(self, part: Part, file: RemoteFile, partial: Path) -> None:
        failures = 0
        while (size := partial.stat().st_size) < file.size:
            error = self._try_stream(part, file, partial)
            failures = 0 if partial.stat().st_size > size else failures + 1
            if failures > _RETRIES:
                raise error or HubError(f"The Hub sends {file.path} of {part.id} incomplete.")
            if partial.stat().st_size < file.size and self._halt.wait(_PAUSE if error else 0):
                raise Stopped(f"The download of {part.id} was stopped.")

    def _try_stream(self, part: Part, file: RemoteFile, partial: Path) -> Exception | None:
        """Return a temporary error, after which another try may succeed; None without one."""
        try:
            self._stream(part, file, partial)
        except Exception as error:
            if not _is_temporary(error):
                raise
            return error
        finally:
            self._response = None
        return None

    def _stream(self, part: Part, file: RemoteFile, partial: Path) -> None:
        from huggingface_hub import get_session, hf_raise_for_status

        url, headers = file_url(part.id, part.revision, file.path)
        size = partial.stat().st_size
        if size:
            headers["Range"] = f"bytes={size}-"
        with get_session().stream("GET", url, headers=headers, timeout=PATIENCE) as response:
            self._response = response
            hf_raise_for_status(response)
            resumed = size > 0 and response.status_code == 206
            self.done -= 0 if resumed else size
            with partial.open("ab" if resumed else "wb") as sink:
                for chunk in response.iter_bytes():
                    if self._halt.is_set():
                        return
                    sink.write(chunk)
                    self.done += len(chunk)


def _is_temporary(error: Exception) -> bool:
    import httpx2
    from huggingface_hub.errors import HfHubHTTPError

    if isinstance(error, HfHubHTTPError):
        status = error.response.status_code
        return status >= 500 or status in (408, 429)
    return isinstance(error, httpx2.TransportError)


def _digest(file: Path, like: str) -> str:
    """Return a file's digest of the same kind as ``like``: SHA-256, or git's SHA-1 of a blob."""
    if len(like) == 64:
        digest = hashlib.sha256()
    else:
        digest = hashlib.sha1(b"blob %d\0" % file.stat().st_size, usedforsecurity=False)
    with file.open("rb") as source:
        while chunk := source.read(1 << 20):
            digest.update(chunk)
    return digest.hexdigest()


def _drop_other_revisions(part: Part) -> None:
    for folder in part.folder.parent.iterdir():
        if folder != part.folder:
            shutil.rmtree(folder, ignore_errors=True)


@contextmanager
def _locked(model_id: str, halt: threading.Event) -> Iterator[None]:
    """Lock a checkpoint for writing. Raises HubError where another download holds the lock."""
    from filelock import FileLock, Timeout

    lock = FileLock(disk.store() / f"{model_id.replace('/', '--')}.lock")
    deadline = time.monotonic() + _LOCK_PATIENCE
    while not lock.is_locked:
        with suppress(Timeout):
            lock.acquire(timeout=_TICK)
        if halt.is_set() and not lock.is_locked:
            raise Stopped(f"The download of {model_id} was stopped.")
        if time.monotonic() > deadline and not lock.is_locked:
            raise HubError(
                f"{model_id} is being downloaded in another window: wait until it has finished."
            )
    try:
        yield
    finally:
        lock.release()
