"""Downloads open in other programs and hold what the page shows."""

import csv
import io
import json

from PIL import Image

from components.output.export import Panel, to_csv, to_figure, to_json
from components.scores import Match

MATCHES = [
    Match("a dog, running", "dog.jpg", 1, 0.25, 0.9, 0.995, 3.5, "strong"),
    Match("كلب 🐕", '=HYPERLINK("x").jpg', 2, -0.125, 0.1, 0.0, -1.5, "no match"),
]


def _jpeg() -> bytes:
    out = io.BytesIO()
    Image.new("RGB", (40, 30), "teal").save(out, "JPEG")
    return out.getvalue()


def test_csv_reads_back_and_carries_no_formula() -> None:
    rows = list(csv.DictReader(io.StringIO(to_csv(MATCHES))))
    assert rows[0] == {
        "caption": "a dog, running",
        "image": "dog.jpg",
        "rank": "1",
        "cosine": "0.25",
        "probability": "0.9",
        "percentile": "0.995",
        "zscore": "3.5",
        "band": "strong",
    }
    assert rows[1]["image"] == """'=HYPERLINK("x").jpg"""
    assert rows[1]["cosine"] == "-0.125"


def test_json_is_a_list_or_an_object_that_says_what_made_it() -> None:
    assert json.loads(to_json(MATCHES))[1]["caption"] == "كلب 🐕"
    told = json.loads(to_json(MATCHES, {"model": "pocket"}))
    assert told["model"] == "pocket"
    assert [row["rank"] for row in told["matches"]] == [1, 2]


def test_the_figure_is_a_png_that_grows_with_its_panels() -> None:
    images = [(_jpeg(), f"$name_{index}$.jpg\n0.250") for index in range(8)]
    one = Image.open(io.BytesIO(to_figure([Panel("two rows", images)], "footer")))
    two = to_figure([Panel("a", images), Panel("b" * 400, images[:1]), Panel("c", [])], "f")
    larger = Image.open(io.BytesIO(two))
    assert one.format == larger.format == "PNG"
    assert one.width == larger.width > 1000
    assert larger.height > one.height
