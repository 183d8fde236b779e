"""What an id names: a model of the table, of the Hub, of a folder, a pair, or one trained here."""

import re
from pathlib import Path

from components.errors import CaptionLensError
from components.models.catalogue import CATALOGUE, OPENAI, ModelSpec
from components.settings import Settings

TRAINED = "trained:"  # what ids of models begin with that were trained here
_TRAINED_NAME = re.compile(r"\w(?:[\w .-]{0,58}\w)?")
# namespace/name as the Hub allows it; "--" is reserved there, so a folder name can hold an id.
HUB_ID = re.compile(r"(?!.*(?:\.\.|--))[A-Za-z0-9][\w.-]{0,95}/[A-Za-z0-9][\w.-]{0,95}", re.ASCII)


class ModelError(CaptionLensError):
    """A model that cannot be used, and why."""


def resolve(id: str) -> ModelSpec:  # noqa: A002 - the word that people and the table use
    """Return the model that an id names: of the table, the Hub, a folder, or "TEXT + IMAGE".

    Says nothing of what is on disk. Raises ModelError where it can be none of these.
    """
    wanted = " + ".join(re.split(r"\s+\+\s+", id.strip()))
    for card in CATALOGUE:
        if wanted in (card.spec.id, card.spec.id.upper(), card.spec.id.title()):
            return card.spec
    if wanted.startswith(TRAINED):
        return trained_spec(wanted.removeprefix(TRAINED))
    folder = _folder(wanted)
    if folder:
        return ModelSpec(str(folder), folder.name, str(folder))
    if " + " in wanted:
        return _pair(wanted)
    if not HUB_ID.fullmatch(wanted):
        raise ModelError(
            f"{_shown(wanted)} is not a model: give a Hub id such as {OPENAI}, a folder that"
            " exists, or pocket."
        )
    return ModelSpec(wanted, wanted.split("/")[1], wanted)


def trained_spec(name: str) -> ModelSpec:
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


def is_folder(part: str) -> bool:
    """Return whether a part of a spec is a folder, not a Hub id."""
    return Path(part).is_absolute()
