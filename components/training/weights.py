"""The weights that training changes: read from a module, and loaded into one."""

import torch
from torch import Tensor, nn

from components.training.learner import TrainingError


def learned_weights(module: nn.Module) -> dict[str, Tensor]:
    """Return what training changes: trainable parameters and buffers."""
    fixed = {name for name, value in module.named_parameters() if not value.requires_grad}
    return {name: value for name, value in module.state_dict().items() if name not in fixed}


def load_learned(module: nn.Module, weights: dict[str, Tensor]) -> None:
    """Load what `learned_weights` returned, or all weights.

    Raises TrainingError where they do not fit the module.
    """
    missing = learned_weights(module).keys() - weights.keys()
    try:
        unknown = module.load_state_dict(weights, strict=False).unexpected_keys
    except RuntimeError as error:  # a shape differs
        raise TrainingError("The weights belong to another network.") from error
    if missing or unknown:
        raise TrainingError("The weights belong to another network.")


def float_copies(tensors: dict[str, Tensor]) -> dict[str, Tensor]:
    return {name: value.clone() for name, value in tensors.items() if value.is_floating_point()}


def copied(tensors: dict[str, Tensor]) -> dict[str, Tensor]:
    """Return contiguous copies that share no memory, as safetensors requires."""
    return {
        name: value.detach().clone(memory_format=torch.contiguous_format)
        for name, value in tensors.items()
    }


def below_prefix(prefix: str, tensors: dict[str, Tensor]) -> dict[str, Tensor]:
    return {
        name.removeprefix(prefix): value
        for name, value in tensors.items()
        if name.startswith(prefix)
    }
