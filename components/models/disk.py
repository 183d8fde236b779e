"""The checkpoints on disk: finding, storing and removing them."""

import json
import re
import shutil
import tempfile
from contextlib import suppress
from dataclasses import dataclass
from functools import lru_cache
from hashlib import sha256
from pathlib import Path

from components.files import write_bytes
from components.models.catalogue import CATALOGUE, LAION, OPENAI, POCKET, ModelSpec
from components.models.checkpoint import Located, check, file_names, read_config
from components.models.ids import (
    HUB_ID,
    TRAINED,
    ModelError,
    is_folder,
    resolve,
    trained_folder,
    trained_spec,
)
from components.settings import Settings

_COMMIT = re.compile(r"[0-9a-f]{40}")


class NotOnDisk(ModelError):  # noqa: N818 - a state, not a failure
    """A model that is not on disk, or only in part."""


@dataclass(frozen=True)
class DownloadManifest:
    """The files of a completed download: written last, so an incomplete download has none."""

    id: str
    asked_for: str  # the id of the model it was downloaded for, by which a pair is found again
    revision: str
    files: dict[str, int]  # path -> bytes

    @property
    def folder(self) -> Path:
        """The folder of the files."""
        return folder_of(self.id, self.revision)

    def is_whole(self) -> bool:
        """Return whether every file is on disk with its full size."""
        return all(size_of(self.folder / path) == size for path, size in self.files.items())


def refuse_taken(name: str) -> None:
    """Raise ModelError where a name is invalid or in use."""
    if trained_folder(name).exists():
        raise ModelError(f"A model named {name!r} already exists: choose another name.")


def keep_trained(folder: Path, name: str) -> ModelSpec:
    """Return a trained model, after copying ``folder`` into model_cache in one step.

    Raises ModelError where the name is invalid or in use.
    """
    refuse_taken(name)
    target = trained_folder(name)
    target.parent.mkdir(parents=True, exist_ok=True)
    draft = Path(tempfile.mkdtemp(dir=target.parent, prefix=".making-"))
    try:
        shutil.copytree(folder, draft / "model")
        (draft / "model").rename(target)
    finally:
        shutil.rmtree(draft, ignore_errors=True)
    return trained_spec(name)


def locate(spec: ModelSpec) -> Located:
    """Return where a model's files are.

    Raises NotOnDisk where a part is missing or incomplete, and ModelError where the files are not
    those of a dual encoder, or of a text tower, with safetensors weights.
    """
    image, revision = _locate_part(spec, spec.image)
    if spec.text is None:
        return Located(spec, image, None, revision)
    text, text_revision = _locate_part(spec, spec.text)
    return Located(spec, image, text, f"{revision}+{text_revision}")


def _locate_part(spec: ModelSpec, part: str) -> tuple[Path, str]:
    folder, revision = _local(part) if is_folder(part) else _downloaded(spec, part)
    check(part, is_text=part == spec.text, names=file_names(folder), config=read_config(folder))
    return folder, revision


def _local(part: str) -> tuple[Path, str]:
    folder = Path(part)
    if not folder.is_dir():
        raise NotOnDisk(f"The folder {part} does not exist: give the folder of a checkpoint.")
    return folder, _pocket_revision() if folder == POCKET else f"local-{_folder_state(folder)}"


def _folder_state(folder: Path) -> str:
    """Return a digest of the names, sizes and times of a folder's files."""
    state = [(name, *_size_and_time(folder / name)) for name in sorted(file_names(folder))]
    return sha256(repr(state).encode()).hexdigest()[:12]


def _size_and_time(file: Path) -> tuple[int, ...]:
    try:
        status = file.stat()
    except OSError:  # deleted meanwhile: a change like any other
        return ()
    return status.st_size, status.st_mtime_ns


def _pocket_revision() -> str:
    weights = POCKET / "model.safetensors"
    if not weights.is_file():
        raise NotOnDisk(f"Pocket's weights are missing from {POCKET}: install the app again.")
    return _digest(weights, *_size_and_time(weights))


@lru_cache(maxsize=4)
def _digest(file: Path, _size: int, _changed: int) -> str:
    return sha256(file.read_bytes()).hexdigest()[:12]


def _downloaded(spec: ModelSpec, part: str) -> tuple[Path, str]:
    manifest = read_manifest(part)
    if manifest is None or not manifest.is_whole():
        which = "" if len(spec.parts) == 1 else f" ({part} is missing)"
        raise NotOnDisk(f"{spec.name} is not on disk{which}: download it first.")
    return manifest.folder, manifest.revision


