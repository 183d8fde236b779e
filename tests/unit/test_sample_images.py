"""The sample images are complete, credited and small; Pocket answers the examples as they say."""

import csv
import re
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from components.collection.query import compose, parse
from components.encoder import Encoded, Encoder, bank_vectors, encode, load, score_encoded
from components.images import (
    EXAMPLE_SETS,
    sample_captions,
    sample_credit,
    sample_sources,
)
from components.scores import Scores
from components.ui.search.query import EXAMPLES

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
        credit = ["author", "licence", "licence_url", "source", "changes"]
        assert reader.fieldnames == ["image", "caption", *credit]
        return list(reader)


def credit_rows() -> list[list[str]]:
    text = (FOLDER / "CREDITS.md").read_text(encoding="utf-8")
    lines = re.findall(r"^\| (\S+\.jpg \|.*) \|$", text, flags=re.MULTILINE)
    return [line.split(" | ") for line in lines]


def test_there_are_50_to_60_images() -> None:
    assert 50 <= len(IMAGES) <= 60


def test_each_image_has_exactly_one_caption() -> None:
    assert sorted(row["image"] for row in caption_rows()) == NAMES


def test_captions_are_distinct_and_not_blank() -> None:
    captions = [row["caption"].strip() for row in caption_rows()]
    assert all(captions)
    assert len(set(captions)) == len(captions)


def test_reference_images_keep_their_captions() -> None:
    captions = {row["image"]: row["caption"] for row in caption_rows()}
    assert REFERENCE.items() <= captions.items()


def test_the_first_images_are_in_colour_and_the_grey_ones_come_last() -> None:
    names = list(sample_captions())
    grey = [names.index(name) for name in names if _colourfulness(name) < 8]
    assert grey
    assert min(grey) >= 40


def _colourfulness(name: str) -> float:
    """Return the 90th percentile of the pixels' differences between channels, 0 to 255."""
    with Image.open(FOLDER / name) as image:
        pixels = np.asarray(image.resize((64, 64)), dtype=np.int16)
    return float(np.percentile(np.ptp(pixels, axis=-1), 90))


def test_each_image_has_exactly_one_full_credit() -> None:
    rows = credit_rows()
    assert sorted(row[0] for row in rows) == NAMES
    assert all(len(row) == 6 and all(row) for row in rows)


@pytest.mark.parametrize("name", NAMES)
def test_the_app_credits_an_image_as_the_credits_do(name: str) -> None:
    credit = sample_credit(name)
    (row,) = (row for row in credit_rows() if row[0] == name)
    assert credit
    assert credit.author
    assert credit.author in row[2]
    assert credit.licence in row[3]
    assert f"<{credit.licence_url}>" in row[3] if credit.licence_url else "<" not in row[3]
    assert f"<{credit.source}>" in row[2] + row[4]
    assert credit.changes == row[5]


def test_other_images_have_no_credit() -> None:
    assert sample_credit("holiday.jpg") is None


@pytest.mark.parametrize("path", IMAGES, ids=NAMES)
def test_image_is_a_plain_rgb_jpeg_within_1024_px(path: Path) -> None:
    with Image.open(path) as image:
        image.load()
        assert (image.format, image.mode) == ("JPEG", "RGB")
        assert max(image.size) <= 1024
        assert not {"exif", "icc_profile", "xmp", "comment", "progressive"} & image.info.keys()


def test_images_total_under_6_mb() -> None:
    assert sum(path.stat().st_size for path in IMAGES) < 6_000_000


@pytest.fixture(scope="module")
def pocket() -> Encoder:
    return load("pocket")


@pytest.fixture(scope="module")
def encoded(pocket: Encoder) -> list[Encoded]:
    items = list(encode(pocket, sample_sources()))
    assert all(isinstance(item, Encoded) for item in items)
    return [item for item in items if isinstance(item, Encoded)]


def _first(scores: Scores, places: int) -> list[list[str]]:
    """Return the names of the first images of each caption, without ".jpg"."""
    return [
        [scores.images[image].removesuffix(".jpg") for image in scores.images_of(caption)[:places]]
        for caption in range(len(scores.captions))
    ]


