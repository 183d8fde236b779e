"""How many copies of images are found as duplicates, and how many distinct images falsely."""

import io
import random
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path

import numpy as np
from PIL import Image, ImageEnhance

from components.bench.measure import Say
from components.check.findings.duplicates import twins
from components.check.findings.images import ImageFacts, image_facts
from components.datasets import captioned
from components.encoder import Encoded, Encoder, decode_for, encode, load
from components.images import source_of, thumbnail
from components.scores import Floats

_COPIED = 200  # images that are copied in every way
_Way = Callable[[Image.Image], Image.Image]


def duplicates(folder: Path, report: Say, model_id: str = "pocket", most: int = 10_000) -> None:
    """Print by kind of copy the share that is found beside its original, and the false finds.

    ``folder`` is a captioned dataset, of which at most ``most`` images are read; 200 of them are
    copied, each kind of copy among all images. A false find is a group of images of the dataset
    itself: look at what is named, it may hold true duplicates. Raises DataError.
    """
    encoder = load(model_id)
    examples = captioned.read(folder).examples
    chosen = random.Random(0).sample(examples, min(most, len(examples)))  # noqa: S311 - no secret
    read = encode(encoder, [source_of(example.image) for example in chosen], thumbnails=True)
    items = [item for item in read if isinstance(item, Encoded)]
    facts = image_facts(item.thumbnail for item in items)
    vectors = np.stack([item.vector for item in items])
    groups = twins([item.photo.digest for item in items], facts, vectors)
    report(f"\n{model_id}, {len(items):,} images: {len(groups)} groups without any copies")
    for group in groups:
        report(f"  {', '.join(items[row].photo.name for row in group)}")
    originals = [decode_for(encoder, item.photo.source)[1] for item in items[:_COPIED]]
    report(f"{len(originals)} copies of each kind among them: found beside the original")
    for name, way in _ways().items():
        share, wrong = _measure(encoder, [way(image) for image in originals], facts, vectors)
        report(f"{name:<28}{share:>8.1%}{wrong:>6} with another image")


def _measure(
    encoder: Encoder, copies: Sequence[Image.Image], facts: ImageFacts, vectors: Floats
) -> tuple[float, int]:
    """Return the share of copies in a group with the original, and how many with another image.

    ``facts`` and ``vectors`` are the dataset's, its first images the originals.
    """
    more, rows = image_facts(map(thumbnail, copies)), encoder.images(copies)
    whole = ImageFacts(
        np.concatenate([facts.hashes, more.hashes]),
        np.concatenate([facts.greys, more.greys]),
        np.concatenate([facts.spread, more.spread]),
    )
    every = [str(row) for row in range(len(whole.hashes))]
    groups = [group.tolist() for group in twins(every, whole, np.concatenate([vectors, rows]))]
    first = len(vectors)  # the row of the first copy
    of = {row: group for group in groups for row in group}
    partners = [of.get(first + row, [first + row]) for row in range(len(copies))]
    found = [row in group for row, group in enumerate(partners)]
    wrong = [
        any(other not in {row, first + row} for other in group)
        for row, group in enumerate(partners)
    ]
    return float(np.mean(found)), sum(wrong)


def _ways() -> dict[str, _Way]:
    """Return the kinds of copies by name; where a crop lies is drawn, the same in every run."""
    rng = random.Random(0)  # noqa: S311 - not a secret
    return {
        **{f"JPEG, quality {q}": partial(_saved, kind="JPEG", quality=q) for q in (30, 50, 70)},
        "WebP, quality 50": partial(_saved, kind="WEBP", quality=50),
        "half the size": partial(_scaled, factor=2),
        "a quarter of the size": partial(_scaled, factor=4),
        **{
            f"{share:.0%} of each side cut off": partial(_cropped, share=share, rng=rng)
            for share in (0.02, 0.05, 0.1)
        },
        "10% brighter": lambda image: ImageEnhance.Brightness(image).enhance(1.1),
    }


def _saved(image: Image.Image, kind: str, quality: int) -> Image.Image:
    out = io.BytesIO()
    image.save(out, kind, quality=quality)
    return Image.open(out).convert("RGB")


def _scaled(image: Image.Image, factor: int) -> Image.Image:
    return image.resize((max(1, image.width // factor), max(1, image.height // factor)))


def _cropped(image: Image.Image, share: float, rng: random.Random) -> Image.Image:
    width, height = round((1 - share) * image.width), round((1 - share) * image.height)
    left, top = rng.randint(0, image.width - width), rng.randint(0, image.height - height)
    return image.crop((left, top, left + width, top + height))
