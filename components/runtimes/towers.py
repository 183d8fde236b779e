"""A checkpoint's two towers as torch modules of one shape, whatever its family.

An image tower takes bytes (n, height, width, 3), a text tower takes ids and mask (n, tokens);
both give embeddings (n, width) in the shared space, neither unwrapped nor normalised elsewhere:
transformers' outputs are unwrapped here, vectors are normalised in `components.encoder`.
"""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import Image
from safetensors.torch import load_file
from torch import Tensor, nn
from transformers import AutoImageProcessor, AutoModel, AutoTokenizer

from components.models import MATCHERS, Located, family
from components.recipe import PixelRecipe, Recipe, TextRecipe
from components.runtimes import RuntimeUnavailable
from components.scores import ScoreRule

# Families trained with a sigmoid for each pair, on rows padded to the limit, without a mask.
SIGMOID_FAMILIES = frozenset({"siglip", "siglip2"})

_VOCABULARIES = (
    *("tokenizer.json", "vocab.json", "vocab.txt", "spiece.model"),
    *("tokenizer.model", "sentencepiece.bpe.model"),
)


@dataclass(frozen=True)
class Towers:
    """What a checkpoint is made of, in float32 on the CPU, ready for a runtime."""

    image: nn.Module
    text: nn.Module
    recipe: Recipe
    tokenizer: Any
    image_processor: Any  # None of our own matchers, whose recipe says it all
    head: Any = None  # of a matcher without a shared space


def load_towers(located: Located) -> Towers:
    """Return the towers of a checkpoint on disk.

    Raises RuntimeUnavailable where the files do not make a matcher that we understand.
    """
    if family(located) in MATCHERS:
        from components.matchers.saved import load_matcher

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
    # float32 first, whatever the file holds: the logit scale is read before any rounding.
    model = AutoModel.from_pretrained(
        folder, dtype=torch.float32, local_files_only=True, use_safetensors=True
    )
    if not hasattr(model, "get_image_features"):
        kind = model.config.model_type
        raise RuntimeUnavailable(f"{folder.name} is not a dual encoder: its type is {kind}.")
    return model.eval()


def _tokenizer(folder: Path) -> Any:
    # Asked first: without any of them transformers makes up a tokenizer that knows no word.
    if not any((folder / name).is_file() for name in _VOCABULARIES):
        raise RuntimeUnavailable(f"{folder.name} cannot be loaded: it has no tokenizer files.")
    return AutoTokenizer.from_pretrained(folder, local_files_only=True)


def unwrap(features: Any) -> Tensor:
    """Return the projected embedding (n, width) of a ``get_*_features`` call."""
    return features if isinstance(features, Tensor) else features.pooler_output


class ImageTower(nn.Module):
    """Bytes (n, height, width, 3) -> embeddings (n, width)."""

    factor: Tensor
    offset: Tensor

    def __init__(self, model: Any, recipe: PixelRecipe) -> None:
        super().__init__()
        self.model = model
        mean = torch.tensor(recipe.mean).view(1, 3, 1, 1)
        std = torch.tensor(recipe.std).view(1, 3, 1, 1)
        # (x * scale - mean) / std as one multiplication and one addition
        self.register_buffer("factor", recipe.scale / std)
        self.register_buffer("offset", -mean / std)

    def forward(self, pixels: Tensor) -> Tensor:
        """Return image embeddings."""
        floats = pixels.permute(0, 3, 1, 2).float()  # (n, 3, height, width)
        values = (floats * self.factor.float() + self.offset.float()).to(self.factor.dtype)
        return unwrap(self.model.get_image_features(pixel_values=values))


class NaflexTower(nn.Module):
    """SigLIP 2's variable-size tower: patches, their mask and their grid -> embeddings."""

    def __init__(self, model: Any) -> None:
        super().__init__()
        self.model = model

    def forward(self, patches: Tensor, mask: Tensor, grid: Tensor) -> Tensor:
        """Return image embeddings."""
        features = self.model.get_image_features(
            pixel_values=patches.to(self.model.dtype),
            pixel_attention_mask=mask,
            spatial_shapes=grid,
        )
        return unwrap(features)


class TextTower(nn.Module):
    """Ids and mask (n, tokens) -> embeddings (n, width), through the dual encoder's own text."""

    def __init__(self, model: Any) -> None:
        super().__init__()
        self.model = model
        self.masked = model.config.model_type not in SIGMOID_FAMILIES
        self.limit = _positions(model.config.text_config)

    def forward(self, ids: Tensor, mask: Tensor) -> Tensor:
        """Return text embeddings."""
        if self.masked:
            return unwrap(self.model.get_text_features(input_ids=ids, attention_mask=mask))
        return unwrap(self.model.get_text_features(input_ids=ids))


