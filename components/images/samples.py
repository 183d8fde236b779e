"""The sample images that are part of the app, with their captions and credits."""

import csv
from dataclasses import dataclass
from functools import cache

from components.images.source import Source, source_of
from components.settings import Settings


@dataclass(frozen=True)
class Credit:
    """Who made a sample image, and under which licence it is here; an address may be ""."""

    author: str
    licence: str
    licence_url: str
    source: str  # the address of the image's page
    changes: str


@cache
def _rows() -> list[dict[str, str]]:
    with (Settings().samples / "captions.csv").open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


@cache
def sample_captions() -> dict[str, str]:
    """Return captions by image file name, in the order of captions.csv."""
    return {row["image"]: row["caption"] for row in _rows()}


@cache
def _credits() -> dict[str, Credit]:
    fields = Credit.__dataclass_fields__
    return {row["image"]: Credit(**{name: row[name] for name in fields}) for row in _rows()}


def sample_credit(name: str) -> Credit | None:
    """Return the credit of a sample image by its file name; None for other images."""
    return _credits().get(name)


def sample_sources() -> list[Source]:
    """Return the sample images."""
    folder = Settings().samples
    return [source_of(folder / name, name) for name in sample_captions()]
