"""The sample images are complete, credited and small."""

import csv
import re
from pathlib import Path

import pytest
from PIL import Image

FOLDER = Path(__file__).resolve().parents[2] / "sample_images"
IMAGES = sorted(FOLDER.glob("*.jpg"))
NAMES = [path.name for path in IMAGES]
REFERENCE = {
    "page.jpg": "a page of text about segmentation",
    "astronaut.jpg": "a portrait of an astronaut with the American flag",
    "rocket.jpg": "a rocket standing on a launchpad",
    "chelsea.jpg": "a facial photo of a tabby cat",
    "horse.jpg": "a black-and-white silhouette of a horse",
    "coffee.jpg": "a cup of coffee on a saucer",
    "camera.jpg": "a person looking at a camera on a tripod",
    "motorcycle_right.jpg": "a red motorcycle standing in a garage",
}


def caption_rows() -> list[dict[str, str]]:
    with (FOLDER / "captions.csv").open(encoding="utf-8", newline="") as file:
        reader = csv.DictReader(file)
        assert reader.fieldnames == ["image", "caption"]
        return list(reader)


def credit_rows() -> list[list[str]]:
    text = (FOLDER / "CREDITS.md").read_text(encoding="utf-8")
    lines = re.findall(r"^\| (\S+\.jpg \|.*) \|$", text, flags=re.MULTILINE)
    return [line.split(" | ") for line in lines]


def test_there_are_20_to_30_images() -> None:
    assert 20 <= len(IMAGES) <= 30


def test_each_image_has_exactly_one_caption() -> None:
    assert sorted(row["image"] for row in caption_rows()) == NAMES


def test_captions_are_distinct_and_not_blank() -> None:
    captions = [row["caption"].strip() for row in caption_rows()]
    assert all(captions)
    assert len(set(captions)) == len(captions)


def test_reference_images_keep_their_captions() -> None:
    captions = {row["image"]: row["caption"] for row in caption_rows()}
    assert REFERENCE.items() <= captions.items()


def test_each_image_has_exactly_one_full_credit() -> None:
    rows = credit_rows()
    assert sorted(row[0] for row in rows) == NAMES
    assert all(len(row) == 6 and all(row) for row in rows)


@pytest.mark.parametrize("path", IMAGES, ids=NAMES)
def test_image_is_a_plain_rgb_jpeg_within_1024_px(path: Path) -> None:
    with Image.open(path) as image:
        image.load()
        assert (image.format, image.mode) == ("JPEG", "RGB")
        assert max(image.size) <= 1024
        assert not {"exif", "icc_profile", "xmp", "comment", "progressive"} & image.info.keys()


def test_images_total_under_6_mb() -> None:
    assert sum(path.stat().st_size for path in IMAGES) < 6_000_000
