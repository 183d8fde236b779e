"""Training images are decoded once, and a seed fixes the batches."""

import os
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from components.datasets.captioned import DataError, Example
from components.training import loader
from components.training.loader import batches, decode_once, steps


@pytest.fixture
def examples(tmp_path: Path) -> list[Example]:
    examples = []
    for number in range(10):
        file = tmp_path / f"{number}.png"
        Image.new("RGB", (30 + number, 20), (25 * number, 0, 0)).save(file)
        examples.append(Example(file, tuple(f"caption {number}.{each}" for each in range(3))))
    (tmp_path / "broken.png").write_bytes(b"Dear reader,")
    return [*examples[:4], Example(tmp_path / "broken.png", ("x",)), *examples[4:]]


def test_images_are_decoded_once_and_bad_ones_named(
    examples: list[Example], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    progress: list[tuple[int, int]] = []
    first = decode_once(examples, 16, "crop", tmp_path / "cache", lambda *at: progress.append(at))
    assert progress[-1] == (11, 11)
    assert len(first.examples) == 10
    assert first.skipped[0].startswith("broken.png is not an image")
    for example, pixels in zip(first.examples, first.pixels, strict=False):
        assert pixels.shape == (16, 16, 3)
        assert pixels[8, 8].tolist() == [25 * int(example.image.stem), 0, 0]
    monkeypatch.delattr(loader, "square")
    again = decode_once(examples, 16, "crop", tmp_path / "cache")
    np.testing.assert_array_equal(again.pixels, first.pixels)
    assert again.examples == first.examples
    assert again.skipped == first.skipped


def test_a_changed_image_is_decoded_again(examples: list[Example], tmp_path: Path) -> None:
    decode_once(examples, 16, "squeeze", tmp_path / "cache")
    Image.new("RGB", (30, 20), (0, 200, 0)).save(examples[0].image)
    os.utime(examples[0].image, ns=(1, 1))
    again = decode_once(examples, 16, "squeeze", tmp_path / "cache")
    assert again.pixels[0, 8, 8].tolist() == [0, 200, 0]


def test_crop_takes_the_middle_and_squeeze_takes_all(tmp_path: Path) -> None:
    image = Image.new("RGB", (60, 20), "black")
    image.paste((255, 255, 255), (0, 0, 20, 20))
    image.save(tmp_path / "wide.png")
    examples = [Example(tmp_path / "wide.png", ("x",))]
    assert decode_once(examples, 20, "crop", tmp_path).pixels.max() == 0
    assert decode_once(examples, 20, "squeeze", tmp_path).pixels[0, 10, 2].min() > 200


def test_interrupted_decoding_leaves_no_cache(examples: list[Example], tmp_path: Path) -> None:
    def stop(done: int, total: int) -> None:
        if done == 5:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        decode_once(examples, 16, "crop", tmp_path / "cache", stop)
    assert list((tmp_path / "cache").iterdir()) == []
    assert len(decode_once(examples, 16, "crop", tmp_path / "cache").examples) == 10


@pytest.mark.parametrize("suffix", [".json", ".npy"])
@pytest.mark.parametrize("damage", [b"", b"{}", b"\x93NUMPY\x01\x00"])
def test_a_damaged_cache_is_made_again(
    examples: list[Example], tmp_path: Path, suffix: str, damage: bytes
) -> None:
    first = decode_once(examples, 16, "crop", tmp_path / "cache")
    pixels = first.pixels.copy()
    next((tmp_path / "cache").glob(f"*{suffix}")).write_bytes(damage)
    again = decode_once(examples, 16, "crop", tmp_path / "cache")
    assert (again.examples, again.skipped) == (first.examples, first.skipped)
    np.testing.assert_array_equal(again.pixels, pixels)


def test_no_readable_image_is_an_error(examples: list[Example], tmp_path: Path) -> None:
    with pytest.raises(DataError, match="None of the images"):
        decode_once(examples[4:5], 16, "crop", tmp_path / "cache")


def listed(images: loader.DecodedExamples, *more: int) -> list[tuple[list[str], list[int]]]:
    return [(each.captions, each.rows.tolist()) for each in batches(images, 3, *more)]


def test_a_seed_and_an_epoch_fix_the_batches(examples: list[Example], tmp_path: Path) -> None:
    images = decode_once(examples, 16, "crop", tmp_path / "cache")
    first = listed(images, 7, 0)
    assert len(first) == steps(images, 3) == 3
    assert first == listed(images, 7, 0)
    assert first != listed(images, 7, 1)
    assert first != listed(images, 8, 0)
    assert first[1:] == listed(images, 7, 0, 1)  # resumes in the middle of an epoch
    rows = [row for _, part in first for row in part]
    assert len(set(rows)) == 9
    for captions, part in first:
        for caption, row in zip(captions, part, strict=True):
            assert caption in images.examples[row].captions


def test_a_batch_holds_the_pixels_of_its_rows(examples: list[Example], tmp_path: Path) -> None:
    images = decode_once(examples, 16, "crop", tmp_path / "cache")
    for batch in batches(images, 3, 0, 0):
        np.testing.assert_array_equal(batch.pixels.numpy(), images.pixels[batch.rows.numpy()])
