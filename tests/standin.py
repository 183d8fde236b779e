"""An encoder without a model: its vectors follow from pixels and letters, in microseconds."""

import hashlib
from collections.abc import Sequence
from pathlib import Path
from typing import cast

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from components.encoder import Encoder
from components.encoder.recipe import PixelRecipe, Recipe, TextRecipe
from components.encoder.runtimes import Array
from components.encoder.tokenizer import CaptionTokenizer
from components.models import ModelSpec
from components.scores import ScoreRule

WIDTH, SIDE = 8, 4
_PIXELS = PixelRecipe(SIDE, SIDE, None, 2, 1 / 255, (0.5,) * 3, (0.5,) * 3)
_TEXT = TextRecipe(8, True, False, 0, False, "tokenizers")
_RECIPE = Recipe("clip", WIDTH, 2, _PIXELS, _TEXT, ScoreRule("softmax", 20.0))
_PROJECTION = np.random.default_rng(0).standard_normal((SIDE * SIDE * 3, WIDTH))


class _Runtime:
    library, device, precision = "stand-in", "CPU", "f32"

    def images(self, *inputs: Array) -> NDArray[np.float32]:
        flat = inputs[0].reshape(len(inputs[0]), -1).astype(np.float64) - 127
        # A product a row: the same bits whatever else is in the batch.
        return np.stack([row @ _PROJECTION for row in flat]).astype(np.float32)

    def texts(self, ids: Array, mask: Array) -> NDArray[np.float32]:
        return ids.astype(np.float32) - 127


class _Tokenizer:
    def batch(self, texts: Sequence[str]) -> tuple[Array, Array]:
        rows = [[*hashlib.sha256(text.encode()).digest()[:WIDTH]] for text in texts]
        ids = np.array(rows, dtype=np.int64)
        return ids, np.ones_like(ids)


def stand_in(name: str = "stand-in") -> Encoder:
    """Return an encoder of two images a batch; another ``name`` is another model."""
    return Encoder(
        spec=ModelSpec(name, name, f"/models/{name}"),
        revision="1",
        recipe=_RECIPE,
        runtime=_Runtime(),
        tokenizer=cast(CaptionTokenizer, _Tokenizer()),
        prepare=lambda image: (_PIXELS.pixels(image),),
        batch=_RECIPE.batch,
    )


def tiny_images(folder: Path, count: int, first: int = 0) -> Path:
    """Write ``count`` different images of a few pixels, numbered from ``first``."""
    folder.mkdir(parents=True, exist_ok=True)
    for number in range(first, first + count):
        pixels = np.random.default_rng(number).integers(0, 256, (6, 8, 3), dtype=np.uint8)
        Image.fromarray(pixels).save(folder / f"{number:02}.png")
    return folder
