"""The plan of a training run: how long, how fast, in what precision, on which device."""

from dataclasses import dataclass, field
from typing import Literal

import torch

from components.encoder.runtimes.openvino import best_precision


@dataclass(frozen=True)
class Plan:
    """How long and how fast a run trains."""

    epochs: int
    rate: float = 1e-3  # peak learning rate, multiplied by each parameter group's own "scale"
    warmup: float = 0.05  # share of all steps in which the rate rises; then a cosine decay to 0
    optimizer: Literal["adamw", "adam"] = "adamw"
    decay: float = 0.01  # AdamW's weight decay
    clip: float = 1.0  # maximum norm of the gradient
    average: float = 0.0  # decay of the weights' moving average, which is evaluated on dev; 0: none
    patience: int = 0  # epochs without a better dev figure before the run stops; 0: never
    checkpoint_every: int = 250  # steps
    seed: int = 0
    precision: Literal["f32", "bf16"] = field(default_factory=lambda: fastest("cpu"))
    device: Literal["cpu", "cuda"] = "cpu"


def fastest(device: str) -> Literal["f32", "bf16"]:
    """Return the narrowest precision that a device supports natively."""
    if device == "cuda":
        return "bf16" if torch.cuda.is_bf16_supported(including_emulation=False) else "f32"
    return "bf16" if best_precision() == "bf16" else "f32"
