"""The example: the sample images, the captions of five of them exchanged on purpose."""

import numpy as np

from components.check.caption_set import CaptionSet
from components.encoder import Encoder
from components.images import sample_captions
from components.ui.check.subject import Subject
from components.ui.check.upload import indexed
from components.ui.vectors import sample_images

# Whose caption each of them has.
EXCHANGED = {
    "pizza_closeup.jpg": "mountain_path.jpg",
    "mountain_path.jpg": "nuthatch.jpg",
    "nuthatch.jpg": "pizza_closeup.jpg",
    "flower.jpg": "camera.jpg",
    "camera.jpg": "flower.jpg",
}


def example(encoder: Encoder) -> Subject:
    """Return the sample images, each with one caption."""
    items = sample_images(encoder.key, encoder)
    true = sample_captions()
    names = tuple(item.photo.name for item in items)
    captions = tuple(true[EXCHANGED.get(name, name)] for name in names)
    return Subject(
        key=("example",),
        indexed=indexed(
            CaptionSet("samples", names, ("",) * len(names), captions, np.arange(len(names))), items
        ),
        source=lambda image: items[image].photo.source,
        alt=lambda image: true[names[image]],
        known=[row for row, name in enumerate(names) if name in EXCHANGED],
    )
