"""How many copies of images are found as duplicates, and how many distinct images falsely."""

import io
import random
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
from PIL import Image, ImageEnhance

from components.bench.measure import Say
from components.check.findings.duplicates import twins
from components.check.findings.images import ImageFacts, image_facts
from components.datasets import captioned
from components.encoder import Encoder, decode_for, load
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
    digests = [str(example.image) for example in chosen]  # other bytes, for all that is measured
    images = [decode_for(encoder, source_of(example.image))[1] for example in chosen]
    facts, vectors = _encoded(encoder, images)
    groups = twins(digests, facts, vectors)
    report(f"\n{model_id}, {len(images):,} images: {len(groups)} groups without any copies")
    for group in groups:
        report(f"  {', '.join(chosen[row].image.name for row in group)}")
    originals = images[:_COPIED]
    report(f"{len(originals)} copies of each kind among them: found beside the original")
    for name, way in _ways().items():
        share, wrong = _measure(encoder, [way(image) for image in originals], facts, vectors)
        report(f"{name:<28}{share:>8.1%}{wrong:>6} with another image")


def _encoded(encoder: Encoder, images: Sequence[Image.Image]) -> tuple[ImageFacts, Floats]:
    return image_facts(map(thumbnail, images)), encoder.images(images)


def _measure(
    encoder: Encoder, copies: Sequence[Image.Image], facts: ImageFacts, vectors: Floats
) -> tuple[float, int]:
    """Return the share of copies in a group with the original, and how many with another image.

    ``facts`` and ``vectors`` are the dataset's, its first images the originals.
    """
    more, rows = _encoded(encoder, copies)
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
        **{f"JPEG, quality {q}": lambda image, q=q: _saved(image, "JPEG", q) for q in (30, 50, 70)},
        "WebP, quality 50": lambda image: _saved(image, "WEBP", 50),
        "half the size": lambda image: _scaled(image, 2),
        "a quarter of the size": lambda image: _scaled(image, 4),
        **{
            f"{p:.0%} of each side cut off": lambda image, p=p: _cropped(image, p, rng)
            for p in (0.02, 0.05, 0.1)
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
