"""OpenAI's CLIP preprocessing, written from the rules of its published code (clip.py)."""

import numpy as np
import torch
from PIL import Image
from torch import Tensor

_MEAN = (0.48145466, 0.4578275, 0.40821073)
_STD = (0.26862954, 0.26130258, 0.27577711)


def pixel_values(image: Image.Image, side: int = 224) -> Tensor:
    """Return (1, 3, side, side) values: ``_transform``, by the rules of torchvision's parts."""
    width, height = image.size
    if width <= height:  # Resize(side, BICUBIC): the longer side is rounded down
        size = (side, int(side * height / width))
    else:
        size = (int(side * width / height), side)
    resized = np.asarray(image.resize(size, Image.Resampling.BICUBIC)) / 255
    top = int(round((resized.shape[0] - side) / 2.0))  # noqa: RUF046 - CenterCrop as published
    left = int(round((resized.shape[1] - side) / 2.0))  # noqa: RUF046
    values = (resized[top : top + side, left : left + side] - _MEAN) / _STD
    return torch.from_numpy(values.transpose(2, 0, 1)[None].astype(np.float32))