def test_example_sets_are_short_and_distinct() -> None:
    assert len({each.title for each in EXAMPLE_SETS}) == len(EXAMPLE_SETS)
    assert all(1 <= len(each.title.split()) <= 3 for each in EXAMPLE_SETS)
    assert all(2 <= len(each.captions) <= 4 for each in EXAMPLE_SETS)
    assert all(each.note.endswith(".") for each in EXAMPLE_SETS)


def test_pocket_answers_the_first_example_rightly(pocket: Encoder, encoded: list[Encoded]) -> None:
    cats, mountains, sport = _first(_scored(pocket, encoded, "Animals, places, sport"), 3)
    assert cats[0] == "cat_mirror"
    assert {*cats} == {"chelsea", "cat_mirror", "cat_canary"}
    assert mountains[0] == "mountain_pasture"
    assert {*mountains} == {"mountain_path", "mountain_pasture", "mountain_sunset"}
    assert sport[0] == "tennis_player"
    assert {*sport} == {"tennis_player", "baseball_pitcher", "skateboarder_pool"}


@pytest.mark.parametrize(
    ("title", "first"),
    [("Synonyms", "motorcycle_right"), ("Negation", "man_elephant")],
)
def test_one_image_is_first_for_every_caption(
    pocket: Encoder, encoded: list[Encoded], title: str, first: str
) -> None:
    assert _first(_scored(pocket, encoded, title), 1) == [[first]] * 3


def test_each_bus_is_first_for_its_colour(pocket: Encoder, encoded: list[Encoded]) -> None:
    red, green, _ = _first(_scored(pocket, encoded, "Colours"), 1)
    assert (red, green) == (["red_bus"], ["green_bus"])


@pytest.mark.parametrize(
    ("title", "leading"),
    [("Counting", {"cat_mirror", "chelsea"}), ("Colours", {"red_bus", "green_bus"})],
)
def test_two_images_lead_for_every_caption(
    pocket: Encoder, encoded: list[Encoded], title: str, leading: set[str]
) -> None:
    assert [{*names} for names in _first(_scored(pocket, encoded, title), 2)] == [leading] * 3


def test_what_no_sample_shows_matches_weakly(pocket: Encoder, encoded: list[Encoded]) -> None:
    scores = _scored(pocket, encoded, "No good match")
    firsts = [scores.match(caption, scores.images_of(caption)[0], 1) for caption in range(3)]
    assert {match.band for match in firsts} <= {"weak", "no match"}


def test_pocket_misses_other_languages(pocket: Encoder, encoded: list[Encoded]) -> None:
    firsts = {names[0] for names in _first(_scored(pocket, encoded, "Other languages"), 1)}
    shown = "chelsea cat_mirror cat_canary tennis_player baseball_pitcher skateboarder_pool"
    assert not firsts & {*shown.split()}
    assert not any(name.startswith("mountain_") for name in firsts)


@pytest.mark.parametrize(
    ("text", "first"),
    [
        ("a cat", "cat_mirror"),
        ("people playing sport", "tennis_player"),
        ("mountains, sunset", "mountain_sunset"),
        ("1.5*horses, mountains", "mountain_horses"),
        ("a bus, -red", "green_bus"),
        ("a meal, -people", "pizza_plate"),
    ],
)
def test_pocket_answers_the_examples_of_search(
    pocket: Encoder, encoded: list[Encoded], text: str, first: str
) -> None:
    assert text in EXAMPLES
    cosines = np.stack([item.vector for item in encoded]) @ compose(pocket, parse(text)).vector
    assert encoded[int(cosines.argmax())].photo.name == f"{first}.jpg"


def test_every_example_of_search_is_checked_here() -> None:
    assert len(EXAMPLES) == 6


def _scored(encoder: Encoder, images: list[Encoded], title: str) -> Scores:
    (chosen,) = (each for each in EXAMPLE_SETS if each.title == title)
    texts = encoder.texts(chosen.captions)
    return score_encoded(encoder, chosen.captions, texts, images, bank_vectors(encoder))
