"""Resolves ids: of the catalogue, the Hub, a folder, a pair, or a model trained here."""

import re
from pathlib import Path

from components.errors import CaptionLensError
from components.models.catalogue import CATALOGUE, OPENAI, ModelSpec
from components.settings import Settings

TRAINED = "trained:"  # the prefix of the ids of models trained here
_TRAINED_NAME = re.compile(r"\w(?:[\w .-]{0,58}\w)?")
# namespace/name as the Hub allows it; it reserves "--", so a folder name can encode an id.
HUB_ID = re.compile(r"(?!.*(?:\.\.|--))[A-Za-z0-9][\w.-]{0,95}/[A-Za-z0-9][\w.-]{0,95}", re.ASCII)


class ModelError(CaptionLensError):
    """A model that cannot be used; the sentence gives the reason."""


def resolve(id: str) -> ModelSpec:  # noqa: A002 - the name that users know
    """Return the model of an id: of the catalogue, the Hub, a folder, or "TEXT + IMAGE".

    Does not check that it is on disk. Raises ModelError where the id is invalid, or a folder that
    a read-only or shared installation does not allow.
    """
    id = " + ".join(re.split(r"\s+\+\s+", id.strip()))  # noqa: A001
    for card in CATALOGUE:
        if id in (card.spec.id, card.spec.id.upper(), card.spec.id.title()):
            return card.spec
    if id.startswith(TRAINED):
        return trained_spec(id.removeprefix(TRAINED))
    folder = _folder(id)
    if folder:
        return ModelSpec(str(folder), folder.name, str(folder))
    if " + " in id:
        return _pair(id)
    if not HUB_ID.fullmatch(id):
        folders = "this server allows" if _limited(Settings()) else "exists"
        raise ModelError(
            f"{_shown(id)} is not a model: give a Hub id such as {OPENAI}, a folder that"
            f" {folders}, or pocket."
        )
    return ModelSpec(id, id.split("/")[1], id)


def trained_spec(name: str) -> ModelSpec:
    folder = trained_folder(name)
    if not folder.is_dir():
        raise ModelError(f"There is no trained model named {_shown(name)}.")
    if (folder / "text").is_dir():  # a pair: each tower has a folder of its own
        return ModelSpec(TRAINED + name, name, str(folder / "image"), str(folder / "text"))
    return ModelSpec(TRAINED + name, name, str(folder))


def trained_folder(name: str) -> Path:
    """Return the folder for a model trained here. Raises ModelError for an invalid name."""
    if not _TRAINED_NAME.fullmatch(name):
        raise ModelError(
            f"{_shown(name)} is not a valid name: use up to 60 letters, digits, spaces, dots and"
            " hyphens."
        )
    return (Settings().model_cache / "trained" / name).absolute()


def _shown(text: str) -> str:
    return repr(text if len(text) <= 80 else f"{text[:79]}…")


def _folder(text: str) -> Path | None:
    try:
        folder = Path(text).expanduser().resolve()
        return folder if text and _is_allowed(folder) and folder.is_dir() else None
    except (OSError, ValueError, RuntimeError):  # too long, a null byte, an unknown ~user
        return None


def _is_allowed(folder: Path) -> bool:
    settings = Settings()
    allowed = (each.resolve() for each in settings.model_folders)
    return not _limited(settings) or any(map(folder.is_relative_to, allowed))


def _limited(settings: Settings) -> bool:
    return settings.read_only or settings.shared


def _pair(id: str) -> ModelSpec:  # noqa: A002
    halves = id.split(" + ")
    if len(halves) != 2:
        raise ModelError(f"{_shown(id)} is not a pair: give one text tower + one image tower.")
    text, image = map(resolve, halves)
    return ModelSpec(f"{text.id} + {image.id}", f"{text.name} + {image.name}", image.image, text.id)


def is_folder(part: str) -> bool:
    """Return whether a part of a spec is a folder, not a Hub id."""
    return Path(part).is_absolute()
