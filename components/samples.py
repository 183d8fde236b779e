"""The pictures that ship inside, so that nobody ever meets an empty page."""

import csv
from functools import cache

from components.images import Source, source_of
from components.settings import Settings

# The question that the first screen answers.
CAPTION = "a facial photo of a tabby cat"


@cache
def captions() -> dict[str, str]:
    """Return each sample picture's file name and caption, in the file's order."""
    with (Settings().samples / "captions.csv").open(encoding="utf-8", newline="") as file:
        return {row["image"]: row["caption"] for row in csv.DictReader(file)}


def sources() -> list[Source]:
    """Return the sample pictures."""
    folder = Settings().samples
    return [source_of(folder / name, name) for name in captions()]
