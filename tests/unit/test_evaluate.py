"""Retrieval figures against a count by hand, and the command on real images."""

import json
from pathlib import Path

import numpy as np
import pytest

from components.datasets.evaluate import evaluate
from components.images import sample_captions
from tests.unit.helpers import SAMPLES, run

pytestmark = pytest.mark.slow  # converts or trains a model

# Captions down, images across; captions 0 and 1 are image 0's, 2 and 3 image 1's, 4 image 2's.
SCORES = np.array(
    [
        [0.9, 0.1, 0.2],
        [0.3, 0.5, 0.4],
        [0.2, 0.8, 0.1],
        [0.6, 0.5, 0.1],
        [0.1, 0.2, 0.7],
    ],
    dtype=np.float32,
)
OWNER = np.array([0, 0, 1, 1, 2])


def test_ranks_by_hand_with_several_captions_an_image() -> None:
    evaluation = evaluate(SCORES, OWNER)
    text_to_image, image_to_text = evaluation.caption_to_image, evaluation.image_to_caption
    # caption to image ranks: 1, 3, 1, 2, 1
    assert (text_to_image.queries, text_to_image.gallery) == (5, 3)
    assert [figure.value for figure in text_to_image.recall] == [0.6, 1.0, 1.0]
    assert text_to_image.median_rank.value == 1
    assert text_to_image.mrr.value == pytest.approx((1 + 1 / 3 + 1 + 1 / 2 + 1) / 5)
    # image to caption: each image's best caption is first in its column
    assert (image_to_text.queries, image_to_text.gallery) == (3, 5)
    assert [figure.value for figure in image_to_text.recall] == [1.0, 1.0, 1.0]


def test_intervals_contain_the_figure_and_narrow_with_more_queries() -> None:
    rng = np.random.default_rng(0)

    def width(images: int) -> float:
        scores = rng.standard_normal((images, images)).astype(np.float32)
        scores[np.arange(images), np.arange(images)] += 1.5
        figure = evaluate(scores, np.arange(images)).caption_to_image.recall[2]
        assert figure.low <= figure.value <= figure.high
        return figure.high - figure.low

    assert width(900) < 0.5 * width(60)


def test_the_interval_is_binomial_with_one_caption_per_image() -> None:
    """1,000 queries, 300 found: the bootstrap's interval is near the normal approximation's."""
    scores = np.zeros((1000, 1000), dtype=np.float32)
    found = np.arange(1000) < 300
    scores[np.arange(1000), np.arange(1000)] = np.where(found, 1.0, -1.0)
    figure = evaluate(scores, np.arange(1000)).caption_to_image.recall[0]
    half = 1.96 * np.sqrt(0.3 * 0.7 / 1000)
    assert figure.value == pytest.approx(0.3)
    assert figure.low == pytest.approx(0.3 - half, abs=0.006)
    assert figure.high == pytest.approx(0.3 + half, abs=0.006)


def test_pairs_that_separate_completely_and_not_at_all() -> None:
    perfect = np.eye(40, dtype=np.float32)
    figures = evaluate(perfect, np.arange(40)).pairs
    assert (figures.pairs, figures.accuracy, figures.auc) == (40, 1.0, 1.0)
    flat = evaluate(np.zeros((40, 40), dtype=np.float32), np.arange(40)).pairs
    assert (flat.accuracy, flat.auc) == (0.5, 0.5)


def test_the_command_measures_the_samples_and_names_what_is_missing(tmp_path: Path) -> None:
    table, count = tmp_path / "captions.csv", len(sample_captions())
    rows = (SAMPLES / "captions.csv").read_text(encoding="utf-8")
    table.write_text(f"{rows}lost.jpg,an image that is not there\n", encoding="utf-8")
    done = run("evaluate", table, "--images", SAMPLES, "--format", "json", status=1)
    assert "missing: 1 image of captions.csv: lost.jpg" in done.stderr
    figures = json.loads(done.stdout)
    assert figures["caption_to_image"]["gallery"] == count
    assert figures["caption_to_image"]["recall"][0]["value"] == pytest.approx(47 / 57)
    assert figures["model"] == "pocket"
    lines = run("evaluate", SAMPLES, "--template", "a photo of {}").stdout.splitlines()
    assert lines[1].startswith("caption to image")
    assert f"{count} images, {count} captions" in lines[4]


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (["nowhere.csv"], "nowhere.csv cannot be read"),
        ([SAMPLES, "--template", "a photo"], "The template must contain {}"),
        ([SAMPLES, "--split", "dev"], "has no split 'dev'; it has no splits"),
        ([SAMPLES, "--format", "csv"], "formats of evaluate are table and json"),
    ],
)
def test_misuse_is_one_sentence(arguments: list[object], sentence: str) -> None:
    assert sentence in run("evaluate", *arguments, status=2).stderr
