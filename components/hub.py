"""How to get a checkpoint: what a download would fetch, then its bytes, with progress.

huggingface_hub answers what the Hub has: listings, addresses, tokens, errors. The loop over the
bytes is ours, because its version 2.4 drops a partial file when a download fails and reads ten
megabytes at a time, so that it can neither go on where it stopped nor stop within a second.
"""

import errno
import hashlib
import os
import re
import shutil
import threading
import time
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from components import models
from components.catalogue import OPENAI, ModelSpec
from components.errors import CaptionLensError
from components.models import Located, Manifest, ModelError

if TYPE_CHECKING:
    import httpx2
    from huggingface_hub.hf_api import ModelInfo

# Read by the library when it is imported: it then says nothing of this machine to the Hub.
os.environ.setdefault("HF_HUB_DISABLE_TELEMETRY", "1")

_PATIENCE = 10.0  # seconds without a byte before the Hub counts as silent
_RETRIES = 4  # breaks in a row, without a byte between them, before we give up
_PAUSE = 1.0  # seconds before the next try
_TICK = 0.2  # seconds between two reports
_LOCK_PATIENCE = 15.0  # longer than a stopped download can go on holding its lock
_SPARE = 64_000_000  # bytes of disk left free

# The main branch of this checkpoint has no safetensors; its conversion, made by the Hub's own
# staff, is this commit of the same repository.
_CONVERTED = {OPENAI: "b527df4b30e5cc18bde1cc712833a741d2d8c362"}

_TEXT_FILE = re.compile(r"[\w.-]+\.(?:json|txt|model)")
_WEIGHTS = re.compile(r"model(?:-\d{5}-of-\d{5})?\.safetensors")
# Where a Sentence-Transformers checkpoint keeps its pooling and dense layers.
_MODULE_FOLDER = re.compile(r"\d+_\w+")


class HubError(ModelError):
    """A model that could not be downloaded, and what to do about it."""


class Stopped(CaptionLensError):  # noqa: N818 - not a failure: the person asked for it
    """A download that was stopped; what arrived is kept."""


@dataclass(frozen=True)
class RemoteFile:
    """A file of a checkpoint; its digest is a sha256, or git's sha1 of a blob, or unknown."""

    path: str
    size: int
    digest: str | None = None


@dataclass(frozen=True)
class Part:
    """A checkpoint at a commit, and the files of it that are needed."""

    id: str
    revision: str
    files: tuple[RemoteFile, ...]

    @property
    def folder(self) -> Path:
        """Where the files lie, or will lie."""
        return models.folder_of(self.id, self.revision)

    @property
    def missing_bytes(self) -> int:
        """What is still to fetch; what an earlier download left behind counts as there."""
        return sum(file.size - _arrived(self, file) for file in self.files)


@dataclass(frozen=True)
class Download:
    """What a click would fetch."""

    spec: ModelSpec
    total_bytes: int
    missing_bytes: int
    files: int
    revision: str  # commits joined by "+", as `Located` has it
    parts: tuple[Part, ...] = ()


@dataclass(frozen=True)
class Progress:
    """How far a download is; ``seconds_left`` is None until a speed is known."""

    done_bytes: int
    total_bytes: int
    bytes_per_second: float
    seconds_left: float | None


def plan(spec: ModelSpec) -> Download:
    """Return what downloading a model would fetch, at the commit of this moment.

    Asks the Hub for its listing and its config.json, never for weights; a part that is whole on
    disk is not asked about. Raises HubError where the Hub or the checkpoint is no good.
    """
    ids = [part for part in spec.parts if not models.is_folder(part)]
    parts = tuple(_plan_part(part, is_text=part == spec.text) for part in ids)
    return Download(
        spec=spec,
        total_bytes=sum(file.size for part in parts for file in part.files),
        missing_bytes=sum(part.missing_bytes for part in parts),
        files=sum(len(part.files) for part in parts),
        revision="+".join(part.revision for part in parts) or "local",
        parts=parts,
    )


def _plan_part(model_id: str, is_text: bool) -> Part:
    manifest = models.read_manifest(model_id)
    if manifest and manifest.is_whole():
        files = tuple(RemoteFile(path, size) for path, size in manifest.files.items())
        return Part(model_id, manifest.revision, files)
    with _told(model_id):
        return _ask(model_id, is_text)


