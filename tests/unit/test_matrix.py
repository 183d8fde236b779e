"""The matrix: its values, colours, orders and marks."""

import itertools

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from components.scores import (
    Mode,
    agreement,
    arrange,
    clustered,
    difference,
    known_pairs,
    scale_of,
    values,
)
from components.scores.matrix import DIFFERENCE, assignment, leaf_order
from tests.unit.helpers import RULE, scores


def test_each_mode_is_what_its_name_says() -> None:
    some = scores()
    assert values(some, Mode.cosine, RULE) is some.cosine
    assert values(some, Mode.percentile, RULE) is some.percentile
    np.testing.assert_allclose(values(some, Mode.by_column, RULE).sum(axis=0), 1, rtol=1e-5)
    by_row = values(some, Mode.by_row, RULE)
    np.testing.assert_allclose(by_row.sum(axis=1), 1, rtol=1e-5)
    weights = np.exp(20 * some.cosine[1].astype(np.float64))
    np.testing.assert_allclose(by_row[1], weights / weights.sum(), rtol=1e-4)


def test_the_cosines_scale_is_fixed_by_chance_alone() -> None:
    chance = np.array([[0.02, 0.22]], dtype=np.float32)  # mean 0.12, deviation 0.1
    scale = scale_of(Mode.cosine, chance)
    assert [scale.low, scale.high] == pytest.approx([0.0, 0.65])
    for mode in (Mode.percentile, Mode.by_row, Mode.by_column):
        assert (scale_of(mode, chance).low, scale_of(mode, chance).high) == (0.0, 1.0)


def test_cells_show_numbers_in_short() -> None:
    scale = scale_of(Mode.cosine, np.array([[0.0, 0.2]], dtype=np.float32))
    assert [scale.text(v) for v in (0.434, -0.05, -0.001, 1.0)] == [".43", "-.05", ".00", "1.00"]
    assert scale_of(Mode.percentile, np.zeros((1, 1), np.float32)).text(0.986) == "99"
    assert DIFFERENCE.text(-0.25) == "-25"


def test_colours_run_from_stop_to_stop_and_stay_at_the_ends() -> None:
    scale = scale_of(Mode.percentile, np.zeros((1, 1), np.float32))
    colours = scale.colour(np.array([-3.0, 0.0, 0.0625, 0.5, 1.0, 9.0]))
    assert colours[0].tolist() == colours[1].tolist() == [0x44, 0x01, 0x54]
    between = (np.array([0x44, 0x01, 0x54]) + np.array([0x47, 0x2D, 0x7B])) / 2
    np.testing.assert_allclose(colours[2], between, atol=1)
    assert colours[3].tolist() == [0x21, 0x91, 0x8C]
    assert colours[4].tolist() == colours[5].tolist() == [0xFD, 0xE7, 0x25]


def test_text_has_the_colour_that_contrasts_more() -> None:
    """WCAG 2.2's contrast ratio, by hand, for every colour of both scales."""

    def luminance(colour: np.ndarray) -> float:
        c = colour / 255
        linear = np.where(c <= 0.04045, c / 12.92, ((c + 0.055) / 1.055) ** 2.4)
        return float(linear @ [0.2126, 0.7152, 0.0722])

    for scale in (scale_of(Mode.percentile, np.zeros((1, 1), np.float32)), DIFFERENCE):
        points = np.linspace(scale.low, scale.high, 101)
        for colour, dark in zip(scale.colour(points), scale.is_dark(points), strict=True):
            white = 1.05 / (luminance(colour) + 0.05)
            black = (luminance(colour) + 0.05) / 0.05
            assert dark == (white > black) or abs(white - black) < 0.05
            assert max(white, black) > 4.4


