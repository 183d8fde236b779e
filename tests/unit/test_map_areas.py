"""Areas and places of a map, as a link has them."""

import numpy as np
import pytest

from components.ui.map import inside, parse_area, parse_place, written, written_place

SQUARE = ((-0.5, -0.5), (0.5, -0.5), (0.5, 0.5), (-0.5, 0.5))


def test_what_is_inside_of_an_area_is_selected() -> None:
    points = np.array([[0, 0], [0.49, -0.49], [0.51, 0], [0, -0.6], [9, 9]], dtype=np.float32)
    assert inside(SQUARE, points).tolist() == [True, True, False, False, False]
    assert not inside((), points).any()


def test_a_hollow_of_an_area_is_outside() -> None:
    horseshoe = ((0, 0), (3, 0), (3, 3), (2, 3), (2, 1), (1, 1), (1, 3), (0, 3))
    points = np.array([[0.5, 2], [1.5, 2], [2.5, 2], [1.5, 0.5]], dtype=np.float32)
    assert inside(horseshoe, points).tolist() == [True, False, True, True]


def test_an_area_survives_its_link() -> None:
    np.testing.assert_allclose(parse_area(written(SQUARE)), SQUARE)
    long = [(np.cos(each), np.sin(each)) for each in np.linspace(0, 6, 500)]
    assert 2 < len(parse_area(written(long))) <= 100


@pytest.mark.parametrize(
    "text", ["", "1", "1_2_3_4", "a_b_c_d_e_f", "1_2_3_4_5_" + "9" * 40, "_" * 50]
)
def test_a_broken_area_selects_nothing(text: str) -> None:
    assert parse_area(text) == ()


def test_a_place_survives_its_link() -> None:
    assert parse_place(written_place([0.25, -1.5, 12])) == (0.25, -1.5, 12.0)
    for broken in ("", "1_2", "1_2_3_4", "nan_0_1", "1e9_0_1", "1_2_" + "3" * 30):
        assert parse_place(broken) is None
