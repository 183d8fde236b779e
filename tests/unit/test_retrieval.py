"""Recall, ranks and AUC are what a person counts by hand."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from components.scores import auc, ranks
from components.scores.retrieval import retrieval_figures

SCORES = np.array(
    [
        [0.9, 0.1, 0.2, 0.3],  # its own is first
        [0.8, 0.5, 0.6, 0.1],  # third
        [0.4, 0.3, 0.2, 0.1],  # of its two own, the better is second
        [0.5, 0.5, 0.5, 0.5],  # it says nothing
        [0.1, 0.2, 0.3, 0.4],  # it has none
    ],
    dtype=np.float32,
)
KNOWN = np.array(
    [[1, 0, 0, 0], [0, 1, 0, 0], [0, 1, 0, 1], [0, 0, 1, 0], [0, 0, 0, 0]], dtype=np.bool_
)


def test_ranks_by_hand() -> None:
    assert ranks(SCORES, KNOWN).tolist() == [1.0, 3.0, 2.0, 2.5]


def test_recall_median_and_mrr_by_hand() -> None:
    found = retrieval_figures(SCORES, KNOWN)
    assert found is not None
    assert (found.queries, found.gallery) == (4, 4)
    assert found.recall == (0.25, 1.0, 1.0)
    assert found.median_rank == 2.25
    assert found.mrr == pytest.approx((1 + 1 / 3 + 1 / 2 + 1 / 2.5) / 4)


def test_nothing_known_gives_no_figure() -> None:
    assert retrieval_figures(SCORES, np.zeros_like(KNOWN)) is None
    assert retrieval_figures(SCORES[:0], KNOWN[:0]) is None


@given(st.integers(0, 2**32 - 1), st.integers(1, 12), st.integers(1, 12))
def test_ranks_are_those_of_a_sorted_list(seed: int, queries: int, gallery: int) -> None:
    rng = np.random.default_rng(seed)
    scores = rng.permutation(queries * gallery).reshape(queries, gallery).astype(np.float32)
    own = rng.integers(0, gallery, queries)
    known = np.arange(gallery) == own[:, None]
    expected = [
        1 + int(np.flatnonzero(np.argsort(-row) == i)[0])
        for row, i in zip(scores, own, strict=True)
    ]
    assert ranks(scores, known).tolist() == expected


@given(st.integers(0, 2**32 - 1), st.integers(1, 30), st.integers(1, 30))
def test_auc_is_mann_and_whitneys_u(seed: int, positives: int, negatives: int) -> None:
    rng = np.random.default_rng(seed)
    high, low = rng.integers(0, 9, positives) * 1.0, rng.integers(0, 9, negatives) * 1.0
    expected = stats.mannwhitneyu(high, low).statistic / (positives * negatives)
    assert auc(high, low) == pytest.approx(expected)
