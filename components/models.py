"""Which checkpoints exist, which are on disk, and what a checkpoint must hold to be used."""

import json
import re
import shutil
import tempfile
from collections.abc import Collection, Mapping
from contextlib import suppress
from dataclasses import dataclass
from functools import lru_cache
from hashlib import file_digest, sha256
from math import prod
from pathlib import Path
from typing import Any

from components.catalogue import CATALOGUE, LAION, OPENAI, POCKET, ModelSpec
from components.errors import CaptionLensError
from components.files import write_bytes
from components.settings import Settings

# Families whose one checkpoint puts pictures and text into the same space.
DUAL_ENCODERS = frozenset(
    {
        "clip",
        "siglip",
        "siglip2",
        "vision-text-dual-encoder",
        "chinese_clip",
        "altclip",
        "metaclip_2",
    }
)

# The older networks, which `components.matchers` saves: the first has no vectors, only pairs.
PAIR_MATCHER, DENSENET_LSTM = "captionlens-pair-matcher", "captionlens-densenet-lstm"
MATCHERS = frozenset({PAIR_MATCHER, DENSENET_LSTM})

TRAINED = "trained:"  # what ids of models begin with that were trained here
_TRAINED_NAME = re.compile(r"\w(?:[\w .-]{0,58}\w)?")

# namespace/name as the Hub allows it; "--" is reserved there, so a folder name can hold an id.
_HUB_ID = re.compile(r"(?!.*(?:\.\.|--))[A-Za-z0-9][\w.-]{0,95}/[A-Za-z0-9][\w.-]{0,95}", re.ASCII)
_COMMIT = re.compile(r"[0-9a-f]{40}")
_SHARD = re.compile(r"model-\d{5}-of-(\d{5})\.safetensors")
_PICKLES = ("pytorch_model", "model.pt", "model.bin")


class ModelError(CaptionLensError):
    """A model that cannot be used, and why."""


class NotOnDisk(ModelError):  # noqa: N818 - named for what the person must do something about
    """A model that is not on disk, or not wholly."""


@dataclass(frozen=True)
class Located:
    """A model whose files are all on disk."""

    spec: ModelSpec
    image: Path
    text: Path | None
    revision: str  # commits joined by "+", Pocket's digest, or a digest of a folder's state


@dataclass(frozen=True)
class Manifest:
    """What makes a download whole: written last, so that half a download has none."""

    id: str
    asked_for: str  # the spec that it was downloaded for: a pair is found again by it
    revision: str
    files: dict[str, int]  # path -> bytes

    @property
    def folder(self) -> Path:
        """Where the files lie."""
        return folder_of(self.id, self.revision)

    def is_whole(self) -> bool:
        """Return whether every file is there with its size."""
        return all(size_of(self.folder / path) == size for path, size in self.files.items())


def resolve(id: str) -> ModelSpec:  # noqa: A002 - the word that people and the table use
    """Return the model that an id names: of the table, the Hub, a folder, or "TEXT + IMAGE".

    Says nothing of what is on disk. Raises ModelError where it can be none of these.
    """
    wanted = " + ".join(re.split(r"\s+\+\s+", id.strip()))
    for card in CATALOGUE:
        if wanted in (card.spec.id, card.spec.id.upper(), card.spec.id.title()):
            return card.spec
    if wanted.startswith(TRAINED):
        return _trained(wanted.removeprefix(TRAINED))
    folder = _folder(wanted)
    if folder:
        return ModelSpec(str(folder), folder.name, str(folder))
    if " + " in wanted:
        return _pair(wanted)
    if not _HUB_ID.fullmatch(wanted):
        raise ModelError(
            f"{_shown(wanted)} is not a model: give a Hub id such as {OPENAI}, a folder that"
            " exists, or pocket."
        )
    return ModelSpec(wanted, wanted.split("/")[1], wanted)


def _trained(name: str) -> ModelSpec:
    folder = trained_folder(name)
    if not folder.is_dir():
        raise ModelError(f"No model named {_shown(name)} has been trained here.")
    if (folder / "text").is_dir():  # a text tower and an image tower, each with its own files
        return ModelSpec(TRAINED + name, name, str(folder / "image"), str(folder / "text"))
    return ModelSpec(TRAINED + name, name, str(folder))


