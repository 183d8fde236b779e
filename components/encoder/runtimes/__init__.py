"""How a tower runs: torch on CUDA, OpenVINO on the CPU, torch anywhere."""

from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from components.errors import CaptionLensError

Array = NDArray[np.generic]


class OutOfMemory(CaptionLensError):  # noqa: N818 - the established name
    """A batch did not fit into the device's memory; a smaller one may."""


class RuntimeUnavailable(CaptionLensError):  # noqa: N818 - a state, not a failure
    """A runtime cannot run a checkpoint; the sentence gives the reason."""


class Runtime(Protocol):
    """A pair of towers on a device. Both methods are thread-safe."""

    library: str  # such as "OpenVINO 2026.4"
    device: str  # such as "CPU", or the GPU's name
    precision: str  # "f32", "bf16", "f16" or "int8"

    def images(self, *inputs: Array) -> NDArray[np.float32]:
        """Return (n, width) raw image embeddings of (n, height, width, 3) bytes."""

    def texts(self, ids: Array, mask: Array) -> NDArray[np.float32]:
        """Return (n, width) raw text embeddings of (n, tokens) ids and attention mask."""
