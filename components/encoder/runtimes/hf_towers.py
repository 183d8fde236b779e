"""A checkpoint's two towers as torch modules with the same interface for every family.

An image tower takes bytes (n, height, width, 3), a text tower takes ids and mask (n, tokens);
both return embeddings (n, width) in the shared space. transformers' outputs are unwrapped only
here, vectors are normalised only in `components.encoder`.
"""

import json
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import load_file
from torch import Tensor, nn
from transformers import AutoModel

from components.encoder.recipe import PixelRecipe
from components.encoder.runtimes import RuntimeUnavailable
from components.encoder.runtimes.towers import unwrap

# Families trained with a sigmoid per pair, on rows padded to the limit, without a mask.
SIGMOID_FAMILIES = frozenset({"siglip", "siglip2"})


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
        self.limit = token_limit(model.config.text_config)

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
                f"{folder.name} is not a supported text tower: its modules are {', '.join(kinds)}."
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
            return self.dense(hidden[:, 0])  # type: ignore[no-any-return] # untyped in torch
        weights = mask.unsqueeze(-1).to(hidden.dtype)  # (n, tokens, 1)
        return self.dense((hidden * weights).sum(1) / weights.sum(1))  # type: ignore[no-any-return]


def _pools_mean(folder: Path) -> bool:
    config = _json(folder / "config.json")
    modes = [mode for mode, on in config.items() if mode.startswith("pooling_mode_") and on]
    if modes not in (["pooling_mode_mean_tokens"], ["pooling_mode_cls_token"]):
        raise RuntimeUnavailable(
            f"The text tower pools by {modes}; only mean and CLS are supported."
        )
    return modes == ["pooling_mode_mean_tokens"]


def _dense(folder: Path) -> nn.Module:
    config = _json(folder / "config.json")
    # The file names the activation by a Python path: looked up in this table, never imported.
    activations = {"Identity": nn.Identity, "Tanh": nn.Tanh}
    activation = config.get("activation_function", "Tanh").rsplit(".", 1)[-1]
    if activation not in activations or not (folder / "model.safetensors").is_file():
        raise RuntimeUnavailable(
            f"The text tower's {folder.name} has no safetensors weights, or an unsupported"
            f" activation ({activation})."
        )
    layer = nn.Linear(config["in_features"], config["out_features"], bias=config["bias"])
    weights = load_file(folder / "model.safetensors")
    layer.load_state_dict({name.removeprefix("linear."): value for name, value in weights.items()})
    return nn.Sequential(layer.float(), activations[activation]())


def _sentence_limit(folder: Path, config: Any) -> int:
    file = folder / "sentence_bert_config.json"
    length = _json(file).get("max_seq_length") if file.is_file() else None
    return min(length or token_limit(config), token_limit(config))


def _json(file: Path) -> Any:
    return json.loads(file.read_text(encoding="utf-8"))


def token_limit(config: Any) -> int:
    """Return the number of tokens that the position embeddings allow."""
    positions = int(getattr(config, "max_position_embeddings", 512))
    # RoBERTa's positions start after the padding id, so two of its 514 are never used.
    roberta = "roberta" in config.model_type or "altclip" in config.model_type
    return positions - config.pad_token_id - 1 if roberta else positions
