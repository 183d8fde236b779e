"""Variants are what their names say."""

import numpy as np
import pytest
from PIL import Image

from components import explain


def variants(caption: str) -> dict[str, str]:
    return {each.name: each.caption for each in explain.caption_variants(caption)}


@pytest.mark.parametrize(
    ("caption", "name", "expected"),
    [
        ("a dog on a beach", "negation: no", "no dog on a beach"),
        ("dogs on a beach", "negation: no", "no dogs on a beach"),
        ("a dog on a beach", "negation: without", "a photo without a dog on a beach"),
        ("a dog on a beach", "nouns swapped", "a beach on a dog"),
        ("a cat sitting on a mat", "nouns swapped", "a mat sitting on a cat"),
        ("a man in front of a car", "nouns swapped", "a car in front of a man"),
        ("a red car and a blue door", "another colour", "a blue car and a green door"),
        ("a red motorcycle in a garage", "another count", "seven red motorcycles in a garage"),
        ("two dogs run", "another count", "seven dogs run"),
        ("seven dogs run", "another count", "two dogs run"),
        ("a person with a dog", "another count", "seven people with a dog"),
        ("a big box", "another count", "seven big boxes"),
        ("a city at night", "another count", "seven cities at night"),
        ("one two three", "words backwards", "three two one"),
    ],
)
def test_rules(caption: str, name: str, expected: str) -> None:
    assert variants(caption)[name] == expected


def test_a_rule_that_changes_nothing_gives_nothing() -> None:
    made = variants("cats")
    assert "nouns swapped" not in made
    assert "another colour" not in made
    assert "another count" not in made
    assert "words backwards" not in made


@pytest.mark.parametrize(
    "caption", ["a", "a dog", "猫", "x" * 400, "a $b$ on **c** of d", "of of of"]
)
def test_variants_differ_from_the_caption_and_from_each_other(caption: str) -> None:
    captions = [each.caption for each in explain.caption_variants(caption)]
    assert len({caption, *captions}) == len(captions) + 1
    assert all(each.strip() for each in captions)


def test_a_shuffle_keeps_the_words_and_is_always_the_same() -> None:
    caption = "a portrait of an astronaut with the American flag"
    shuffled = variants(caption)["words shuffled"]
    assert sorted(shuffled.split()) == sorted(caption.split())
    assert shuffled == variants(caption)["words shuffled"]


def test_rephrasings_are_marked_as_the_same() -> None:
    same = [each.name for each in explain.caption_variants("a red dog on a beach") if each.same]
    assert same == ["rephrased: a photo of", "rephrased: capitals"]


def image(width: int = 200, height: int = 120) -> Image.Image:
    noise = np.random.default_rng(0).integers(0, 256, (height, width, 3), dtype=np.uint8)
    return Image.fromarray(noise)


def test_images_are_changed_as_their_names_say() -> None:
    original = image()
    changed = {each.name: each.image for each in explain.image_variants(original)}
    assert {each.mode for each in changed.values()} == {"RGB"}
    before = np.asarray(original, dtype=np.float64)
    assert np.asarray(changed["low contrast"]).std() < 0.5 * before.std()
    assert np.abs(np.diff(np.asarray(changed["blur"], dtype=float), axis=1)).mean() < 40
    assert changed["centre crop"].size == (120, 72)
    assert changed["rotated by 90°"].size == (120, 200)
    assert changed["JPEG at quality 10"].size == original.size
    assert not np.array_equal(np.asarray(changed["JPEG at quality 10"]), np.asarray(original))
    hidden = np.asarray(changed["centre hidden"])
    assert (hidden[60, 100] == 128).all()
    np.testing.assert_array_equal(hidden[0], np.asarray(original)[0])


@pytest.mark.parametrize("size", [(1, 1), (3, 500), (500, 3), (224, 224)])
def test_small_and_narrow_images_have_variants_and_views(size: tuple[int, int]) -> None:
    small = image(*size)
    every = [*(each.image for each in explain.image_variants(small)), *explain.views(small)]
    assert all(each.width and each.height for each in every)


def test_there_are_eight_views() -> None:
    views = explain.views(image())
    assert [view.size for view in views] == [(200, 120)] * 2 + [(102, 102)] * 5 + [(200, 120)]
    np.testing.assert_array_equal(np.asarray(views[1]), np.asarray(views[0])[:, ::-1])
    np.testing.assert_array_equal(np.asarray(views[5]), np.asarray(views[0])[18:, 98:])
