"""Duplicates: which copies of real images are found, and what stays apart."""

import io
from collections.abc import Callable

import numpy as np
import pytest
from PIL import Image

from components.check.caption_set import CaptionSet, Indices
from components.check.findings.duplicates import Leak, duplicate_findings, leakage, twins
from components.check.findings.images import ImageFacts, image_facts
from components.images import decode, sample_sources, thumbnail
from components.scores import Floats, unit

Way = Callable[[Image.Image], Image.Image]


def _saved(image: Image.Image, kind: str, quality: int) -> Image.Image:
    out = io.BytesIO()
    image.save(out, kind, quality=quality)
    return Image.open(out).convert("RGB")


def _cut(image: Image.Image, left: float, top: float, right: float, bottom: float) -> Image.Image:
    width, height = image.size
    return image.crop(
        (round(left * width), round(top * height), round(right * width), round(bottom * height))
    )


COPIES: dict[str, Way] = {
    "JPEG": lambda image: _saved(image, "JPEG", 30),
    "WebP": lambda image: _saved(image, "WEBP", 30),
    "half": lambda image: image.resize((image.width // 2, image.height // 2)),
    "quarter": lambda image: image.resize((image.width // 4, image.height // 4)),
    "corner": lambda image: _cut(image, 0, 0, 0.95, 0.95),
    "middle": lambda image: _cut(image, 0.05, 0.05, 0.95, 0.95),
    "side": lambda image: _cut(image, 0.1, 0, 1, 1),
    "darker": lambda image: image.point(lambda level: round(0.9 * level)),
}


def _facts(images: list[Image.Image]) -> tuple[ImageFacts, Floats]:
    """Return the facts of images, and vectors that are near where the images are."""
    facts = image_facts(map(thumbnail, images))
    small = facts.greys[:, ::4, ::4].reshape(len(images), -1).astype(np.float32)
    return facts, unit(small - small.mean(axis=1, keepdims=True))


def _groups(images: list[Image.Image]) -> list[list[int]]:
    found = twins([str(row) for row in range(len(images))], *_facts(images))
    return [group.tolist() for group in found]


@pytest.fixture(scope="module")
def samples() -> list[Image.Image]:
    return [decode(source, 160)[1] for source in sample_sources()[::2]]


@pytest.mark.parametrize("way", COPIES.values(), ids=COPIES)
def test_a_copy_is_found_beside_its_original_alone(samples: list[Image.Image], way: Way) -> None:
    groups = _groups([*samples, *map(way, samples)])
    right = [[row, row + len(samples)] for row in range(len(samples))]
    assert all(group in right for group in groups)
    assert len(groups) >= 0.95 * len(samples)


def test_one_poster_on_the_same_wall_is_not_the_other(samples: list[Image.Image]) -> None:
    wall, *posters = (image.resize((300, 300)) for image in samples[:3])
    walls = [wall.copy(), wall.copy()]
    for each, poster in zip(walls, posters, strict=True):
        each.paste(poster.resize((70, 70)), (115, 115))
    assert _groups(walls) == []


def test_a_chain_of_small_steps_is_not_one_group(samples: list[Image.Image]) -> None:
    wide = max(samples, key=lambda image: image.width / image.height)
    steps = [_cut(wide, 0.04 * step, 0, 0.6 + 0.04 * step, 1) for step in range(10)]
    groups = _groups(steps)
    assert groups
    assert not any({0, 9} <= set(group) for group in groups)


def test_many_copies_are_one_group(samples: list[Image.Image]) -> None:
    """More than the neighbours that each image is compared with."""
    copies = [_saved(samples[0], "JPEG", quality) for quality in range(30, 90, 2)]
    assert _groups([*copies, *samples[1:9]]) == [list(range(len(copies)))]


def test_blank_images_are_nobodys_copy() -> None:
    assert _groups([Image.new("RGB", (90, 90), colour) for colour in ("black", "white")]) == []


def test_no_images_at_all() -> None:
    assert twins([], image_facts([]), np.zeros((0, 8), dtype=np.float32)) == []


def _data(splits: str) -> tuple[CaptionSet, Floats]:
    """Return images in splits, by their first letters; equal captions but for the last image's."""
    names = {"t": "train", "e": "test", "-": ""}
    images = tuple(f"{row}.jpg" for row in range(len(splits)))
    owner: Indices = np.arange(len(splits))
    data = CaptionSet("x", images, tuple(names[each] for each in splits), images, owner)
    rng = np.random.default_rng(0)
    texts = unit(rng.standard_normal((len(splits), 64)))
    return data, texts


def _kinds(groups: list[list[int]], digests: str, splits: str, texts: Floats) -> dict[str, object]:
    data, _ = _data(splits)
    found = duplicate_findings(data, list(digests), [np.array(group) for group in groups], texts)
    return {finding.kind: (finding.images, finding.rows) for finding in found}


def test_the_findings_about_a_group() -> None:
    _, texts = _data("-" * 40)
    texts[[1, 2]] = texts[0]  # image 3's caption disagrees with the others'
    digests = "abba" + "cdefghijklmnopqrstuvwxyz0123456789ABCDEF"[:36]
    splits = "etet" + "-" * 36
    found = _kinds([[0, 1, 2, 3]], digests, splits, texts)
    assert found["Near duplicate"] == (("0.jpg", "1.jpg", "2.jpg", "3.jpg"), ())
    assert found["Different captions"] == (("3.jpg", "0.jpg", "1.jpg", "2.jpg"), (3,))
    assert found["Across splits"] == (("0.jpg", "2.jpg", "1.jpg", "3.jpg"), ())
    assert found["Exact duplicate"] == (("1.jpg", "2.jpg"), ())


def test_copies_with_the_same_bytes_in_one_split_are_an_exact_duplicate_alone() -> None:
    _, texts = _data("t" * 40)
    texts[1] = texts[0]
    digests = "aa" + "cdefghijklmnopqrstuvwxyz0123456789ABCDEF"[:38]
    assert set(_kinds([[0, 1]], digests, "t" * 40, texts)) == {"Exact duplicate"}


def test_the_leakage_of_each_split() -> None:
    data, _ = _data("tttttttteeee")
    groups = [np.array([0, 8]), np.array([1, 2, 9]), np.array([3, 4])]
    assert leakage(data, groups) == [
        Leak("test", "train", 2, 0.5),
        Leak("train", "test", 3, 0.375),
    ]
    assert leakage(data, [np.array([3, 4])]) == []