def _ask(model_id: str, is_text: bool) -> Part:
    listing = _listing(model_id)
    files = _remote_files(listing)
    commit = str(listing.sha)
    config = _config(model_id, commit) if "config.json" in files else {}
    models.check(model_id, is_text=is_text, names=files.keys(), config=config)
    needed = tuple(files[path] for path in sorted(files) if _is_needed(path, files, is_text))
    return Part(model_id, commit, needed)


def _listing(model_id: str) -> "ModelInfo":
    from huggingface_hub import HfApi

    api = HfApi(endpoint=_endpoint(), library_name="captionlens")
    listing = api.model_info(model_id, files_metadata=True, timeout=_PATIENCE)
    converted = _CONVERTED.get(model_id)
    if converted is None or models.has_weights(_remote_files(listing)):
        return listing
    return api.model_info(model_id, revision=converted, files_metadata=True, timeout=_PATIENCE)


def _endpoint() -> str | None:
    # The library reads it once, at import; we read it at every call.
    return os.environ.get("HF_ENDPOINT", "").rstrip("/") or None


def _remote_files(listing: "ModelInfo") -> dict[str, RemoteFile]:
    files = {}
    for sibling in listing.siblings or []:
        digest = sibling.lfs.sha256 if sibling.lfs else sibling.blob_id
        files[sibling.rfilename] = RemoteFile(sibling.rfilename, sibling.size or 0, digest)
    return files


def _config(model_id: str, commit: str) -> dict[str, Any]:
    from huggingface_hub import get_session, hf_raise_for_status

    url, headers = _address(model_id, commit, "config.json")
    response = get_session().get(url, headers=headers, timeout=_PATIENCE)
    hf_raise_for_status(response)
    return dict(response.json())


def _address(model_id: str, commit: str, path: str) -> tuple[str, dict[str, str]]:
    from huggingface_hub import hf_hub_url
    from huggingface_hub.utils import build_hf_headers  # type: ignore[attr-defined] # documented

    url = hf_hub_url(model_id, path, revision=commit, endpoint=_endpoint())
    # A compressed answer could be neither measured nor resumed.
    return url, {**build_hf_headers(library_name="captionlens"), "Accept-Encoding": "identity"}


def _is_needed(path: str, files: dict[str, RemoteFile], is_text: bool) -> bool:
    folder, _, name = path.rpartition("/")
    if folder and not (is_text and _MODULE_FOLDER.fullmatch(folder)):
        return False
    if _WEIGHTS.fullmatch(name):
        whole = f"{folder}/model.safetensors".lstrip("/")
        return path == whole or whole not in files  # shards only where there is no single file
    return bool(_TEXT_FILE.fullmatch(name))


def _arrived(part: Part, file: RemoteFile) -> int:
    target = part.folder / file.path
    if models.size_of(target) == file.size:
        return file.size
    return min(models.size_of(_half(target)) or 0, file.size)


def _half(target: Path) -> Path:
    return target.with_name(f"{target.name}.part")


def fetch(
    download: Download, on_progress: Callable[[Progress], None], stop: threading.Event
) -> Located:
    """Return the model, once its files are all on disk.

    Goes on from what an earlier download left behind. ``on_progress`` is called in the caller's
    thread, about five times a second. Raises Stopped within about a second of ``stop``, and
    HubError, which names the model and the remedy, otherwise.
    """
    _refuse_full_disk(download)
    transfer, meter = _Transfer(download), _Meter(download.total_bytes)
    transfer.start()
    try:
        while transfer.is_alive():
            if stop.is_set():
                raise Stopped(f"The download of {download.spec.name} was stopped; it can go on.")
            on_progress(meter.read(transfer.done))
            transfer.join(_TICK)
    finally:
        transfer.abort()  # also when the page went away in the middle of a report
    if transfer.failure:
        raise transfer.failure
    on_progress(meter.read(download.total_bytes))
    return models.locate(download.spec)


