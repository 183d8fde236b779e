"""DenseNet-121 (Huang et al. 2017, "Densely Connected Convolutional Networks", table 1).

Its modules are named as in torchvision, so that torchvision's checkpoints load.
"""

import re
from collections import OrderedDict
from pathlib import Path

import torch
from safetensors.torch import load_file
from torch import Tensor, nn

from components.errors import CaptionLensError

WIDTH = 1024
_GROWTH, _BOTTLENECK = 32, 4
_BLOCKS = (6, 12, 24, 16)
# Checkpoints from before torchvision 0.4 have a dot that module names may no longer contain.
_OLD = re.compile(r"(denselayer\d+\.(?:norm|conv))\.([12])\.")


class WeightsError(CaptionLensError):
    """A weights file that cannot be used; the sentence gives the reason."""


class DenseLayer(nn.Module):
    """Maps (n, c, h, w) -> (n, c + 32, h, w), through a bottleneck of 128 channels."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        narrow = _BOTTLENECK * _GROWTH
        self.norm1 = nn.BatchNorm2d(channels)
        self.conv1 = nn.Conv2d(channels, narrow, 1, bias=False)
        self.norm2 = nn.BatchNorm2d(narrow)
        self.conv2 = nn.Conv2d(narrow, _GROWTH, 3, padding=1, bias=False)

    def forward(self, maps: Tensor) -> Tensor:
        """Return the maps with the 32 new ones appended."""
        narrow = self.conv1(torch.relu(self.norm1(maps)))
        return torch.cat([maps, self.conv2(torch.relu(self.norm2(narrow)))], dim=1)


class DenseNet(nn.Module):
    """Values (n, 3, h, w), normalised with ImageNet's statistics -> features (n, 1024)."""

    def __init__(self) -> None:
        super().__init__()
        parts: OrderedDict[str, nn.Module] = OrderedDict(
            conv0=nn.Conv2d(3, 64, 7, stride=2, padding=3, bias=False),
            norm0=nn.BatchNorm2d(64),
            relu0=nn.ReLU(inplace=True),
            pool0=nn.MaxPool2d(3, stride=2, padding=1),
        )
        channels = 64
        for number, layers in enumerate(_BLOCKS, start=1):
            block: OrderedDict[str, nn.Module] = OrderedDict(
                (f"denselayer{i + 1}", DenseLayer(channels + i * _GROWTH)) for i in range(layers)
            )
            parts[f"denseblock{number}"] = nn.Sequential(block)
            channels += layers * _GROWTH
            if number < len(_BLOCKS):
                parts[f"transition{number}"] = _transition(channels)
                channels //= 2
        parts["norm5"] = nn.BatchNorm2d(channels)
        self.features = nn.Sequential(parts)

    def forward(self, values: Tensor) -> Tensor:
        """Return features averaged over the image."""
        return torch.relu(self.features(values)).mean(dim=(2, 3))


def _transition(channels: int) -> nn.Sequential:
    return nn.Sequential(
        OrderedDict(
            norm=nn.BatchNorm2d(channels),
            relu=nn.ReLU(inplace=True),
            conv=nn.Conv2d(channels, channels // 2, 1, bias=False),
            pool=nn.AvgPool2d(2),
        )
    )


def load_torchvision(network: DenseNet, file: Path) -> None:
    """Load torchvision's ``densenet121`` weights from a .pth or .safetensors file.

    A .pth is loaded with ``weights_only``. Raises WeightsError where it is another file.
    """
    try:
        whole = (
            load_file(file)
            if file.suffix == ".safetensors"
            else torch.load(file, map_location="cpu", weights_only=True)
        )
        weights = {_OLD.sub(r"\1\2.", name): value for name, value in whole.items()}
        network.load_state_dict(
            {name: value for name, value in weights.items() if name.startswith("features.")}
        )
    except Exception as error:
        reason = (str(error).strip().splitlines() or [type(error).__name__])[0]
        raise WeightsError(
            f"{file.name} is not a densenet121 checkpoint from torchvision: {reason}"
        ) from error
