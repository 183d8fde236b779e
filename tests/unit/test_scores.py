"""Scores and ranks are what their formulas say, at their edges too."""

import numpy as np
import pytest

from components.match import distinct, ranked, score
from components.scores import ScoreRule, cosine, probability, unit

SOFTMAX = ScoreRule("softmax", 100.0)
SIGMOID = ScoreRule("sigmoid", 10.0, -5.0)


def test_unit_rows_have_length_one_and_zero_stays_zero() -> None:
    rows = unit(np.array([[3.0, 4.0], [0.0, 0.0], [1e-6, 0.0]]))
    np.testing.assert_allclose(rows, [[0.6, 0.8], [0.0, 0.0], [1.0, 0.0]], rtol=1e-5)
    assert rows.dtype == np.float32


def test_cosine_is_captions_down_pictures_across() -> None:
    texts, images = unit(np.eye(3)[:2]), unit(np.array([[1.0, 1.0, 0.0]]))
    np.testing.assert_allclose(cosine(texts, images), [[0.5**0.5], [0.5**0.5]], rtol=1e-6)


def test_softmax_sums_to_one_over_the_captions_of_each_picture() -> None:
    cosines = np.array([[0.3, -1.0, 0.1], [0.2, 1.0, 0.1]], dtype=np.float32)
    chances = probability(cosines, SOFTMAX)
    np.testing.assert_allclose(chances.sum(axis=0), 1.0, rtol=1e-6)
    np.testing.assert_allclose(chances[:, 2], 0.5, rtol=1e-6)
    assert chances[0, 0] == pytest.approx(1 / (1 + np.exp(-10.0)), rel=1e-4)


def test_one_caption_has_all_the_probability() -> None:
    assert probability(np.array([[-0.4]], dtype=np.float32), SOFTMAX) == 1.0


def test_sigmoid_looks_at_each_pair_alone() -> None:
    cosines = np.array([[0.5, 0.6]], dtype=np.float32)
    expected = 1 / (1 + np.exp(-(10.0 * cosines - 5.0)))
    np.testing.assert_allclose(probability(cosines, SIGMOID), expected, rtol=1e-5)


@pytest.mark.parametrize("rule", [SOFTMAX, SIGMOID, ScoreRule("sigmoid", 1e6, -1e6)])
def test_extreme_logits_stay_between_zero_and_one(rule: ScoreRule) -> None:
    chances = probability(np.array([[1.0], [-1.0]], dtype=np.float32), rule)
    assert np.isfinite(chances).all()
    assert ((chances >= 0) & (chances <= 1)).all()


def test_no_captions_give_no_probabilities() -> None:
    assert probability(np.zeros((0, 4), dtype=np.float32), SOFTMAX).shape == (0, 4)


def _scores() -> "tuple[list[str], list[str], np.ndarray, np.ndarray]":
    texts = unit(np.array([[1.0, 0.0], [0.0, 1.0]]))
    images = unit(np.array([[1.0, 2.0], [2.0, 1.0], [2.0, 1.0]]))
    return ["x", "y"], ["p", "q", "r"], texts, images


def test_pictures_are_ranked_for_each_caption_equals_in_their_order() -> None:
    scores = score(*_scores(), SOFTMAX)
    lists = ranked(scores)
    assert [[match.image for match in matches] for matches in lists] == [
        ["q", "r", "p"],
        ["p", "q", "r"],
    ]
    assert [match.rank for match in lists[0]] == [1, 2, 3]
    assert {match.caption for match in lists[0]} == {"x"}
    assert lists[0][0].cosine == pytest.approx(2 / 5**0.5)


def test_captions_are_ranked_for_each_picture() -> None:
    lists = ranked(score(*_scores(), SOFTMAX), "captions")
    assert [[match.caption for match in matches] for matches in lists] == [
        ["y", "x"],
        ["x", "y"],
        ["x", "y"],
    ]


def test_top_cuts_every_list() -> None:
    assert [len(matches) for matches in ranked(score(*_scores(), SOFTMAX), top=2)] == [2, 2]


def test_equal_names_are_told_apart() -> None:
    assert distinct(["a.jpg", "b.jpg", "a.jpg", "a.jpg"]) == [
        "a.jpg",
        "b.jpg",
        "a.jpg (2)",
        "a.jpg (3)",
    ]
