"""How to feed a checkpoint and read its scores: plain data that a file can hold."""

import json
from dataclasses import asdict, dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from components.scores import ScoreRule

Pixels = NDArray[np.uint8]


@dataclass(frozen=True)
class PixelRecipe:
    """The image side: what transformers' PIL image processors do, up to the 8-bit crop.

    Rescaling and normalising happen inside the tower, so that an image travels as bytes.
    """

    height: int
    width: int
    # Shorter side after resizing; None: squeeze to height x width, as SigLIP does.
    shortest_edge: int | None
    resample: int  # PIL's code: 2 bilinear, 3 bicubic
    scale: float
    mean: tuple[float, float, float]
    std: tuple[float, float, float]

    @property
    def side(self) -> int:
        """The shorter side in pixels that an image needs so that nothing is scaled up."""
        return self.shortest_edge or max(self.height, self.width)

    def pixels(self, image: Image.Image) -> Pixels:
        """Return (height, width, 3) bytes of an RGB image, resized and cut from its middle."""
        if self.shortest_edge is not None:
            image = _middle(image)
        size = self._resized(*image.size)
        resized = image.resize(size, Image.Resampling(self.resample))
        left, top = (size[0] - self.width) // 2, (size[1] - self.height) // 2
        box = (left, top, left + self.width, top + self.height)
        return np.asarray(resized.crop(box), dtype=np.uint8)

    def _resized(self, width: int, height: int) -> tuple[int, int]:
        if self.shortest_edge is None:
            return self.width, self.height
        short, long = sorted((width, height))
        longer = int(self.shortest_edge * long / short)
        if width <= height:
            return self.shortest_edge, longer
        return longer, self.shortest_edge


def _middle(image: Image.Image) -> Image.Image:
    """Return the middle of an image more than eight times as long as wide, others unchanged.

    The crop keeps the middle alone, and resized whole, a line of 1 x 50,000 would fill gigabytes.
    """
    width, height = image.size
    reach = 8 * min(width, height)
    if max(width, height) <= reach:
        return image
    left, top = max(0, (width - reach) // 2), max(0, (height - reach) // 2)
    return image.crop((left, top, left + min(width, reach), top + min(height, reach)))


@dataclass(frozen=True)
class TextRecipe:
    """The caption side: what a checkpoint's text tower was trained to read."""

    limit: int  # tokens, the special ones counted
    pad_to_limit: bool  # SigLIP never saw a short row
    pad_left: bool
    pad_id: int
    lower: bool  # SigLIP 2 read lower-case text alone
    library: Literal["tokenizers", "transformers"]


@dataclass(frozen=True)
class Recipe:
    """Everything but the weights. ``pixels`` is None where only transformers can prepare them."""

    family: str
    width: int  # of the shared embedding space
    batch: int  # images a forward pass, where a CPU is fastest
    pixels: PixelRecipe | None
    text: TextRecipe
    score: ScoreRule

    def to_json(self) -> str:
        """Return the recipe as JSON text."""
        return json.dumps(asdict(self), indent=1)

    @classmethod
    def from_json(cls, text: str) -> "Recipe":
        """Return the recipe that ``to_json`` wrote; raises TypeError or KeyError on another's."""
        data: dict[str, Any] = json.loads(text)
        pixels = data.pop("pixels")
        if pixels is not None:
            pixels = PixelRecipe(**pixels | {k: tuple(pixels[k]) for k in ("mean", "std")})
        return cls(
            pixels=pixels,
            text=TextRecipe(**data.pop("text")),
            score=ScoreRule(**data.pop("score")),
            **data,
        )
