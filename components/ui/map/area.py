"""Selected areas of a map: polygons, as a link has them, and what is inside of one."""

import re
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from components.scores import Floats

Polygon = tuple[tuple[float, float], ...]  # its corners; () selects nothing

_STEP = 1e-5  # of the map's radius
_CORNERS = 100
_NUMBERS = re.compile(rf"-?\d{{1,8}}(?:_-?\d{{1,8}}){{5,{2 * _CORNERS - 1}}}")


def parse_area(text: str) -> Polygon:
    """Return the polygon of a link, () where ``text`` is none."""
    if not _NUMBERS.fullmatch(text):
        return ()
    numbers = [int(number) * _STEP for number in text.split("_")]
    return tuple(zip(numbers[::2], numbers[1::2], strict=False))


def written(corners: Sequence[Sequence[float]]) -> str:
    """Return a polygon as text for a link."""
    numbers = [number for corner in corners[:_CORNERS] for number in corner]
    return "_".join(str(round(number / _STEP)) for number in numbers)


def inside(polygon: Polygon, points: Floats) -> NDArray[np.bool_]:
    """Return (n,) which of ``points`` (n, 2) are inside of a polygon, by the even-odd rule."""
    within = np.zeros(len(points), dtype=np.bool_)
    x, y = points[:, 0], points[:, 1]
    for (x1, y1), (x2, y2) in zip(polygon, (*polygon[1:], *polygon[:1]), strict=True):
        if y1 != y2:
            crosses = (y1 > y) != (y2 > y)
            within ^= crosses & (x < x1 + (y - y1) * (x2 - x1) / (y2 - y1))
    return within
