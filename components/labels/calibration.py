"""How far confidences are from being right as often as they say."""

import numpy as np
from numpy.typing import NDArray

from components.scores import Floats

_BINS = 15


def calibration_error(confidence: Floats, right: NDArray[np.bool_]) -> float:
    """Return the expected calibration error (0 to 1) of ``confidence`` (n,) and ``right`` (n,).

    The mean distance between confidence and share of right answers over 15 equal bins, weighted by
    their images (Guo et al. 2017, "On Calibration of Modern Neural Networks", equation 3).
    """
    bins = np.minimum((confidence * _BINS).astype(int), _BINS - 1)
    gaps = [
        abs(float(confidence[bins == each].mean()) - float(right[bins == each].mean()))
        * int((bins == each).sum())
        for each in np.unique(bins)
    ]
    return sum(gaps) / max(len(confidence), 1)