def trained_folder(name: str) -> Path:
    """Return where a model trained here lies, or will lie. Raises ModelError for no fit name."""
    if not _TRAINED_NAME.fullmatch(name):
        raise ModelError(
            f"{_shown(name)} is no name for a model: use up to 60 letters, digits, spaces, dots"
            " and hyphens."
        )
    return (Settings().model_cache / "trained" / name).absolute()


def refuse_taken(name: str) -> None:
    """Raise ModelError where a name is taken, or is none."""
    if trained_folder(name).exists():
        raise ModelError(f"There is a model named {name!r} already: choose another name.")


def keep_trained(made: Path, name: str) -> ModelSpec:
    """Return the model that ``made``, a folder, becomes under a name: a copy, whole or not at all.

    Raises ModelError where the name is taken, or is none.
    """
    refuse_taken(name)
    folder = trained_folder(name)
    folder.parent.mkdir(parents=True, exist_ok=True)
    draft = Path(tempfile.mkdtemp(dir=folder.parent, prefix=".making-"))
    try:
        shutil.copytree(made, draft / "model")
        (draft / "model").rename(folder)
    finally:
        shutil.rmtree(draft, ignore_errors=True)
    return _trained(name)


def _shown(text: str) -> str:
    return repr(text if len(text) <= 80 else f"{text[:79]}…")


def _folder(text: str) -> Path | None:
    try:
        folder = Path(text).expanduser()
        return folder.resolve() if text and folder.is_dir() else None
    except (OSError, ValueError, RuntimeError):  # too long, a null byte, an unknown ~user
        return None


def _pair(wanted: str) -> ModelSpec:
    halves = wanted.split(" + ")
    if len(halves) != 2:
        raise ModelError(f"{_shown(wanted)} is not a pair: give one text tower + one image tower.")
    text, image = map(resolve, halves)
    return ModelSpec(f"{text.id} + {image.id}", f"{text.name} + {image.name}", image.image, text.id)


def locate(spec: ModelSpec) -> Located:
    """Return where a model's files lie.

    Raises NotOnDisk where a part is missing or only half downloaded, and ModelError where the
    files are not those of a dual encoder, or of a text tower, in safetensors.
    """
    image, revision = _locate_part(spec, spec.image)
    if spec.text is None:
        return Located(spec, image, None, revision)
    text, text_revision = _locate_part(spec, spec.text)
    return Located(spec, image, text, f"{revision}+{text_revision}")


def _locate_part(spec: ModelSpec, part: str) -> tuple[Path, str]:
    folder, revision = _local(part) if is_folder(part) else _downloaded(spec, part)
    check(part, is_text=part == spec.text, names=_names(folder), config=_config(folder))
    return folder, revision


def is_folder(part: str) -> bool:
    """Return whether a part of a spec is a folder, not a Hub id."""
    return Path(part).is_absolute()


def _local(part: str) -> tuple[Path, str]:
    folder = Path(part)
    if not folder.is_dir():
        raise NotOnDisk(f"The folder {part} does not exist: give one that holds a checkpoint.")
    return folder, _pocket_revision() if folder == POCKET else f"local-{_state(folder)}"


def _state(folder: Path) -> str:
    """Return a digest of a folder's names, sizes and times: another one when a file changes."""
    told = [(name, *_size_and_time(folder / name)) for name in sorted(_names(folder))]
    return sha256(repr(told).encode()).hexdigest()[:12]


def _size_and_time(file: Path) -> tuple[int, ...]:
    try:
        facts = file.stat()
    except OSError:  # gone meanwhile: a change like any other
        return ()
    return facts.st_size, facts.st_mtime_ns


def _pocket_revision() -> str:
    weights = POCKET / "model.safetensors"
    if not weights.is_file():
        raise NotOnDisk(f"Pocket's weights are missing: {POCKET.name} is incomplete, get it again.")
    facts = weights.stat()
    return _digest(weights, facts.st_size, facts.st_mtime_ns)


@lru_cache(maxsize=4)
def _digest(file: Path, _size: int, _changed: int) -> str:
    return sha256(file.read_bytes()).hexdigest()[:12]


