"""Random augmentation of a batch of images, as tensors, from torch's generator."""

import torch
from torch import Tensor, nn


def augment(pixels: Tensor, side: int, min_area: float = 0.5, jitter: float = 0.3) -> Tensor:
    """Return (n, 3, side, side) values in [0, 1] of bytes (n, height, width, 3).

    Each image is cropped at random to ``min_area`` of its area or more, at an aspect between 3:4
    and 4:3 (Szegedy et al. 2015, section 6), mirrored half the time, and its brightness, contrast
    and saturation are multiplied by up to 1 +- ``jitter``. Hues are kept: captions name colours.
    """
    return _jittered(_cropped(pixels.permute(0, 3, 1, 2).float() / 255, side, min_area), jitter)


def _cropped(values: Tensor, side: int, min_area: float) -> Tensor:
    n = len(values)
    area = torch.empty(n).uniform_(min_area, 1)
    aspect = torch.empty(n).uniform_(-1, 1).mul(0.2877).exp()  # log(4 / 3)
    width, height = (area * aspect).sqrt().clamp(max=1), (area / aspect).sqrt().clamp(max=1)
    left, top = torch.rand(n) * 2 - 1, torch.rand(n) * 2 - 1
    theta = torch.zeros(n, 2, 3)
    theta[:, 0, 0] = width * (torch.randint(0, 2, (n,)) * 2 - 1)
    theta[:, 1, 1] = height
    theta[:, 0, 2], theta[:, 1, 2] = left * (1 - width), top * (1 - height)
    grid = nn.functional.affine_grid(theta, [n, 3, side, side], align_corners=False)
    return nn.functional.grid_sample(
        values, grid.to(values.device), padding_mode="reflection", align_corners=False
    )


def _jittered(values: Tensor, jitter: float) -> Tensor:
    def factor() -> Tensor:
        return torch.empty(len(values), 1, 1, 1).uniform_(1 - jitter, 1 + jitter).to(values.device)

    values = values * factor()
    grey = values.mean(dim=1, keepdim=True)
    values = grey + (values - grey) * factor()
    middle = grey.mean(dim=(2, 3), keepdim=True)
    return (middle + (values - middle) * factor()).clamp(0, 1)
