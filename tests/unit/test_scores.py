"""Scores and ranks follow their formulas, at the edges too."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from components.scores import (
    FAIR,
    Calibration,
    ScoreRule,
    band,
    cosine,
    distinct,
    explain_bands,
    measures,
    percentile,
    prominence,
    ranked,
    score,
    score_pairs,
    unit,
    zscore,
)
from components.scores.measures import probability
from components.ui.reading import READING

SOFTMAX = ScoreRule("softmax", 100.0)
SIGMOID = ScoreRule("sigmoid", 10.0, -5.0)
BANK = unit(np.array([[1.0, 1.0], [1.0, -1.0], [-1.0, 1.0], [-1.0, -1.0]]))
CALIBRATION = Calibration(SOFTMAX, BANK)


def test_unit_rows_have_length_one_and_zero_stays_zero() -> None:
    rows = unit(np.array([[3.0, 4.0], [0.0, 0.0], [1e-6, 0.0]]))
    np.testing.assert_allclose(rows, [[0.6, 0.8], [0.0, 0.0], [1.0, 0.0]], rtol=1e-5)
    assert rows.dtype == np.float32


def test_cosine_is_captions_down_images_across() -> None:
    texts, images = unit(np.eye(3)[:2]), unit(np.array([[1.0, 1.0, 0.0]]))
    np.testing.assert_allclose(cosine(texts, images), [[0.5**0.5], [0.5**0.5]], rtol=1e-6)


def test_softmax_sums_to_one_over_the_captions_of_each_image() -> None:
    cosines = np.array([[0.3, -1.0, 0.1], [0.2, 1.0, 0.1]], dtype=np.float32)
    chances = probability(cosines, SOFTMAX)
    np.testing.assert_allclose(chances.sum(axis=0), 1.0, rtol=1e-6)
    np.testing.assert_allclose(chances[:, 2], 0.5, rtol=1e-6)
    assert chances[0, 0] == pytest.approx(1 / (1 + np.exp(-10.0)), rel=1e-4)


def test_one_caption_has_all_the_probability() -> None:
    assert probability(np.array([[-0.4]], dtype=np.float32), SOFTMAX) == 1.0


def test_sigmoid_depends_on_each_pair_only() -> None:
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


def test_images_are_ranked_for_each_caption_equals_in_their_order() -> None:
    scores = score(*_scores(), CALIBRATION)
    lists = ranked(scores)
    assert [[match.image for match in matches] for matches in lists] == [
        ["q", "r", "p"],
        ["p", "q", "r"],
    ]
    assert [match.rank for match in lists[0]] == [1, 2, 3]
    assert {match.caption for match in lists[0]} == {"x"}
    assert lists[0][0].cosine == pytest.approx(2 / 5**0.5)


def test_captions_are_ranked_for_each_image() -> None:
    lists = ranked(score(*_scores(), CALIBRATION), "captions")
    assert [[match.caption for match in matches] for matches in lists] == [
        ["y", "x"],
        ["x", "y"],
        ["x", "y"],
    ]


def test_top_cuts_every_list() -> None:
    assert [len(matches) for matches in ranked(score(*_scores(), CALIBRATION), top=2)] == [2, 2]


def test_a_percentile_is_the_share_of_chance_scores_below_ties_half() -> None:
    chance = np.array([[0.1, 0.0], [0.2, 0.0], [0.3, 0.0], [0.4, 0.0]], dtype=np.float32)
    cosines = np.array([[0.25, 0.0], [0.4, 0.1], [-1.0, -0.1]], dtype=np.float32)
    expected = [[0.5, 0.5], [0.875, 1.0], [0.0, 0.0]]
    np.testing.assert_allclose(percentile(cosines, chance), expected)


@given(st.integers(0, 2**32 - 1), st.integers(1, 40), st.integers(1, 8), st.integers(1, 5))
def test_percentiles_and_z_agree_with_scipy(seed: int, bank: int, rows: int, columns: int) -> None:
    rng = np.random.default_rng(seed)
    chance = rng.integers(-9, 10, (bank, columns)).astype(np.float32)  # with ties
    cosines = rng.integers(-9, 10, (rows, columns)).astype(np.float32)
    shares, distances = percentile(cosines, chance), zscore(cosines, chance)
    for row, column in np.ndindex(rows, columns):
        own, others = cosines[row, column], chance[:, column]
        expected = stats.percentileofscore(others, own, kind="mean") / 100
        assert shares[row, column] == pytest.approx(expected, abs=1e-6)
        if others.std() > 1e-3:
            away = (float(own) - float(others.mean())) / float(others.std())
            assert distances[row, column] == pytest.approx(away, abs=1e-3)
    assert np.isfinite(distances).all()


def test_bands_have_words_from_end_to_end() -> None:
    shares = [0.0, 0.7999, 0.8, 0.9699, 0.97, 0.9899, 0.99, 1.0]
    words = ["no match", "no match", "weak", "weak", "fair", "fair", "strong", "strong"]
    assert [band(share, 1.0) for share in shares] == words
    words = ["fair" if word == "strong" else word for word in words]
    assert [band(share, 0.3) for share in shares] == words  # hidden among others: one step, no more


def test_sentences_on_bands_follow_their_limits(monkeypatch: pytest.MonkeyPatch) -> None:
    expected = (
        "Bands: no match below 80%, weak from 80%, fair from 97%, strong from 99% if the image"
    )
    assert explain_bands().startswith(expected)
    assert "right 9 times in 10 where it read strong" in explain_bands()
    assert "**fair** from 97%" in READING
    assert band(FAIR, 1.0) == "fair" != band(FAIR - 1e-6, 1.0)
    monkeypatch.setattr(measures, "BANDS", ((0.985, "strong"), (0.9, "fair"), (0.0, "no match")))
    expected = "Bands: *no match* below 90%, *fair* from 90%, *strong* from 98.5% if the image"
    assert explain_bands("*").startswith(expected)


def _chance(images: int, spread: float = 0.1) -> "np.ndarray":
    column = np.random.default_rng(0).normal(0.0, spread, (1000, 1))
    return np.repeat(column, images, axis=1).astype(np.float32)


def test_an_image_that_stands_out_is_strong_and_one_among_its_equals_is_fair() -> None:
    alone, equals = np.zeros((1, 57), np.float32), np.zeros((1, 500), np.float32)
    alone[0, 0], equals[0, :100] = 0.45, 0.45
    shares = prominence(alone, _chance(57))
    assert band(1.0, float(shares[0, 0])) == "strong"
    assert shares[0].argmax() == 0 and shares.sum() <= 1 + 1e-5
    many = prominence(equals, _chance(500))[0, :100]
    assert {band(1.0, float(share)) for share in many} == {"fair"}


def test_prominence_does_not_depend_on_the_scale_of_the_scores() -> None:
    cosines = np.random.default_rng(1).normal(0.0, 0.1, (3, 20)).astype(np.float32)
    cosines[0, 0] = 0.45
    expected = prominence(cosines, _chance(20))
    logits = prominence(1000 * cosines, 1000 * _chance(20))  # exponentials of these would overflow
    np.testing.assert_allclose(logits, expected, rtol=1e-3, atol=1e-6)
    own = score_pairs(["x", "y", "z"], [str(i) for i in range(20)], cosines, _chance(20))
    np.testing.assert_array_equal(own.prominence, expected)
    assert ranked(own)[0][0].band == "strong"


def test_a_single_image_competes_with_everyday_captions() -> None:
    weak, clear = (np.array([[each]], np.float32) for each in (0.1, 0.45))
    assert prominence(weak, _chance(1))[0, 0] < 0.2
    assert prominence(clear, _chance(1))[0, 0] > 0.9
    assert prominence(np.zeros((0, 4), np.float32), _chance(4)).shape == (0, 4)


def test_a_page_of_results_competes_with_all_results() -> None:
    results = np.array([[0.45, 0.45, 0.1, 0.0]], np.float32)
    whole = prominence(results, _chance(4))
    second = prominence(results[:, 1:2], _chance(1), results)
    np.testing.assert_allclose(second, whole[:, 1:2], rtol=1e-5)
    assert second < 0.6 < prominence(results[:, 1:2], _chance(1))


def test_a_match_carries_its_place_among_chance_scores() -> None:
    scores = score(*_scores(), CALIBRATION)
    best = ranked(scores)[0][0]
    chance = cosine(BANK, unit(np.array([[2.0, 1.0]])))
    assert best.percentile == percentile(np.array([[best.cosine]], np.float32), chance)[0, 0]
    assert best.zscore == pytest.approx((best.cosine - chance.mean()) / chance.std(), rel=1e-5)
    assert best.band == band(best.percentile, float(scores.prominence[0, 1]))


def test_equal_names_are_numbered() -> None:
    assert distinct(["a.jpg", "b.jpg", "a.jpg", "a.jpg"]) == [
        "a.jpg",
        "b.jpg",
        "a.jpg (2)",
        "a.jpg (3)",
    ]
