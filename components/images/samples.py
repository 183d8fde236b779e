"""The images that ship inside, so that nobody ever meets an empty page."""

import csv
from functools import cache

from components.images.source import Source, source_of
from components.settings import Settings

# The question that the first screen answers.
EXAMPLE_CAPTION = "a facial photo of a tabby cat"


@cache
def sample_captions() -> dict[str, str]:
    """Return each sample image's file name and caption, in the file's order."""
    with (Settings().samples / "captions.csv").open(encoding="utf-8", newline="") as file:
        return {row["image"]: row["caption"] for row in csv.DictReader(file)}


def sample_sources() -> list[Source]:
    """Return the sample images."""
    folder = Settings().samples
    return [source_of(folder / name, name) for name in sample_captions()]
