"""Exported files open in other programs and contain what the page shows."""

import csv
import io
import json

import numpy as np
import pytest
from PIL import Image, ImageColor

from components.encoder import load
from components.output.export import (
    Panel,
    footer,
    provenance,
    rows_to_csv,
    to_csv,
    to_figure,
    to_json,
)
from components.scores import Match
from components.version import version

MATCHES = [
    Match("a dog, running", "dog.jpg", 1, 0.25, 0.9, 0.995, 3.5, "strong"),
    Match("كلب 🐕", '=HYPERLINK("x").jpg', 2, -0.125, 0.1, 0.0, -1.5, "no match"),
]


COLOURS = ("red", "lime", "blue", "yellow", "cyan", "magenta", "orange", "teal")


def _jpeg(colour: str) -> bytes:
    out = io.BytesIO()
    Image.new("RGB", (40, 30), colour).save(out, "JPEG")
    return out.getvalue()


def _centre(figure: np.ndarray, colour: str) -> tuple[float, float]:
    """Return (row, column) of the middle of ``colour``'s area in (height, width, 3) pixels."""
    rgb = np.array(ImageColor.getrgb(colour))
    rows, columns = np.nonzero(np.abs(figure - rgb).max(axis=-1) < 12)
    assert len(rows) > 5_000
    return float(rows.mean()), float(columns.mean())


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


@pytest.mark.parametrize(
    "text", ["=1+1", "+1", "-1+1", "@SUM(A1)", "\t=1", "\r=1", "\n=1", "  =1", " \t@x", "\uff1d1"]
)
def test_no_cell_and_no_column_name_is_a_formula(text: str) -> None:
    head, cells = csv.reader(io.StringIO(rows_to_csv([{text: text}]), newline=""))
    assert head == cells == ["'" + text]


def test_json_is_a_list_or_an_object_that_says_what_made_it() -> None:
    assert json.loads(to_json(MATCHES))[1]["caption"] == "كلب 🐕"
    content = json.loads(to_json(MATCHES, {"model": "pocket"}))
    assert content["model"] == "pocket"
    assert [row["rank"] for row in content["matches"]] == [1, 2]


def test_the_figure_shows_the_images_of_each_panel_in_their_order() -> None:
    images = [(_jpeg(colour), f"${colour}_$.jpg\n0.250") for colour in COLOURS]
    panels = [Panel("a" * 400, images[:7]), Panel("b", images[7:]), Panel("empty", [])]
    figure = Image.open(io.BytesIO(to_figure(panels, "footer")))
    assert figure.format == "PNG"
    pixels = np.asarray(figure.convert("RGB"), dtype=int)
    rows, columns = np.transpose([_centre(pixels, colour) for colour in COLOURS])
    assert np.ptp(rows[:6]) < 2  # six a row
    assert (np.diff(columns[:6]) > 100).all()
    assert (np.diff(rows[5:]) > 100).all()  # the seventh, and the second panel, are below
    assert np.ptp(columns[[0, 6, 7]]) < 2
    assert (pixels[-10:] < 128).any() or (pixels[-60:] < 128).any()  # the footer


@pytest.mark.slow  # converts a model
def test_receipts_and_footers_name_the_version() -> None:
    encoder = load("pocket")
    versions = provenance(encoder)["versions"]
    assert versions["captionlens"] == version()
    assert {"torch", "numpy"} < versions.keys()
    revision = encoder.revision[:12]
    assert footer(encoder) == f"CaptionLens {version()} · Pocket {revision} · f32"
