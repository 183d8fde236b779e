"""The index: exact where it says so, measured where it is not, and filtered either way."""

from pathlib import Path

import numpy as np
import pytest

from components.collection import index as indices
from components.collection.index import (
    Effort,
    FaissIndex,
    build_index,
    kind_for,
    remake_index,
)
from components.collection.vectors import Vectors
from components.scores import Floats, unit


def clustered(rows: int, width: int = 64, seed: int = 0) -> Floats:
    random = np.random.default_rng(seed)
    centres = np.random.default_rng(99).standard_normal((50, width))
    return unit(centres[random.integers(0, 50, rows)] + 0.7 * random.standard_normal((rows, width)))


def of(matrix: Floats, part: int = 3000) -> Vectors:
    parts = [matrix[start : start + part] for start in range(0, len(matrix), part)]
    return Vectors(tuple(parts), matrix.shape[1])


@pytest.fixture(scope="module")
def large() -> Vectors:
    return of(clustered(12_000))


def recall_at_10(index: FaissIndex, vectors: Vectors, queries: Floats) -> float:
    every = np.concatenate(vectors.parts)
    shared = [len({*index.search(q, 10)[0]} & {*true_best(every, q, 10)}) for q in queries]
    return sum(shared) / (10 * len(queries))


def true_best(vectors: Floats, query: Floats, top: int) -> list[int]:
    return [int(row) for row in np.argsort(-(vectors @ query))[:top]]


def test_the_kind_follows_from_the_size() -> None:
    assert kind_for(10_000, 512) == "Flat"
    assert kind_for(25_000, 512) == "PQ128x4fs"
    assert kind_for(25_000, 384) == "PQ96x4fs"
    assert kind_for(1_000_000, 512) == "IVF4096,PQ128x4fs"
    assert kind_for(25_000, 514) == "Flat"  # no fitting part of a prime's double


def test_a_small_collection_is_searched_exactly() -> None:
    matrix = clustered(500)
    index, recall = build_index(of(matrix, 128), lambda: clustered(5, seed=1))
    assert (index.exact, recall) == (True, 1.0)
    for query in clustered(5, seed=2):
        rows, cosines = index.search(query, 20)
        assert list(rows) == true_best(matrix, query, 20)
        assert np.allclose(cosines, (matrix @ query)[rows], atol=1e-6)


def test_a_large_collection_reports_its_recall(large: Vectors) -> None:
    queries = clustered(20, seed=3)
    index, recall = build_index(large, lambda: queries)
    assert not index.exact
    assert recall >= 0.95
    assert recall == pytest.approx(recall_at_10(index, large, queries))
    rows, cosines = index.search(queries[0], 50)
    assert np.allclose(cosines, large.rows(rows) @ queries[0], atol=1e-6)  # the true cosines
    assert (np.diff(cosines) <= 0).all()


def test_inverted_lists_are_visited_until_recall_is_reached(
    large: Vectors, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(indices, "INVERTED_FROM", 11_000)
    queries = clustered(20, seed=3)
    index, recall = build_index(large, lambda: queries)
    assert index.kind.startswith("IVF")
    assert recall >= 0.98 or index.effort.probes >= index.lists
    index.effort = Effort(128, 1)
    assert recall > recall_at_10(index, large, queries)


@pytest.mark.parametrize("lists", [False, True])
@pytest.mark.parametrize("share", [0.01, 0.5, 0.95])
def test_filters_hold_however_many_rows_pass(
    large: Vectors, share: float, lists: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(indices, "INVERTED_FROM", 11_000 if lists else 250_000)
    monkeypatch.setattr(indices, "EXACT_UP_TO", 1000)
    allowed = np.random.default_rng(0).random(len(large)) < share
    index = remake_index(large, Effort(256))
    every = np.concatenate(large.parts)
    for query in clustered(5, seed=4):
        rows, _ = index.search(query, 10, allowed)
        assert allowed[rows].all()
        best = [row for row in true_best(every, query, len(every)) if allowed[row]][:10]
        assert len(set(rows) & set(best)) >= 9


def test_a_filter_that_nothing_passes(large: Vectors) -> None:
    rows, cosines = remake_index(large, Effort()).search(
        clustered(1)[0], 10, np.zeros(12_000, np.bool_)
    )
    assert len(rows) == len(cosines) == 0


def test_a_saved_index_answers_the_same(large: Vectors, tmp_path: Path) -> None:
    index = remake_index(large, Effort())
    index.save(tmp_path / "index")
    again = FaissIndex.open(tmp_path / "index", large)
    query = clustered(1, seed=5)[0]
    assert [*again.search(query, 10)[0]] == [*index.search(query, 10)[0]]


def test_a_file_that_is_not_an_index_of_these_vectors(large: Vectors, tmp_path: Path) -> None:
    (tmp_path / "noise").write_bytes(b"not an index at all")
    remake_index(of(clustered(100)), Effort()).save(tmp_path / "other")
    for name in ("noise", "other"):
        with pytest.raises(ValueError, match=name):
            FaissIndex.open(tmp_path / name, large)


def test_an_empty_collection() -> None:
    index = remake_index(Vectors((), 64), Effort())
    assert len(index.search(clustered(1)[0], 10)[0]) == 0


def test_vectors_in_several_parts(large: Vectors) -> None:
    every = np.concatenate(large.parts)
    rows = np.array([11_999, 0, 3000, 2999, 0])
    assert (large.rows(rows) == every[rows]).all()
    query = clustered(1, seed=6)[0]
    assert np.allclose(large.cosines(query), every @ query, atol=1e-6)


@pytest.mark.skipif(not Path("/dev/full").is_char_device(), reason="no device that is full")
def test_an_index_on_a_full_disk_is_an_error() -> None:
    """FAISS's own writing reports nothing: a cut index once counted as written."""
    with pytest.raises(OSError, match="No space left"):
        remake_index(of(clustered(10)), Effort()).save(Path("/dev/full"))
