"""Gradient-weighted attention maps of vision transformers, in PyTorch.

Chefer et al. 2021, "Generic Attention-model Explainability for Interpreting Bi-Modal and
Encoder-Decoder Transformers", equations 5 and 6, as their paper applies them to CLIP.
"""

import threading
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from components.encoder import Pixels
from components.encoder.runtimes.hf_towers import ImageTower
from components.encoder.runtimes.load_towers import load_towers
from components.encoder.runtimes.towers import unwrap
from components.errors import CaptionLensError
from components.models import Located, has_transformer
from components.scores import Floats


class NoAttentionError(CaptionLensError):
    """A checkpoint whose image tower gives no attention weights."""


class AttentionTower:
    """An image tower that maps a score to its patches. Calls are serialised by a lock."""

    def __init__(self, located: Located) -> None:
        """Load the tower in float32 on the CPU. Raises NoAttentionError, or as `load_towers`."""
        tower = load_towers(located).image
        if not isinstance(tower, ImageTower) or not has_transformer(located):
            raise NoAttentionError(
                f"{located.spec.name} is not a vision transformer of fixed input size, so it has no"
                " attention map. Use the occlusion map."
            )
        tower.model.set_attn_implementation("eager")  # the others do not return attention weights
        self._tower = tower.requires_grad_(requires_grad=False)
        self._lock = threading.Lock()

    def relevance(self, view: Pixels, text: Floats) -> Floats:
        """Return (patch rows, patch columns) of relevance, 0 or more, to the cosine with ``text``.

        ``view`` (height, width, 3) bytes as the model sees them, ``text`` (width,).
        """
        with self._lock, torch.enable_grad():
            outputs = self._forward(torch.from_numpy(view[None].copy()))
            vector = torch.nn.functional.normalize(unwrap(outputs), dim=-1)[0]
            cosine = vector @ torch.from_numpy(text)
            *gradients, last = torch.autograd.grad(
                cosine, [*outputs.attentions, outputs.last_hidden_state], allow_unused=True
            )
            paths = _paths(outputs.attentions, gradients)
        return _on_patches(paths, last, outputs.last_hidden_state)

    def _forward(self, pixels: Tensor) -> Any:
        floats = pixels.permute(0, 3, 1, 2).float()  # (1, 3, height, width)
        values = (floats * self._tower.factor + self._tower.offset).requires_grad_()
        return self._tower.model.get_image_features(pixel_values=values, output_attentions=True)


def _paths(attentions: tuple[Tensor, ...], gradients: list[Tensor]) -> Tensor:
    """Return (tokens, tokens): the relevance of each token to each, accumulated over layers."""
    tokens = attentions[0].shape[-1]
    paths = torch.eye(tokens)
    for weights, gradient in zip(attentions, gradients, strict=True):
        if gradient is not None:  # equation 5: the mean over heads of the positive part
            paths = paths + (gradient * weights)[0].clamp(min=0).mean(dim=0) @ paths
    return paths.detach()


def _on_patches(paths: Tensor, gradient: Tensor | None, hidden: Tensor) -> Floats:
    """Return the map from the class token or, without one, from the input of the pooling head."""
    side = int((len(paths) - 1) ** 0.5)
    if side * side == len(paths) - 1:
        return _square(paths[0, 1:].numpy(), side)
    if gradient is None:
        raise NoAttentionError("The image tower's pooling head gives no gradients.")
    # No class token: each patch starts with its contribution to the cosine, gradient times value.
    start = (gradient * hidden)[0].sum(dim=-1).clamp(min=0).detach()
    return _square((start @ paths).numpy(), int(len(paths) ** 0.5))


def _square(values: NDArray[np.float32], side: int) -> Floats:
    return values.reshape(side, side).astype(np.float32)
