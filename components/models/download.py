"""The bytes of a download, with progress; it can be stopped, and resumed where it was.

huggingface_hub answers what the Hub has: listings, addresses, tokens, errors. The loop over the
bytes is ours, because its version 2.4 drops a partial file when a download fails and reads ten
megabytes at a time, so that it can neither resume a download nor stop within a second.
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

_RETRIES = 4  # breaks in a row, without a byte between them, before we give up
_PAUSE = 1.0  # seconds before the next try
_TICK = 0.2  # seconds between two reports
_SETTLE = 0.5  # seconds before a speed is reported
_LOCK_PATIENCE = 15.0  # longer than a stopped download can go on holding its lock
_SPARE = 64_000_000  # bytes of disk left free


@dataclass(frozen=True)
class Progress:
    """How far a download is; ``seconds_left`` is None until a speed is known."""

    done_bytes: int
    total_bytes: int
    bytes_per_second: float
    seconds_left: float | None


def fetch(
    download: Download, on_progress: Callable[[Progress], None], stop: threading.Event
) -> Located:
    """Return the model, once its files are all on disk.

    Goes on from what an earlier download left behind. ``on_progress`` is called in the caller's
    thread, about five times a second. Raises Stopped within about a second of ``stop``, and
    HubError, which names the model and the remedy, otherwise.
    """
    _refuse_full_disk(download)
    total = download.total_bytes
    transfer, rate = _Transfer(download), Rate(settle=_SETTLE)

    def report(done: int) -> None:
        speed = rate.add(done)
        on_progress(Progress(done, total, speed, rate.seconds_left(total - done)))

    transfer.start()
    try:
        while transfer.is_alive():
            if stop.is_set():
                raise Stopped(f"The download of {download.spec.name} was stopped; it can go on.")
            report(transfer.done)
            transfer.join(_TICK)
    finally:
        transfer.abort()  # also when the page went away in the middle of a report
    if transfer.failure:
        raise transfer.failure
    report(total)
    return disk.locate(download.spec)


def _refuse_full_disk(download: Download) -> None:
    place = disk.store()
    with naming_model(download.spec.name):
        place.mkdir(parents=True, exist_ok=True)
    free = shutil.disk_usage(place).free
    if download.missing_bytes and download.missing_bytes + _SPARE > free:
        raise HubError(
            f"{download.spec.name} needs {megabytes(download.missing_bytes)} and the disk has"
            f" {megabytes(free)} free: make room, then try again."
        )


class _Transfer(threading.Thread):
    """The bytes of one download, in a thread of their own so that a silent Hub can be left."""

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
        """End the transfer, waiting a second at most; does nothing to one that has ended."""
        self._halt.set()
        response = self._response
        if self.is_alive() and response is not None:
            # A thread that waits for bytes hears only of its socket.
            with suppress(OSError, KeyError, AttributeError):
                stream = response.extensions["network_stream"]
                stream.get_extra_info("socket").shutdown(2)
        self.join(1.0)

    def _fetch_part(self, part: Part) -> None:
        # Counted again: another window may have fetched some of it since the plan was made.
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
        half = partial_file(target)
        half.touch()
        self._fetch_bytes(part, file, half)
        if file.digest and _digest(half, file.digest) != file.digest:
            half.unlink()
            raise HubError(
                f"{file.path} of {part.id} arrived damaged and was thrown away: try again."
            )
        half.replace(target)

    def _fetch_bytes(self, part: Part, file: RemoteFile, half: Path) -> None:
        breaks = 0
        while (have := half.stat().st_size) < file.size:
            error = self._try_stream(part, file, half)
            breaks = 0 if half.stat().st_size > have else breaks + 1
            if breaks > _RETRIES:
                raise error or HubError(f"The Hub sends {file.path} of {part.id} cut short.")
            if half.stat().st_size < file.size and self._halt.wait(_PAUSE if error else 0):
                raise Stopped(f"The download of {part.id} was stopped.")

    def _try_stream(self, part: Part, file: RemoteFile, half: Path) -> Exception | None:
        """Return the break in the connection that a further try may mend, None without one."""
        try:
            self._stream(part, file, half)
        except Exception as error:
            if not _may_pass(error):
                raise
            return error
        finally:
            self._response = None
        return None

    def _stream(self, part: Part, file: RemoteFile, half: Path) -> None:
        from huggingface_hub import get_session, hf_raise_for_status

        url, headers = file_url(part.id, part.revision, file.path)
        have = half.stat().st_size
        if have:
            headers["Range"] = f"bytes={have}-"
        with get_session().stream("GET", url, headers=headers, timeout=PATIENCE) as response:
            self._response = response
            hf_raise_for_status(response)
            resumed = have > 0 and response.status_code == 206
            self.done -= 0 if resumed else have
            with half.open("ab" if resumed else "wb") as sink:
                for chunk in response.iter_bytes():
                    if self._halt.is_set():
                        return
                    sink.write(chunk)
                    self.done += len(chunk)


def _may_pass(error: Exception) -> bool:
    import httpx2
    from huggingface_hub.errors import HfHubHTTPError

    if isinstance(error, HfHubHTTPError):
        status = error.response.status_code
        return status >= 500 or status in (408, 429)
    return isinstance(error, httpx2.TransportError)


def _digest(file: Path, like: str) -> str:
    """Return a file's digest, of the same kind as another: sha256, or git's sha1 of a blob."""
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
    """Hold the right to write a checkpoint; raise HubError where another download has it."""
    from filelock import FileLock, Timeout

    lock = FileLock(disk.store() / f"{model_id.replace('/', '--')}.lock")
    deadline = time.monotonic() + _LOCK_PATIENCE
    while not lock.is_locked:
        with suppress(Timeout):
            lock.acquire(timeout=_TICK)
        if halt.is_set() and not lock.is_locked:
            raise Stopped(f"The download of {model_id} was stopped.")
        if time.monotonic() > deadline and not lock.is_locked:
            raise HubError(f"{model_id} is being downloaded in another window: wait for it there.")
    try:
        yield
    finally:
        lock.release()
