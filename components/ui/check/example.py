"""The example: the sample images, the captions of five of them exchanged on purpose."""

import numpy as np

from components.check.caption_set import CaptionSet
from components.encoder import Encoder
from components.images import sample_captions
from components.ui.check.subject import Subject
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
    names = [item.photo.name for item in items]
    captions = [true[EXCHANGED.get(name, name)] for name in names]
    data = CaptionSet("samples", tuple(names), (), tuple(captions), np.arange(len(names)))
    return Subject(
        key=("example",),
        data=data,
        vectors=np.stack([item.vector for item in items]),
        sizes=np.array([(item.photo.width, item.photo.height) for item in items]),
        digests=[item.photo.digest for item in items],
        thumbnail=lambda image: items[image].thumbnail,
        source=lambda image: items[image].photo.source,
        alt=lambda image: true[names[image]],
        known=[row for row, name in enumerate(names) if name in EXCHANGED],
    )
