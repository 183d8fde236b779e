"""The parts of a loaded checkpoint of any family, and how its outputs are unwrapped."""

from dataclasses import dataclass
from typing import Any

from torch import Tensor, nn

from components.encoder.recipe import Recipe


@dataclass(frozen=True)
class Towers:
    """The parts of a checkpoint, in float32 on the CPU, ready for a runtime."""

    image: nn.Module
    text: nn.Module
    recipe: Recipe
    tokenizer: Any
    image_processor: Any  # None for our own matchers, whose recipe is complete
    head: Any = None  # of a matcher without a shared space


def unwrap(features: Any) -> Tensor:
    """Return the projected embedding (n, width) of a ``get_*_features`` call."""
    return features if isinstance(features, Tensor) else features.pooler_output
