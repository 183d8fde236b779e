"""Finds the cuts of a film, and frames that show what the one before shows.

A cut is a frame that differs from the one before by far more than frames near it do: by the mean
absolute difference of a few thousand points of brightness and colour, against the mean of the last
second. PySceneDetect compares every pixel; `bench films` has both.
"""

from collections import deque

import numpy as np
from numpy.typing import NDArray

Points = NDArray[np.int16]
_LEAST = 10.0  # levels of 255: less is noise, a moving camera or a change of light
_TIMES = 3.0  # the mean difference of the frames before: a fast pan is no cut
_RECENT = 25  # frames
_SAME = 8  # levels that a cell may differ and be the same
_CHANGED = 0.01  # the share of cells from which on an image shows something else


class Cuts:
    """Told the points of one frame after another, says where a shot begins."""

    def __init__(self) -> None:
        self._before: Points | None = None
        self._recent: deque[float] = deque(maxlen=_RECENT)

    def is_cut(self, points: Points) -> bool:
        """Return whether a shot begins with the frame of these ``points``."""
        before, self._before = self._before, points
        if before is None or before.shape != points.shape:
            self._recent.clear()
            return before is not None
        difference = float(np.abs(points - before).mean())
        usual = float(np.mean(self._recent)) if self._recent else 0.0
        cut = difference > max(_LEAST, _TIMES * usual)
        if cut:
            self._recent.clear()  # the new shot has another usual
        else:
            self._recent.append(difference)
        return cut


def differs(cells: Points, kept: Points) -> bool:
    """Return whether images of these cells (averages of brightness) show different things."""
    if cells.shape != kept.shape:
        return True
    return float((np.abs(cells - kept) > _SAME).mean()) > _CHANGED
