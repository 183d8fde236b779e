"""The sample images that are part of the app, with their captions."""

import csv
from functools import cache

from components.images.source import Source, source_of
from components.settings import Settings

# The caption of the example that the first screen shows.
EXAMPLE_CAPTION = "a facial photo of a tabby cat"


@cache
def sample_captions() -> dict[str, str]:
    """Return captions by image file name, in the order of captions.csv."""
    with (Settings().samples / "captions.csv").open(encoding="utf-8", newline="") as file:
        return {row["image"]: row["caption"] for row in csv.DictReader(file)}


def sample_sources() -> list[Source]:
    """Return the sample images."""
    folder = Settings().samples
    return [source_of(folder / name, name) for name in sample_captions()]
