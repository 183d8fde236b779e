"""The files that a usable checkpoint must contain, and what they state about it."""

import json
import re
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from hashlib import file_digest
from math import prod
from pathlib import Path
from typing import Any

from components.models.catalogue import ModelSpec
from components.models.ids import ModelError, is_folder

# Families whose checkpoints embed images and text in a shared space.
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
# The older networks, saved by `components.encoder.matchers`: the first only scores pairs.
PAIR_MATCHER, DENSENET_LSTM = "captionlens-pair-matcher", "captionlens-densenet-lstm"
MATCHERS = frozenset({PAIR_MATCHER, DENSENET_LSTM})
_SHARD = re.compile(r"model-\d{5}-of-(\d{5})\.safetensors")
_PICKLES = ("pytorch_model", "model.pt", "model.bin")


@dataclass(frozen=True)
class Located:
    """A model whose files are all on disk."""

    spec: ModelSpec
    image: Path
    text: Path | None
    revision: str  # commits joined by "+", Pocket's digest, or a digest of a folder's state


def weights_digest(located: Located) -> dict[str, str]:
    """Return the SHA-256, in hex, of each weights file; two towers' by "image" and "text"."""
    towers = {"image": located.image, "text": located.text}
    folders = {name: folder for name, folder in towers.items() if folder}
    prefix = len(folders) > 1
    digests = {}
    for tower, folder in folders.items():
        for name in sorted(file_names(folder)):
            if name.endswith(".safetensors"):
                with (folder / name).open("rb") as file:
                    digest = file_digest(file, "sha256").hexdigest()
                digests[f"{tower}/{name}" if prefix else name] = digest
    return digests


def parameters(located: Located) -> int:
    """Return the number of values in the weights files, normalisation statistics included."""
    from safetensors import safe_open

    total = 0
    for folder in {located.image, located.text or located.image}:
        for name in (name for name in file_names(folder) if name.endswith(".safetensors")):
            with safe_open(folder / name, framework="numpy") as file:
                shapes = [file.get_slice(key).get_shape() for key in file.keys()]  # noqa: SIM118 - not a mapping
            total += sum(prod(shape) for shape in shapes)
    return total


def file_names(folder: Path) -> list[str]:
    """Return the files in a folder and its direct subfolders, as relative paths with slashes."""
    files = [*folder.glob("*"), *folder.glob("*/*")]
    return [file.relative_to(folder).as_posix() for file in files if file.is_file()]


def read_config(folder: Path) -> dict[str, Any]:
    file = folder / "config.json"
    try:
        return dict(json.loads(file.read_text(encoding="utf-8"))) if file.is_file() else {}
    except (OSError, ValueError, TypeError) as error:
        raise ModelError(f"{folder.name} has an unreadable config.json.") from error


def family(located: Located) -> str:
    """Return a checkpoint's model type, from its config."""
    return str(read_config(located.image).get("model_type"))


def has_transformer(located: Located) -> bool:
    """Return whether a checkpoint's image tower is a vision transformer, by its config."""
    config = read_config(located.image)
    # CLIP's and SigLIP's configs omit values that are defaults, the patch size among them.
    vision = config.get("vision_config") or {}
    plain = {"vision-text-dual-encoder", *MATCHERS}
    return "patch_size" in vision or config.get("model_type") not in plain


def check(part: str, *, is_text: bool, names: Collection[str], config: Mapping[str, Any]) -> None:
    """Raise ModelError unless these files form a usable checkpoint.

    ``names`` are paths inside the checkpoint; ``config`` is its config.json, empty without one.
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
            f"{name} cannot be the text tower of a pair: without a modules.json it is not a"
            " Sentence-Transformers checkpoint."
        )


def _check_image(name: str, names: Collection[str], config: Mapping[str, Any]) -> None:
    if "config.json" not in names:
        raise ModelError(f"{name} is not a readable checkpoint: it has no config.json.")
    kind = config.get("model_type")
    if kind not in DUAL_ENCODERS | MATCHERS:
        raise ModelError(
            f"{name} is not a dual encoder for images and text (its type is"
            f" {kind or 'not given'}): choose a CLIP or SigLIP checkpoint."
        )


def _check_weights(name: str, names: Collection[str], is_text: bool) -> None:
    # A text tower's dense layers are in subfolders, which need safetensors weights too; an image
    # tower is checked at the top level only.
    folders = {path.rpartition("/")[0] for path in names} if is_text else {""}
    pickled = {folder for folder in folders if _contains(names, folder, _PICKLES)}
    ready = {folder for folder in folders if has_weights(names, folder)}
    if pickled - ready:
        raise ModelError(
            f"{name} stores its weights as pickles, which can run code when loaded: choose a"
            " checkpoint with safetensors weights."
        )
    if not ready:
        raise ModelError(f"{name} has no safetensors weights: choose a checkpoint that has.")


def _contains(names: Collection[str], folder: str, prefixes: tuple[str, ...]) -> bool:
    heads = tuple(f"{folder}/{prefix}" if folder else prefix for prefix in prefixes)
    return any(path.startswith(heads) for path in names)


def has_weights(names: Collection[str], folder: str = "") -> bool:
    """Return whether a folder of a checkpoint has safetensors weights, all shards included."""
    inside = {path.rpartition("/")[2] for path in names if path.rpartition("/")[0] == folder}
    shards = [shard for shard in map(_SHARD.fullmatch, inside) if shard]
    whole = bool(shards) and len(shards) == int(shards[0][1])
    return "model.safetensors" in inside or whole
