"""Plans a download: the Hub's listing of a checkpoint, and the files that are needed."""

import os
import re
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from components.models import checkpoint, disk
from components.models.catalogue import OPENAI, ModelSpec
from components.models.hub_errors import naming_model
from components.models.ids import is_folder

if TYPE_CHECKING:
    from huggingface_hub.hf_api import ModelInfo

# Read by the library at import; it then sends the Hub no data about this computer.
os.environ.setdefault("HF_HUB_DISABLE_TELEMETRY", "1")

PATIENCE = 10.0  # seconds without a byte before a request times out

# The main branch of this checkpoint has no safetensors; its conversion, by the Hub's staff, is this
# commit of the same repository.
_CONVERTED = {OPENAI: "b527df4b30e5cc18bde1cc712833a741d2d8c362"}

_TEXT_FILE = re.compile(r"[\w.-]+\.(?:json|txt|model)")
_WEIGHTS = re.compile(r"model(?:-\d{5}-of-\d{5})?\.safetensors")
# The folders of a Sentence-Transformers checkpoint's pooling and dense layers.
_MODULE_FOLDER = re.compile(r"\d+_\w+")


@dataclass(frozen=True)
class RemoteFile:
    """A file of a checkpoint; its digest is a SHA-256, git's SHA-1 of a blob, or unknown."""

    path: str
    size: int
    digest: str | None = None


@dataclass(frozen=True)
class Part:
    """A checkpoint at a commit, with the files that are needed."""

    id: str
    revision: str
    files: tuple[RemoteFile, ...]

    @property
    def folder(self) -> Path:
        """The folder for the files."""
        return disk.folder_of(self.id, self.revision)

    @property
    def missing_bytes(self) -> int:
        """The bytes still to download, those of an earlier partial download not counted."""
        return sum(file.size - _received(self, file) for file in self.files)


@dataclass(frozen=True)
class Download:
    """What a download would transfer."""

    spec: ModelSpec
    total_bytes: int
    missing_bytes: int
    files: int
    revision: str  # commits joined by "+", as `Located` has it
    parts: tuple[Part, ...] = ()


def plan_download(spec: ModelSpec) -> Download:
    """Return what downloading a model would transfer, at the Hub's current commit.

    Requests a listing and config.json of each part that is not complete on disk. Raises HubError
    where the Hub fails or the checkpoint cannot be used.
    """
    remote = [part for part in spec.parts if not is_folder(part)]
    parts = tuple(_plan_part(part, is_text=part == spec.text) for part in remote)
    return Download(
        spec=spec,
        total_bytes=sum(file.size for part in parts for file in part.files),
        missing_bytes=sum(part.missing_bytes for part in parts),
        files=sum(len(part.files) for part in parts),
        revision="+".join(part.revision for part in parts) or "local",
        parts=parts,
    )


def _plan_part(model_id: str, is_text: bool) -> Part:
    manifest = disk.read_manifest(model_id)
    if manifest and manifest.is_whole():
        files = tuple(RemoteFile(path, size) for path, size in manifest.files.items())
        return Part(model_id, manifest.revision, files)
    with naming_model(model_id):
        return _remote_part(model_id, is_text)


def _remote_part(model_id: str, is_text: bool) -> Part:
    listing = _listing(model_id)
    files = _remote_files(listing)
    commit = str(listing.sha)
    config = _config(model_id, commit) if "config.json" in files else {}
    checkpoint.check(model_id, is_text=is_text, names=files.keys(), config=config)
    needed = tuple(files[path] for path in sorted(files) if _is_needed(path, files, is_text))
    return Part(model_id, commit, needed)


def _listing(model_id: str) -> "ModelInfo":
    from huggingface_hub import HfApi

    api = HfApi(endpoint=_endpoint(), library_name="captionlens")
    listing = api.model_info(model_id, files_metadata=True, timeout=PATIENCE)
    converted = _CONVERTED.get(model_id)
    if converted is None or checkpoint.has_weights(_remote_files(listing)):
        return listing
    return api.model_info(model_id, revision=converted, files_metadata=True, timeout=PATIENCE)


def _endpoint() -> str | None:
    # The library reads it once, at import; here it is read at every call.
    return os.environ.get("HF_ENDPOINT", "").rstrip("/") or None


def _remote_files(listing: "ModelInfo") -> dict[str, RemoteFile]:
    files = {}
    for sibling in listing.siblings or []:
        digest = sibling.lfs.sha256 if sibling.lfs else sibling.blob_id
        files[sibling.rfilename] = RemoteFile(sibling.rfilename, sibling.size or 0, digest)
    return files


def _config(model_id: str, commit: str) -> dict[str, Any]:
    from huggingface_hub import get_session, hf_raise_for_status

    url, headers = file_url(model_id, commit, "config.json")
    response = get_session().get(url, headers=headers, timeout=PATIENCE)
    hf_raise_for_status(response)
    return dict(response.json())


def file_url(model_id: str, commit: str, path: str) -> tuple[str, dict[str, str]]:
    from huggingface_hub import hf_hub_url
    from huggingface_hub.utils import build_hf_headers  # type: ignore[attr-defined] # documented

    url = hf_hub_url(model_id, path, revision=commit, endpoint=_endpoint())
    # A compressed response could be neither measured nor resumed.
    return url, {**build_hf_headers(library_name="captionlens"), "Accept-Encoding": "identity"}


def _is_needed(path: str, files: dict[str, RemoteFile], is_text: bool) -> bool:
    folder, _, name = path.rpartition("/")
    if folder and not (is_text and _MODULE_FOLDER.fullmatch(folder)):
        return False
    if _WEIGHTS.fullmatch(name):
        whole = f"{folder}/model.safetensors".lstrip("/")
        return path == whole or whole not in files  # shards only without a single file
    return bool(_TEXT_FILE.fullmatch(name))


def _received(part: Part, file: RemoteFile) -> int:
    target = part.folder / file.path
    if disk.size_of(target) == file.size:
        return file.size
    return min(disk.size_of(partial_file(target)) or 0, file.size)


def partial_file(target: Path) -> Path:
    return target.with_name(f"{target.name}.part")
