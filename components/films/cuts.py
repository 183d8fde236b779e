"""Finds the cuts of a film, and frames that show what the one before shows.

A cut is a frame that differs from the one before by far more than frames near it do: by the mean
absolute difference of a few thousand points of brightness and colour, against the mean of the last
second. PySceneDetect compares every pixel, and every frame, which takes twice as long in all.
"""

from collections import deque

import numpy as np
from numpy.typing import NDArray

Points = NDArray[np.int16]
_MORE, _TIMES = 8.0, 1.5  # levels of 255 above so much of the usual: a fast pan is no cut
_FASTEST = 16.0  # levels: what differs by more is no camera that moves
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
        usual = float(np.mean(self._recent)) if self._recent else _FASTEST
        if difference > _MORE + _TIMES * usual:
            self._recent.clear()  # the new shot has another usual
            return True
        self._recent.append(min(difference, _FASTEST))
        return False


def differs(cells: Points, kept: Points) -> bool:
    """Return whether images of these cells (averages of brightness) show different things."""
    if cells.shape != kept.shape:
        return True
    return float((np.abs(cells - kept) > _SAME).mean()) > _CHANGED