def _downloaded(spec: ModelSpec, part: str) -> tuple[Path, str]:
    manifest = read_manifest(part)
    if manifest is None or not manifest.is_whole():
        which = "" if len(spec.parts) == 1 else f" ({part} is missing)"
        raise NotOnDisk(f"{spec.name} is not on this machine{which}: download it first.")
    return manifest.folder, manifest.revision


def weights_digest(located: Located) -> dict[str, str]:
    """Return the SHA-256, in hex, of each weights file; two towers' by "image" and "text"."""
    towers = {"image": located.image, "text": located.text}
    folders = {name: folder for name, folder in towers.items() if folder}
    prefix = len(folders) > 1
    digests = {}
    for tower, folder in folders.items():
        for name in sorted(_names(folder)):
            if name.endswith(".safetensors"):
                with (folder / name).open("rb") as file:
                    digest = file_digest(file, "sha256").hexdigest()
                digests[f"{tower}/{name}" if prefix else name] = digest
    return digests


def parameters(located: Located) -> int:
    """Return how many numbers the weights files hold, normalisation statistics counted."""
    from safetensors import safe_open

    total = 0
    for folder in {located.image, located.text or located.image}:
        for name in (name for name in _names(folder) if name.endswith(".safetensors")):
            with safe_open(folder / name, framework="numpy") as file:
                shapes = [file.get_slice(key).get_shape() for key in file.keys()]  # noqa: SIM118 - no mapping
            total += sum(prod(shape) for shape in shapes)
    return total


def _names(folder: Path) -> list[str]:
    """Return the files of a folder and of its subfolders, one level deep, as a Hub lists them."""
    files = [*folder.glob("*"), *folder.glob("*/*")]
    return [file.relative_to(folder).as_posix() for file in files if file.is_file()]


def _config(folder: Path) -> dict[str, Any]:
    file = folder / "config.json"
    try:
        return dict(json.loads(file.read_text(encoding="utf-8"))) if file.is_file() else {}
    except (OSError, ValueError, TypeError) as error:
        raise ModelError(f"{folder.name} has a config.json that cannot be read.") from error


def family(located: Located) -> str:
    """Return a checkpoint's kind, as its config names it."""
    return str(_config(located.image).get("model_type"))


def has_transformer(located: Located) -> bool:
    """Return whether a checkpoint's image tower cuts pictures into patches, by its config."""
    config = _config(located.image)
    # CLIP's and SigLIP's configs leave out what is at its default: a patch size is one.
    vision = config.get("vision_config") or {}
    plain = {"vision-text-dual-encoder", *MATCHERS}
    return "patch_size" in vision or config.get("model_type") not in plain


def check(part: str, *, is_text: bool, names: Collection[str], config: Mapping[str, Any]) -> None:
    """Raise ModelError unless these files make a checkpoint that can be used.

    ``names`` are paths inside the checkpoint, ``config`` is its config.json, empty where none.
    """
    name = Path(part).name if is_folder(part) else part
    if is_text:
        _check_text(name, names)
    else:
        _check_image(name, names, config)
    _check_weights(name, names, is_text)


def _check_text(name: str, names: Collection[str]) -> None:
    if "modules.json" not in names:
        raise ModelError(
            f"{name} cannot be a pair's text tower: it has no modules.json, so it is not a"
            " Sentence-Transformers checkpoint."
        )


def _check_image(name: str, names: Collection[str], config: Mapping[str, Any]) -> None:
    if "config.json" not in names:
        raise ModelError(f"{name} is not a checkpoint that can be read: it has no config.json.")
    kind = config.get("model_type")
    if kind not in DUAL_ENCODERS | MATCHERS:
        raise ModelError(
            f"{name} is not a dual encoder for pictures and text (its type is"
            f" {kind or 'not given'}): choose a CLIP or SigLIP checkpoint."
        )


def _check_weights(name: str, names: Collection[str], is_text: bool) -> None:
    # A text tower's dense layers lie in folders of their own, which may not be pickle only
    # either; of an image tower the top alone counts.
    folders = {path.rpartition("/")[0] for path in names} if is_text else {""}
    pickled = {folder for folder in folders if _holds(names, folder, _PICKLES)}
    ready = {folder for folder in folders if has_weights(names, folder)}
    if pickled - ready:
        raise ModelError(
            f"{name} has its weights as pickles, which can run code when they are opened: choose"
            " a checkpoint with safetensors weights."
        )
    if not ready:
        raise ModelError(f"{name} holds no safetensors weights: choose a checkpoint that does.")


