"""The benchmark of films: its films show what they are said to, and what is found is counted."""

from pathlib import Path

import numpy as np
import pytest

from components.bench.filming import Shot, film, plan, repeated
from components.bench.films import _our_cuts, agreement, spots
from components.collection.search import SearchResult
from components.films.moment import frame_id
from components.settings import Settings


def result(*seconds: float) -> SearchResult:
    """Return the result of a search whose best moment has frames at these times, the best first."""
    best, *others = (frame_id("film.mp4", each) for each in seconds)
    return SearchResult((best,), np.ones(1, np.float32), ((),), (tuple(others),))


def test_shots_follow_each_other() -> None:
    shots = plan(3, 60)
    assert shots == plan(3, 60)
    assert shots[0].begin == 0
    assert [shot.end for shot in shots[:-1]] == [shot.begin for shot in shots[1:]]
    assert all(2 <= shot.end - shot.begin <= 8 for shot in shots)
    assert [shot.photograph for shot in shots[:4]] == [0, 1, 2, 0]
    assert 60 <= shots[-1].end < 68


def test_a_film_cuts_where_its_shots_begin(tmp_path: Path) -> None:
    photographs = [Settings().samples / name for name in ("chelsea.jpg", "rocket.jpg")]
    once, twice = tmp_path / "once.mp4", tmp_path / "twice.mp4"
    film(once, photographs, [Shot(0, 0.0, 0.4), Shot(1, 0.4, 1.0)], 250)
    repeated(once, twice, 2)
    assert _our_cuts(twice) == pytest.approx([0.4, 1.0, 1.4])


def test_a_moment_is_found_in_any_shot_of_its_image() -> None:
    shots = [Shot(0, 0, 4), Shot(1, 4, 8), Shot(0, 8, 12)]
    found = spots([result(9.0, 8.1, 11.9), result(4.5)], shots)
    assert found.found.tolist() == [True, True]
    assert (found.begins, found.ends) == (1.0, 0.5)  # the second lasts to 8
    found = spots([result(6.0), result(8.9)], shots)
    assert found.found.tolist() == [False, True]
    assert (found.begins, found.ends) == (0.0, 1.0)
    assert not spots([result(5.1), result(20.0)], shots).found.any()


def test_a_cut_is_found_once() -> None:
    assert agreement([1.0, 5.1], [1.1, 5.0]) == (1.0, 1.0)
    assert agreement([1.0, 1.1, 3.0], [1.05, 9.0]) == (0.5, 1 / 3)
    assert agreement([1.0], [0.9, 1.1]) == (0.5, 1.0)
    assert agreement([], [1.0]) == (0.0, 0.0)