class SentenceTower(nn.Module):
    """A Sentence-Transformers text tower: transformer, pooling, dense layers, as modules.json says.

    Reimers & Gurevych 2020, "Making Monolingual Sentence Embeddings Multilingual".
    """

    masked = True

    def __init__(self, folder: Path) -> None:
        super().__init__()
        parts = [
            (module["type"].rsplit(".", 1)[-1], folder / module["path"])
            for module in _json(folder / "modules.json")
        ]
        kinds = [kind for kind, _ in parts]
        if kinds[:2] != ["Transformer", "Pooling"] or set(kinds[2:]) - {"Dense", "Normalize"}:
            raise RuntimeUnavailable(
                f"{folder.name} is not a text tower we can run: it is made of {', '.join(kinds)}."
            )
        (_, transformer), (_, pooling), *rest = parts
        self.transformer = AutoModel.from_pretrained(
            transformer, dtype=torch.float32, local_files_only=True, use_safetensors=True
        )
        self.mean = _pools_mean(pooling)
        self.dense = nn.Sequential(*(_dense(path) for kind, path in rest if kind == "Dense"))
        self.limit = _sentence_limit(transformer, self.transformer.config)

    def forward(self, ids: Tensor, mask: Tensor) -> Tensor:
        """Return text embeddings."""
        hidden = self.transformer(input_ids=ids, attention_mask=mask).last_hidden_state
        if not self.mean:
            return self.dense(hidden[:, 0])  # type: ignore[no-any-return] # torch's own hole
        weights = mask.unsqueeze(-1).to(hidden.dtype)  # (n, tokens, 1)
        return self.dense((hidden * weights).sum(1) / weights.sum(1))  # type: ignore[no-any-return]


def _pools_mean(folder: Path) -> bool:
    config = _json(folder / "config.json")
    modes = [mode for mode, on in config.items() if mode.startswith("pooling_mode_") and on]
    if modes not in (["pooling_mode_mean_tokens"], ["pooling_mode_cls_token"]):
        raise RuntimeUnavailable(f"The text tower pools by {modes}; only mean and CLS are known.")
    return modes == ["pooling_mode_mean_tokens"]


def _dense(folder: Path) -> nn.Module:
    config = _json(folder / "config.json")
    # The activation is named by a Python path: looked up here, never imported from the file.
    activations = {"Identity": nn.Identity, "Tanh": nn.Tanh}
    activation = config.get("activation_function", "Tanh").rsplit(".", 1)[-1]
    if activation not in activations or not (folder / "model.safetensors").is_file():
        raise RuntimeUnavailable(
            f"The text tower's {folder.name} has no safetensors weights, or an activation"
            f" ({activation}) that is not known."
        )
    layer = nn.Linear(config["in_features"], config["out_features"], bias=config["bias"])
    weights = load_file(folder / "model.safetensors")
    layer.load_state_dict({name.removeprefix("linear."): value for name, value in weights.items()})
    return nn.Sequential(layer.float(), activations[activation]())


def _sentence_limit(folder: Path, config: Any) -> int:
    file = folder / "sentence_bert_config.json"
    length = _json(file).get("max_seq_length") if file.is_file() else None
    return min(length or _positions(config), _positions(config))


def _json(file: Path) -> Any:
    return json.loads(file.read_text(encoding="utf-8"))


def _positions(config: Any) -> int:
    """Return how many tokens the position embeddings hold."""
    positions = int(getattr(config, "max_position_embeddings", 512))
    # RoBERTa counts positions from the padding id on, so two of its 514 are never used.
    roberta = "roberta" in config.model_type or "altclip" in config.model_type
    return positions - config.pad_token_id - 1 if roberta else positions


def pixel_recipe(processor: Any) -> PixelRecipe | None:
    """Return the recipe of a resize-crop-normalise image processor, None of any other kind.

    Believed only after it gave the processor's own pixels of two odd-sized pictures.
    """
    recipe = _plain_recipe(processor)
    noise = np.random.default_rng(0)
    for width, height in ((601, 457), (457, 640)):
        picture = Image.fromarray(noise.integers(0, 256, (height, width, 3), dtype=np.uint8))
        if recipe is None or not _agree(recipe, processor, picture):
            return None
    return recipe


def _agree(recipe: PixelRecipe, processor: Any, picture: Image.Image) -> bool:
    expected = processor(images=picture, return_tensors="np")["pixel_values"][0]
    pixels = recipe.pixels(picture).transpose(2, 0, 1)
    mean, std = np.reshape(recipe.mean, (3, 1, 1)), np.reshape(recipe.std, (3, 1, 1))
    got = (pixels * recipe.scale - mean) / std
    return bool(got.shape == expected.shape and np.allclose(got, expected, atol=1e-4))


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
    )


def _score_rule(model: Any) -> ScoreRule:
    scale = float(model.logit_scale.detach().exp())
    if model.config.model_type not in SIGMOID_FAMILIES:
        return ScoreRule("softmax", scale)
    return ScoreRule("sigmoid", scale, float(model.logit_bias.detach()))


def _batch(model: Any) -> int:
    # Measured: patches fill a CPU's matrix units best by 64 pictures (15% over 32), while the
    # wide early layers of a convolutional tower leave its cache beyond 16 (20% under).
    return 64 if hasattr(model.config.vision_config, "patch_size") else 16


def _width(model: Any) -> int:
    config = model.config
    return int(getattr(config, "projection_dim", None) or config.vision_config.hidden_size)