def _holds(names: Collection[str], folder: str, prefixes: tuple[str, ...]) -> bool:
    heads = tuple(f"{folder}/{prefix}" if folder else prefix for prefix in prefixes)
    return any(path.startswith(heads) for path in names)


def has_weights(names: Collection[str], folder: str = "") -> bool:
    """Return whether a folder of a checkpoint holds safetensors weights, all shards of them."""
    inside = {path.rpartition("/")[2] for path in names if path.rpartition("/")[0] == folder}
    shards = [shard for shard in map(_SHARD.fullmatch, inside) if shard]
    whole = bool(shards) and len(shards) == int(shards[0][1])
    return "model.safetensors" in inside or whole


def on_disk() -> list[ModelSpec]:
    """Return the models that `locate` finds: the table's in its order, then the others on disk."""
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
        with suppress(ModelError):  # a pair whose other half was a folder that is gone
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
    """Return the id to start with: the better CLIP ViT-B/32 on disk, else Pocket's."""
    return next((clip for clip in (LAION, OPENAI) if is_on_disk(resolve(clip))), "pocket")


def remove(spec: ModelSpec) -> int:
    """Return the bytes freed by deleting a model's parts, half downloads included.

    A part goes even where a pair on disk shares it; that pair is then not on disk any more.
    Raises ModelError for Pocket, and for a folder that is not ours.
    """
    if spec.id.startswith(TRAINED):
        return _remove_part(str(trained_folder(spec.id.removeprefix(TRAINED))))
    for part in spec.parts:
        if is_folder(part):
            _refuse_foreign(spec, Path(part))
    return sum(_remove_part(part) for part in spec.parts)


def _refuse_foreign(spec: ModelSpec, folder: Path) -> None:
    if folder == POCKET:
        raise ModelError("Pocket comes with the app and stays: it is what works at once.")
    cache = Settings().model_cache.resolve()
    if cache not in folder.resolve().parents or not (folder / "config.json").is_file():
        raise ModelError(f"{spec.name} is your own folder: delete {folder} yourself.")


def _remove_part(part: str) -> int:
    folder = Path(part) if is_folder(part) else store() / _slug(part)
    freed = sum(size_of(file) or 0 for file in folder.rglob("*"))
    if not is_folder(part):
        _manifest_file(part).unlink(missing_ok=True)  # first: what is half gone is not located
    if folder.is_dir():
        shutil.rmtree(folder)
    return freed


def store() -> Path:
    """Return the folder of the downloads."""
    return Settings().model_cache / "hub"


def folder_of(id: str, revision: str) -> Path:  # noqa: A002 - a Hub id, as everywhere here
    """Return where the files of a Hub id at a commit lie, or will lie."""
    return store() / _slug(id) / revision


def _slug(id: str) -> str:  # noqa: A002
    return id.replace("/", "--")


def _manifest_file(id: str) -> Path:  # noqa: A002
    return store() / f"{_slug(id)}.json"


def read_manifest(id: str) -> Manifest | None:  # noqa: A002
    """Return the manifest of a Hub id, None where it was never wholly downloaded."""
    manifest = _parse(_manifest_file(id))
    return manifest if manifest and manifest.id == id else None


def _parse(file: Path) -> Manifest | None:
    try:
        manifest = Manifest(**json.loads(file.read_text(encoding="utf-8")))
        sound = _HUB_ID.fullmatch(manifest.id) and _COMMIT.fullmatch(manifest.revision)
    except (OSError, ValueError, TypeError):
        return None  # absent or damaged: the model counts as not downloaded
    typed = isinstance(manifest.files, dict) and isinstance(manifest.asked_for, str)
    return manifest if sound and typed and manifest.files else None


def write_manifest(manifest: Manifest) -> None:
    """Declare a download whole, in one step."""
    write_bytes(_manifest_file(manifest.id), json.dumps(vars(manifest), indent=1).encode())


def size_of(file: Path) -> int | None:
    """Return a file's size in bytes, None where there is none."""
    try:
        return file.stat().st_size if file.is_file() else None
    except OSError:
        return None
