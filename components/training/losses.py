"""Contrastive, sigmoid and triplet losses of a batch of pairs.

All take unit vectors ``images`` and ``texts`` (n, width), paired row by row, and return a scalar.
"""

from typing import Literal

import torch
from torch import Tensor, nn

Negatives = Literal["all", "hardest", "semi-hard"]


def info_nce(images: Tensor, texts: Tensor, scale: Tensor) -> Tensor:
    """Return the symmetric contrastive loss.

    The mean of the cross-entropies of ``scale`` * cosine over the batch's texts for each image, and
    over its images for each text (Radford et al. 2021, figure 3; van den Oord et al. 2018).
    """
    logits = scale * images @ texts.T  # (n, n)
    own = torch.arange(len(logits), device=logits.device)
    image_to_text = nn.functional.cross_entropy(logits, own)
    text_to_image = nn.functional.cross_entropy(logits.T, own)
    return (image_to_text + text_to_image) / 2


def sigmoid(images: Tensor, texts: Tensor, scale: Tensor, bias: Tensor) -> Tensor:
    """Return SigLIP's loss: a binary decision for every image and text (Zhai et al. 2023).

    Their algorithm 1: the sum over pairs of -log sigmoid(label * (scale * cosine + bias)), divided
    by n.
    """
    logits = scale * images @ texts.T + bias  # (n, n)
    labels = 2 * torch.eye(len(logits), device=logits.device, dtype=logits.dtype) - 1
    return -nn.functional.logsigmoid(labels * logits).sum() / len(logits)


def triplet(
    images: Tensor, texts: Tensor, margin: float = 0.2, negatives: Negatives = "hardest"
) -> Tensor:
    """Return the margin loss of both directions: the sum over n pairs, divided by n.

    ``negatives`` of each anchor: "all" sums over all of them (Faghri et al. 2018, "VSE++", equation
    4), "hardest" uses only the hardest (equation 6), "semi-hard" the hardest that scores below the
    positive, or the hardest of all where none does (Schroff et al. 2015, "FaceNet", section 3.2).
    """
    cosines = images @ texts.T  # (n, n)
    both = _violations(cosines, margin, negatives) + _violations(cosines.T, margin, negatives)
    return both / len(cosines)


def _violations(cosines: Tensor, margin: float, negatives: Negatives) -> Tensor:
    """Return the sum of max(0, margin + negative - positive); rows are the anchors."""
    own = cosines.diagonal()[:, None]
    off = ~torch.eye(len(cosines), dtype=torch.bool, device=cosines.device)
    costs = (margin + cosines - own).clamp(min=0).masked_fill(~off, 0)
    if negatives == "all":
        return costs.sum()
    if negatives == "semi-hard":
        below = off & (cosines < own)
        costs = torch.where(below.any(dim=1, keepdim=True), costs.masked_fill(~below, 0), costs)
    return costs.max(dim=1).values.sum()
