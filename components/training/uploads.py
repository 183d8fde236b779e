"""Training images in memory: uploads, or a collection's thumbnails; nothing is written to disk."""

import hashlib
from collections.abc import Iterable, Mapping

import numpy as np

from components.datasets.captioned import DataError, Example
from components.encoder import lookahead
from components.images import Source
from components.training.loader import DecodedExamples, Fit, square


def in_memory(
    sources: Iterable[Source], examples: Mapping[str, Example], side: int, fit: Fit
) -> DecodedExamples:
    """Return the images whose names have examples, at ``side`` x ``side``, in the order given.

    ``skipped`` says which cannot be read. Raises DataError where none is left.
    """
    wanted = [source for source in sources if source.name in examples]
    rows, kept, skipped = [], [], []
    decoded = lookahead(lambda source: square(source, side, fit), wanted, 64)
    for source, pixels in zip(wanted, decoded, strict=True):
        if isinstance(pixels, str):
            skipped.append(pixels)
        else:
            rows.append(pixels)
            kept.append(examples[source.name])
    if not rows:
        raise DataError("No image that can be read has a caption.")
    pixels = np.stack(rows)
    digest = hashlib.sha256(pixels.tobytes() + repr(kept).encode()).hexdigest()[:16]
    return DecodedExamples(tuple(kept), pixels, tuple(skipped), digest)
