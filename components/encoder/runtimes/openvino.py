"""Towers on OpenVINO: the fastest runtime on a CPU, without torch in the process."""

import threading
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from components.encoder.recipe import Recipe
from components.encoder.runtimes import Array
from components.encoder.runtimes.int8 import GRAPH


class OpenVinoRuntime:
    """Both towers of a prepared checkpoint, compiled for this CPU."""

    library = f"OpenVINO {version('openvino').rsplit('.', 1)[0]}"
    device = "CPU"

    def __init__(self, folder: Path, precision: str | None = None, threads: int = 0) -> None:
        """Compile a folder of `prepare`; precision "f32", "bf16" or "int8" (of `prepare_int8`).

        0 ``threads`` are one for each core.
        """
        import openvino

        core = openvino.Core()
        self.precision = precision or best_precision()
        self.recipe = Recipe.from_json((folder / "recipe.json").read_text(encoding="utf-8"))
        is_int8 = self.precision == "int8"
        hint = "f32" if is_int8 else self.precision
        options: dict[str, str | int] = {
            "INFERENCE_PRECISION_HINT": hint,
            "PERFORMANCE_HINT": "LATENCY",
            **({"INFERENCE_NUM_THREADS": threads} if threads else {}),
        }
        # One infer request per tower, used by one thread at a time: it uses every core.
        self._image, self._text = (
            core.compile_model(
                core.read_model(folder / file), "CPU", options
            ).create_infer_request()
            for file in (GRAPH if is_int8 else "image.xml", "text.xml")
        )
        self._lock = threading.Lock()

    def images(self, *inputs: Array) -> NDArray[np.float32]:
        """Return (n, width) raw image embeddings of (n, height, width, 3) bytes."""
        return self._run(self._image, inputs)

    def texts(self, ids: Array, mask: Array) -> NDArray[np.float32]:
        """Return (n, width) raw text embeddings of (n, tokens) ids and attention mask."""
        return self._run(self._text, (ids, mask))

    def _run(self, request: Any, inputs: tuple[Array, ...]) -> NDArray[np.float32]:
        with self._lock:
            result = request.infer(list(inputs), share_inputs=True)
            return np.array(
                result[0], dtype=np.float32
            )  # a copy: the next call overwrites its memory


def best_precision() -> str:
    """Return "bf16" where the CPU supports it, else "f32"."""
    return "bf16" if "BF16" in _capabilities() else "f32"


def prefers_int8() -> bool:
    """Return whether the CPU supports int8 and not bf16: int8 is its fastest precision."""
    return "INT8" in _capabilities() and "BF16" not in _capabilities()


def _capabilities() -> list[str]:
    import openvino

    return list(openvino.Core().get_property("CPU", "OPTIMIZATION_CAPABILITIES"))