def on_disk() -> list[ModelSpec]:
    """Return the models that `locate` finds: the catalogue's in its order, then the others."""
    known = [card.spec for card in CATALOGUE]
    ids = {spec.id for spec in known}
    others = sorted({spec for spec in _others() if spec.id not in ids}, key=lambda spec: spec.id)
    return [spec for spec in [*known, *others] if is_on_disk(spec)]


def _others() -> list[ModelSpec]:
    manifests = filter(None, map(_parse, store().glob("*.json")))
    names = {name for each in manifests for name in (each.id, each.asked_for)}
    names |= {TRAINED + folder.name for folder in (Settings().model_cache / "trained").glob("*")}
    specs = []
    for name in names:
        with suppress(ModelError):  # a pair with a folder that no longer exists
            specs.append(resolve(name))
    return specs


def is_on_disk(spec: ModelSpec) -> bool:
    """Return whether `locate` would find a model."""
    try:
        locate(spec)
    except ModelError:
        return False
    return True


def default_id() -> str:
    """Return the id of the default model: the better CLIP ViT-B/32 on disk, else Pocket's."""
    return next((clip for clip in (LAION, OPENAI) if is_on_disk(resolve(clip))), "pocket")


def remove(spec: ModelSpec) -> int:
    """Return the bytes freed by deleting a model's parts, incomplete downloads included.

    A part that a pair on disk shares is deleted too; that pair is then incomplete. Raises
    ModelError for Pocket, and for a folder outside of model_cache.
    """
    if spec.id.startswith(TRAINED):
        return _remove_part(str(trained_folder(spec.id.removeprefix(TRAINED))))
    for part in spec.parts:
        if is_folder(part):
            _check_removable(spec, Path(part))
    return sum(_remove_part(part) for part in spec.parts)


def _check_removable(spec: ModelSpec, folder: Path) -> None:
    if folder == POCKET:
        raise ModelError("Pocket is part of the app and cannot be removed.")
    cache = Settings().model_cache.resolve()
    if cache not in folder.resolve().parents or not (folder / "config.json").is_file():
        raise ModelError(f"{spec.name} is a folder of your own: delete {folder} yourself.")


def _remove_part(part: str) -> int:
    folder = Path(part) if is_folder(part) else store() / _slug(part)
    freed = folder_size(folder)
    if not is_folder(part):
        _manifest_file(part).unlink(
            missing_ok=True
        )  # first, so that a partly deleted model is not located
    if folder.is_dir():
        shutil.rmtree(folder)
    return freed


def store() -> Path:
    """Return the folder of the downloads."""
    return Settings().model_cache / "hub"


def folder_of(id: str, revision: str) -> Path:  # noqa: A002 - a Hub id, as everywhere here
    """Return the folder for the files of a Hub id at a commit."""
    return store() / _slug(id) / revision


def _slug(id: str) -> str:  # noqa: A002
    return id.replace("/", "--")


def _manifest_file(id: str) -> Path:  # noqa: A002
    return store() / f"{_slug(id)}.json"


def read_manifest(id: str) -> DownloadManifest | None:  # noqa: A002
    """Return the manifest of a Hub id, None without a completed download."""
    manifest = _parse(_manifest_file(id))
    return manifest if manifest and manifest.id == id else None


def _parse(file: Path) -> DownloadManifest | None:
    try:
        manifest = DownloadManifest(**json.loads(file.read_text(encoding="utf-8")))
        sound = HUB_ID.fullmatch(manifest.id) and _COMMIT.fullmatch(manifest.revision)
    except (OSError, ValueError, TypeError):
        return None  # missing or damaged: the model counts as not downloaded
    typed = isinstance(manifest.files, dict) and isinstance(manifest.asked_for, str)
    return manifest if sound and typed and manifest.files else None


def write_manifest(manifest: DownloadManifest) -> None:
    """Mark a download as complete."""
    write_bytes(_manifest_file(manifest.id), json.dumps(vars(manifest), indent=1).encode())


def folder_size(folder: Path) -> int:
    """Return the bytes of all files in a folder and its subfolders."""
    return sum(size_of(file) or 0 for file in folder.rglob("*"))


def size_of(file: Path) -> int | None:
    """Return a file's size in bytes, None where there is none."""
    try:
        return file.stat().st_size if file.is_file() else None
    except OSError:
        return None
