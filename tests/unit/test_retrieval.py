"""Recall, ranks, AUC and accuracy, checked against values worked out by hand."""

from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from components.bench.recall import read_split
from components.datasets.captioned import DataError
from components.scores import auc, balanced_accuracy, best_threshold, ranks
from components.scores.retrieval import retrieval_figures

SCORES = np.array(
    [
        [0.9, 0.1, 0.2, 0.3],  # its own is first
        [0.8, 0.5, 0.6, 0.1],  # third
        [0.4, 0.3, 0.2, 0.1],  # of its two own, the better is second
        [0.5, 0.5, 0.5, 0.5],  # all equal
        [0.1, 0.2, 0.3, 0.4],  # no known pair
    ],
    dtype=np.float32,
)
KNOWN = np.array(
    [[1, 0, 0, 0], [0, 1, 0, 0], [0, 1, 0, 1], [0, 0, 1, 0], [0, 0, 0, 0]], dtype=np.bool_
)


def test_ranks_by_hand() -> None:
    assert ranks(SCORES, KNOWN).tolist() == [1.0, 3.0, 2.0, 2.5]


def test_recall_median_and_mrr_by_hand() -> None:
    figures = retrieval_figures(SCORES, KNOWN)
    assert figures is not None
    assert (figures.queries, figures.gallery) == (4, 4)
    assert figures.recall == (0.25, 1.0, 1.0)
    assert figures.median_rank == 2.25
    assert figures.mrr == pytest.approx((1 + 1 / 3 + 1 / 2 + 1 / 2.5) / 4)


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


def test_the_best_threshold_separates_what_can_be_separated() -> None:
    own, other = np.array([0.3, 0.4, 0.5]), np.array([0.0, 0.1, 0.35])
    assert balanced_accuracy(own, other, 0.36) == pytest.approx((2 / 3 + 1) / 2)
    assert balanced_accuracy(own, other, 0.3) == pytest.approx((1 + 2 / 3) / 2)  # at it counts
    assert balanced_accuracy(own, other, -1.0) == 0.5
    threshold = best_threshold(own, other[:2])
    assert 0.1 < threshold <= 0.3
    assert balanced_accuracy(own, other[:2], threshold) == 1.0


def test_bench_reads_a_split_as_training_does(tmp_path: Path) -> None:
    """Any dataset that `captioned` reads; an image that is missing is left out of both sides."""
    folder = tmp_path / "images"
    folder.mkdir()
    for name in ("b.jpg", "a.jpg", "c.jpg"):
        (folder / name).touch()
    rows = {
        "image": ["b.jpg", "gone.jpg", "a.jpg", "b.jpg", "c.jpg"],
        "split": ["dev", "dev", "dev", "dev", "test"],
        "caption": ["b one", "gone", "a one", "b two", "c one"],
    }
    pq.write_table(pa.table(rows), tmp_path / "captions.parquet")
    split = read_split(tmp_path, "dev")
    assert [image.name for image in split.images] == ["b.jpg", "a.jpg"]
    assert split.captions == ("b one", "b two", "a one")
    assert split.known.tolist() == [[True, False], [True, False], [False, True]]
    with pytest.raises(DataError, match="no split 'train'"):
        read_split(tmp_path, "train")
