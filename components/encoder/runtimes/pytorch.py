"""Towers on torch: bf16 on CUDA, float32 on the CPU where OpenVINO cannot run a checkpoint."""

import threading
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from components.encoder.runtimes import Array, OutOfMemory
from components.encoder.runtimes.towers import Towers


def best_precision(device: str) -> str:
    """Return the fastest precision that torch supports on ``device``: bf16, f16 or f32."""
    if device != "cuda":
        return "f32"
    return "bf16" if torch.cuda.is_bf16_supported(including_emulation=False) else "f16"


class TorchRuntime:
    """Both towers on one device, with transformers' default `sdpa` attention."""

    library = f"PyTorch {torch.__version__}"

    def __init__(self, towers: Towers, device: str, precision: str | None = None) -> None:
        """Move ``towers`` to ``device`` ("cuda" or "cpu"); precision "f32", "bf16" or "f16"."""
        self.precision = precision or best_precision(device)
        self.device = torch.cuda.get_device_name() if device == "cuda" else "CPU"
        dtype = {"f32": torch.float32, "bf16": torch.bfloat16, "f16": torch.float16}
        self._target = torch.device(device)
        self._image = towers.image.to(self._target, dtype[self.precision])
        self._text = towers.text.to(self._target, dtype[self.precision])
        self._lock = threading.Lock()  # concurrent forward passes are not faster

    def images(self, *inputs: Array) -> NDArray[np.float32]:
        """Return (n, width) raw image embeddings."""
        return self._run(self._image, inputs)

    def texts(self, ids: Array, mask: Array) -> NDArray[np.float32]:
        """Return (n, width) raw text embeddings."""
        return self._run(self._text, (ids, mask))

    def _run(self, tower: Any, inputs: tuple[Array, ...]) -> NDArray[np.float32]:
        try:
            with self._lock, torch.inference_mode():  # inference mode is per thread
                tensors = [torch.from_numpy(rows).to(self._target) for rows in inputs]
                return np.asarray(tower(*tensors).float().cpu().numpy())
        except torch.OutOfMemoryError as error:
            torch.cuda.empty_cache()
            raise OutOfMemory(f"{self.device} is out of memory for a batch.") from error
