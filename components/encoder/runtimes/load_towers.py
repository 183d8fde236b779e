"""A checkpoint on disk -> its towers, and the recipe that its files specify."""

from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import Image
from transformers import AutoImageProcessor, AutoModel, AutoTokenizer, CLIPTokenizer

from components.encoder.recipe import PixelRecipe, Recipe, TextRecipe
from components.encoder.runtimes import RuntimeUnavailable
from components.encoder.runtimes.hf_towers import (
    SIGMOID_FAMILIES,
    ImageTower,
    NaflexTower,
    SentenceTower,
    TextTower,
)
from components.encoder.runtimes.towers import Towers
from components.models import MATCHERS, Located, family
from components.scores import ScoreRule

_VOCABULARIES = (
    *("tokenizer.json", "vocab.json", "vocab.txt", "spiece.model"),
    *("tokenizer.model", "sentencepiece.bpe.model"),
)


def load_towers(located: Located) -> Towers:
    """Return the towers of a checkpoint on disk.

    Raises RuntimeUnavailable where the files are not those of a supported model.
    """
    if family(located) in MATCHERS:
        from components.encoder.matchers.saved import load_matcher

        return load_matcher(located.image)
    model = _load(located.image)
    processor = AutoImageProcessor.from_pretrained(located.image, local_files_only=True)
    pixels = pixel_recipe(processor)
    image = NaflexTower(model) if pixels is None else ImageTower(model, pixels)
    text_folder = located.text or located.image
    tokenizer = _tokenizer(text_folder)
    text = SentenceTower(text_folder) if located.text else TextTower(model)
    recipe = Recipe(
        family=model.config.model_type,
        width=_width(model),
        batch=_batch(model),
        pixels=pixels,
        text=_text_recipe(tokenizer, text),
        score=_score_rule(model),
    )
    return Towers(image.eval(), text.eval(), recipe, tokenizer, processor)


def _load(folder: Path) -> Any:
    # float32 whatever the file's dtype: the logit scale is read before any rounding.
    model = AutoModel.from_pretrained(
        folder, dtype=torch.float32, local_files_only=True, use_safetensors=True
    )
    if not hasattr(model, "get_image_features"):
        kind = model.config.model_type
        raise RuntimeUnavailable(f"{folder.name} is not a dual encoder: its type is {kind}.")
    return model.eval()


def _tokenizer(folder: Path) -> Any:
    # Checked first: without these files transformers creates a tokenizer with no vocabulary.
    if not any((folder / name).is_file() for name in _VOCABULARIES):
        raise RuntimeUnavailable(f"{folder.name} cannot be loaded: it has no tokenizer files.")
    return AutoTokenizer.from_pretrained(folder, local_files_only=True)


def pixel_recipe(processor: Any) -> PixelRecipe | None:
    """Return the recipe of a resize-crop-normalise image processor, None of any other kind.

    Accepted only if it reproduces the processor's output on two odd-sized images, up to the
    rounding of the crop: see `PixelRecipe.pixels`.
    """
    recipe = _plain_recipe(processor)
    noise = np.random.default_rng(0)
    for width, height in ((601, 457), (457, 640)):
        image = Image.fromarray(noise.integers(0, 256, (height, width, 3), dtype=np.uint8))
        if recipe is None or not _agree(recipe, processor, image):
            return None
    return recipe


def _agree(recipe: PixelRecipe, processor: Any, image: Image.Image) -> bool:
    expected = processor(images=image, return_tensors="np")["pixel_values"][0]
    resized = recipe.resize(image)
    left, top = (resized.width - recipe.width) // 2, (resized.height - recipe.height) // 2
    pixels = recipe.crop(resized, left, top).transpose(2, 0, 1)
    mean, std = np.reshape(recipe.mean, (3, 1, 1)), np.reshape(recipe.std, (3, 1, 1))
    values = (pixels * recipe.scale - mean) / std
    return bool(values.shape == expected.shape and np.allclose(values, expected, atol=1e-4))


def _plain_recipe(processor: Any) -> PixelRecipe | None:
    size = dict(getattr(processor, "size", None) or {})
    crop = dict(processor.crop_size) if getattr(processor, "do_center_crop", None) else size
    if not {"height", "width"} <= crop.keys() or not processor.do_normalize:
        return None
    return PixelRecipe(
        height=crop["height"],
        width=crop["width"],
        shortest_edge=size.get("shortest_edge"),
        resample=int(processor.resample),
        scale=processor.rescale_factor if processor.do_rescale else 1.0,
        mean=tuple(processor.image_mean),
        std=tuple(processor.image_std),
    )


def _text_recipe(tokenizer: Any, tower: Any) -> TextRecipe:
    return TextRecipe(
        limit=min(tower.limit, tokenizer.model_max_length),
        pad_to_limit=not tower.masked,
        pad_left=tokenizer.padding_side == "left",
        pad_id=tokenizer.pad_token_id or 0,
        lower=not tower.masked,
        library="tokenizers" if hasattr(tokenizer, "backend_tokenizer") else "transformers",
        clip_clean=isinstance(tokenizer, CLIPTokenizer),
    )


def _score_rule(model: Any) -> ScoreRule:
    scale = float(model.logit_scale.detach().exp())
    if model.config.model_type not in SIGMOID_FAMILIES:
        return ScoreRule("softmax", scale)
    return ScoreRule("sigmoid", scale, float(model.logit_bias.detach()))


def _batch(model: Any) -> int:
    # Measured on CPUs: vision transformers are fastest at 64 images (15% faster than at 32);
    # the wide early layers of convolutional towers exceed the cache beyond 16 (20% slower).
    return 64 if hasattr(model.config.vision_config, "patch_size") else 16


def _width(model: Any) -> int:
    config = model.config
    return int(getattr(config, "projection_dim", None) or config.vision_config.hidden_size)