def _refuse_full_disk(download: Download) -> None:
    place = models.store()
    with _told(download.spec.name):
        place.mkdir(parents=True, exist_ok=True)
    free = shutil.disk_usage(place).free
    if download.missing_bytes and download.missing_bytes + _SPARE > free:
        raise HubError(
            f"{download.spec.name} needs {_megabytes(download.missing_bytes)} and the disk has"
            f" {_megabytes(free)} free: make room, then try again."
        )


def _megabytes(count: int) -> str:
    return f"{count / 1e6:,.0f} MB"


class _Meter:
    """Turns counts of bytes into a speed, over the last five seconds or so."""

    def __init__(self, total: int) -> None:
        self.total = total
        self.samples: deque[tuple[float, int]] = deque(maxlen=25)

    def read(self, done: int) -> Progress:
        """Return the progress at this moment."""
        now = time.monotonic()
        self.samples.append((now, done))
        since, before = self.samples[0]
        # In the first half second a speed is a guess.
        speed = max(done - before, 0) / (now - since) if now - since > 0.5 else 0.0
        left = (self.total - done) / speed if speed else None
        return Progress(done, self.total, speed, left)


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
                with _told(part.id), _locked(part.id, self._halt):
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
        if part.missing_bytes or models.read_manifest(part.id) is None:
            for file in part.files:
                self._fetch_file(part, file)
            sizes = {file.path: file.size for file in part.files}
            models.write_manifest(
                Manifest(part.id, self.download.spec.id, part.revision, files=sizes)
            )
            _drop_other_revisions(part)

    def _fetch_file(self, part: Part, file: RemoteFile) -> None:
        target = part.folder / file.path
        if models.size_of(target) == file.size:
            return
        target.parent.mkdir(parents=True, exist_ok=True)
        half = _half(target)
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

        url, headers = _address(part.id, part.revision, file.path)
        have = half.stat().st_size
        if have:
            headers["Range"] = f"bytes={have}-"
        with get_session().stream("GET", url, headers=headers, timeout=_PATIENCE) as response:
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

    lock = FileLock(models.store() / f"{model_id.replace('/', '--')}.lock")
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


@contextmanager
def _told(model: str) -> Iterator[None]:
    """Turn what the library and the disk raise into a HubError that names the model."""
    import httpx2

    try:
        yield
    except (HubError, Stopped):
        raise
    except ModelError as error:
        raise HubError(str(error)) from error
    except (httpx2.HTTPError, httpx2.InvalidURL, OSError, ValueError, TypeError) as error:
        raise HubError(_sentence(model, error)) from error


def _sentence(model: str, error: Exception) -> str:
    import httpx2
    from huggingface_hub.errors import HfHubHTTPError, OfflineModeIsEnabled

    if isinstance(error, HfHubHTTPError):
        return _refusal(model, error)
    if isinstance(error, OfflineModeIsEnabled):
        return f"{model} cannot be downloaded while HF_HUB_OFFLINE is set: unset it, and restart."
    if isinstance(error, httpx2.TimeoutException):
        return f"The Hub fell silent while it was asked for {model}: try again; it goes on."
    if isinstance(error, httpx2.HTTPError | httpx2.InvalidURL):
        return (
            f"The Hub cannot be reached for {model}: check the network, or give the folder of a"
            " copy that you already have."
        )
    if isinstance(error, OSError):
        return _disk_trouble(model, error)
    return f"What answers for {model} is not the Hub: check HF_ENDPOINT and the network's log-in."


def _refusal(model: str, error: Any) -> str:
    from huggingface_hub.errors import GatedRepoError

    status = error.response.status_code
    if isinstance(error, GatedRepoError) or status == 403:
        return (
            f"{model} is for people who accepted its terms: accept them on its page at the Hub,"
            " set HF_TOKEN to your token, and try again."
        )
    if status in (401, 404):
        return f"The Hub has no model {model}, or it is private: check the id, or set HF_TOKEN."
    if status == 429:
        return f"The Hub asks us to slow down before it sends {model}: try again in a few minutes."
    return f"The Hub failed with an error of its own ({status}) over {model}: try again later."


def _disk_trouble(model: str, error: OSError) -> str:
    if error.errno in (errno.ENOSPC, errno.EDQUOT):
        return f"The disk filled up while {model} was written: make room and try again; it goes on."
    reason = error.strerror or type(error).__name__
    return f"{model} could not be written under {models.store().parent}: {reason}."
