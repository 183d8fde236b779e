"""How to preprocess a checkpoint's inputs and interpret its scores: plain data, kept as JSON."""

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
    """The image side: resizing and centre crop, up to 8-bit pixels.

    The image tower rescales and normalises them, so that images are passed on as bytes.
    """

    height: int
    width: int
    # Shorter side after resizing; None: resize to height x width, as SigLIP does.
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
        """Return (height, width, 3) bytes of an RGB image, resized and centre-cropped.

        The crop rounds half to even, as torchvision's CenterCrop does in OpenAI's preprocessing of
        CLIP (clip.py, ``_transform``); transformers' processors round down, a pixel off where a
        margin is odd.
        """
        resized = self.resize(image)
        left = round((resized.width - self.width) / 2)
        top = round((resized.height - self.height) / 2)
        return self.crop(resized, left, top)

    def crop(self, resized: Image.Image, left: int, top: int) -> Pixels:
        """Return (height, width, 3) bytes of a resized image, from (left, top) on."""
        box = (left, top, left + self.width, top + self.height)
        return np.asarray(resized.crop(box), dtype=np.uint8)

    def resize(self, image: Image.Image) -> Image.Image:
        """Return an RGB image at the size that the crop is taken from."""
        if self.shortest_edge is not None:
            image = _middle(image)
        return image.resize(self._size(*image.size), Image.Resampling(self.resample))

    def _size(self, width: int, height: int) -> tuple[int, int]:
        if self.shortest_edge is None:
            return self.width, self.height
        short, long = sorted((width, height))
        longer = int(self.shortest_edge * long / short)
        if width <= height:
            return self.shortest_edge, longer
        return longer, self.shortest_edge


def _middle(image: Image.Image) -> Image.Image:
    """Return the middle of an image more than eight times as long as wide, others unchanged.

    The crop keeps only the middle, and resizing all of 1 x 50,000 pixels would take gigabytes.
    """
    width, height = image.size
    reach = 8 * min(width, height)
    if max(width, height) <= reach:
        return image
    left, top = max(0, (width - reach) // 2), max(0, (height - reach) // 2)
    return image.crop((left, top, left + min(width, reach), top + min(height, reach)))


@dataclass(frozen=True)
class TextRecipe:
    """The caption side: how a checkpoint's training captions were tokenized."""

    limit: int  # tokens, special tokens included
    pad_to_limit: bool  # SigLIP was trained on rows padded to the limit
    pad_left: bool
    pad_id: int
    lower: bool  # SigLIP 2 was trained on lower-case text
    library: Literal["tokenizers", "transformers"]
    clip_clean: bool = False  # CLIP's tokenizer first repairs encodings and HTML entities


@dataclass(frozen=True)
class Recipe:
    """All but the weights. ``pixels`` is None where only transformers can prepare images."""

    family: str
    width: int  # of the shared embedding space
    batch: int  # images per forward pass, for the highest throughput on a CPU
    pixels: PixelRecipe | None
    text: TextRecipe
    score: ScoreRule

    def to_json(self) -> str:
        """Return the recipe as JSON text."""
        return json.dumps(asdict(self), indent=1)

    @classmethod
    def from_json(cls, text: str) -> "Recipe":
        """Return the recipe that ``to_json`` wrote. Raises TypeError or KeyError otherwise."""
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
