"""Pairs that lie in memory: uploads, or a collection's small images; nothing goes to disk."""

import hashlib
from collections.abc import Iterable, Mapping

import numpy as np

from components.datasets.captioned import DataError, Example
from components.encoder import lookahead
from components.images import Source
from components.training.jobs import halves
from components.training.loader import DecodedExamples, Fit, square


def in_memory(
    sources: Iterable[Source], examples: Mapping[str, Example], side: int, fit: Fit
) -> DecodedExamples:
    """Return the images whose names have examples, at ``side`` x ``side``, in the order given.

    Those that cannot be read are named in ``skipped``. Raises DataError where none is left.
    """
    wanted = [source for source in sources if source.name in examples]
    rows, found, skipped = [], [], []
    decoded = lookahead(lambda source: square(source, side, fit), wanted, 64)
    for source, pixels in zip(wanted, decoded, strict=True):
        if isinstance(pixels, str):
            skipped.append(pixels)
        else:
            rows.append(pixels)
            found.append(examples[source.name])
    if not rows:
        raise DataError("None of the images has a caption and can be read.")
    pixels = np.stack(rows)
    digest = hashlib.sha256(pixels.tobytes() + repr(found).encode()).hexdigest()[:16]
    return DecodedExamples(tuple(found), pixels, tuple(skipped), digest)


def parted(images: DecodedExamples, seed: int = 0) -> tuple[DecodedExamples, DecodedExamples]:
    """Return the images to learn from, and those held out to measure on."""
    parts = halves(images.examples, seed)
    row_of = {id(example): row for row, example in enumerate(images.examples)}
    rows = [[row_of[id(example)] for example in part] for part in parts]
    learn, dev = (
        DecodedExamples(part, images.pixels[chosen], key=f"{images.key} {name}")
        for part, chosen, name in zip(parts, rows, ("learn", "dev"), strict=True)
    )
    return learn, dev