def test_a_heatmap_keeps_cells_with_their_names_whatever_the_order() -> None:
    some = scores(9, 7)
    scale = scale_of(Mode.cosine, some.cosine)
    heatmap = arrange(some, some.cosine, scale, clustered(some.cosine), assign=True)
    assert sorted(heatmap.rows) == list(range(9))
    assert sorted(heatmap.columns) == list(range(7))
    for row, column in itertools.product(range(9), range(7)):
        caption = some.captions.index(heatmap.captions[row])
        image = some.images.index(heatmap.images[column])
        assert heatmap.values[row, column] == some.cosine[caption, image]
    for row, column in heatmap.best_of_row:
        assert heatmap.values[row, column] == heatmap.values[row].max()
    for row, column in heatmap.best_of_column:
        assert heatmap.values[row, column] == heatmap.values[:, column].max()
    assert len(heatmap.assigned) == 7


def test_as_given_changes_nothing() -> None:
    some = scores()
    heatmap = arrange(some, some.percentile, DIFFERENCE)
    assert (heatmap.captions, heatmap.images) == (some.captions, some.images)
    assert heatmap.assigned == ()
    np.testing.assert_array_equal(heatmap.values, some.percentile)


def test_a_difference_is_of_percentiles_and_has_no_best() -> None:
    first, second = scores(seed=1), scores(seed=2)
    order = clustered(first.percentile)
    heatmap = difference(first, second, order)
    expected = (second.percentile - first.percentile)[np.ix_(*order)]
    np.testing.assert_array_equal(heatmap.values, expected)
    assert heatmap.best_of_row == heatmap.best_of_column == ()


def test_clustering_brings_like_rows_together() -> None:
    kinds = np.array([0, 1, 0, 1, 0, 1, 0])
    rows = np.where(kinds[:, None] == 0, [[1.0, 0.0]], [[0.0, 1.0]]).astype(np.float32)
    rows += np.random.default_rng(0).normal(0, 0.01, rows.shape).astype(np.float32)
    ordered = kinds[leaf_order(rows)]
    assert (np.diff(ordered) != 0).sum() == 1


@pytest.mark.parametrize("rows", [0, 1, 2])
def test_too_few_to_cluster_stay(rows: int) -> None:
    assert leaf_order(np.zeros((rows, 3), dtype=np.float32)).tolist() == list(range(rows))


@given(st.integers(0, 2**32 - 1), st.integers(1, 5), st.integers(1, 5))
def test_the_assignment_is_the_best_of_all(seed: int, rows: int, columns: int) -> None:
    cosines = np.random.default_rng(seed).uniform(-1, 1, (rows, columns)).astype(np.float32)
    pairs = assignment(cosines)
    assert len({r for r, _ in pairs}) == len({c for _, c in pairs}) == min(rows, columns)
    table = cosines if rows <= columns else cosines.T
    best = max(
        sum(table[i, j] for i, j in enumerate(choice))
        for choice in itertools.permutations(range(table.shape[1]), table.shape[0])
    )
    assert sum(cosines[r, c] for r, c in pairs) == pytest.approx(best, abs=1e-5)


def test_known_pairs_are_found_by_name_and_unknown_names_ignored() -> None:
    known = known_pairs(scores(), [("i2", "c0"), ("i0", "c1"), ("i0", "c0"), ("x", "c1")])
    assert np.argwhere(known).tolist() == [[0, 0], [0, 2], [1, 0]]


@given(st.integers(0, 2**32 - 1), st.integers(2, 12))
def test_agreement_is_pearsons_of_the_ranks(seed: int, columns: int) -> None:
    rng = np.random.default_rng(seed)
    first, second = (rng.integers(0, 6, (3, columns)).astype(np.float32) for _ in "ab")
    for correlation, a, b in zip(agreement(first, second), first, second, strict=True):
        if np.ptp(a) and np.ptp(b):
            expected = np.corrcoef(stats.rankdata(a), stats.rankdata(b))[0, 1]
            assert correlation == pytest.approx(expected, abs=1e-6)
        else:
            assert np.isnan(correlation)


def test_one_column_has_no_correlation() -> None:
    assert np.isnan(agreement(np.ones((2, 1), np.float32), np.ones((2, 1), np.float32))).all()
