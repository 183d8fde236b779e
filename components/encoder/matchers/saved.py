"""The older matchers on disk, as config.json, model.safetensors and tokenizer.json."""

import json
import threading
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from safetensors.torch import load_file
from safetensors.torch import save as to_bytes
from tokenizers import Tokenizer
from torch import nn

from components.encoder.matchers import vocabulary
from components.encoder.matchers.densenet_lstm import DenseNetLstm, EmbeddingConfig
from components.encoder.matchers.pair_matcher import TEXT_WIDTH, PairConfig, PairMatcher
from components.encoder.recipe import PixelRecipe, Recipe
from components.encoder.runtimes.towers import Towers
from components.errors import CaptionLensError
from components.files import write_bytes
from components.models import DENSENET_LSTM, PAIR_MATCHER
from components.scores import Floats, ScoreRule

Network = PairMatcher | DenseNetLstm
Config = PairConfig | EmbeddingConfig
_BATCH = 16  # as for Pocket: wide early layers exceed a CPU's cache beyond it
_BILINEAR = 2
_CELLS = 65_536  # pairs at a time in the head: 64 MB of its hidden layer


class SavedMatcherError(CaptionLensError):
    """A matcher's folder that cannot be read; the sentence gives the reason."""


@dataclass(frozen=True)
class Saved:
    """A saved matcher. ``scale`` turns the cosines of a DenseNet + LSTM into logits."""

    network: Network
    config: Config
    scale: float


def save_matcher(
    folder: Path, network: Network, config: Config, tokenizer: Tokenizer, scale: float = 1.0
) -> None:
    """Write a matcher; config.json is written last, so an incomplete folder is no model."""
    kind = PAIR_MATCHER if isinstance(config, PairConfig) else DENSENET_LSTM
    weights = {
        name: value.detach().cpu().clone(memory_format=torch.contiguous_format)
        for name, value in network.state_dict().items()
    }
    write_bytes(folder / "tokenizer.json", tokenizer.to_str().encode())
    write_bytes(folder / "model.safetensors", to_bytes(weights))
    content = {"model_type": kind, "scale": scale, **asdict(config)}
    write_bytes(folder / "config.json", json.dumps(content, indent=1).encode())


def read_matcher(folder: Path) -> Saved:
    """Return a matcher in evaluation mode. Raises SavedMatcherError where it cannot be read."""
    try:
        content: dict[str, Any] = json.loads((folder / "config.json").read_text(encoding="utf-8"))
        kind, scale = content.pop("model_type"), float(content.pop("scale"))
        network, config = _network(kind, content)
        network.load_state_dict(load_file(folder / "model.safetensors"))
    except Exception as error:  # untrusted files: the libraries may raise anything
        reason = (str(error).strip().splitlines() or [type(error).__name__])[0]
        raise SavedMatcherError(f"{folder.name} is not a saved matcher: {reason}") from error
    return Saved(network.eval(), config, scale)


def _network(kind: str, sizes: dict[str, Any]) -> tuple[Network, Config]:
    if kind == PAIR_MATCHER:
        pair = PairConfig(**sizes | {"channels": tuple(sizes["channels"])})
        return PairMatcher(pair), pair
    embedding = EmbeddingConfig(**sizes)
    return DenseNetLstm(embedding), embedding


def load_matcher(folder: Path) -> Towers:
    """Return a saved matcher's branches as towers, with the head of a pair matcher."""
    saved = read_matcher(folder)
    network, config = saved.network, saved.config
    is_pair = isinstance(network, PairMatcher)
    recipe = Recipe(
        family=PAIR_MATCHER if is_pair else DENSENET_LSTM,
        width=TEXT_WIDTH if isinstance(config, PairConfig) else config.width,
        batch=_BATCH,
        pixels=pixel_recipe(config),
        text=vocabulary.recipe(),
        score=ScoreRule("sigmoid" if is_pair else "softmax", saved.scale),
    )
    head = Head(network) if isinstance(network, PairMatcher) else None
    return Towers(network.image, network.text, recipe, None, None, head)


def pixel_recipe(config: Config) -> PixelRecipe:
    """Return how images are resized: squeezed for the pair matcher, centre-cropped otherwise."""
    edge = None if isinstance(config, PairConfig) else config.side
    return PixelRecipe(
        config.side, config.side, edge, _BILINEAR, 1 / 255, (0.0, 0.0, 0.0), (1.0, 1.0, 1.0)
    )


class Head:
    """A pair matcher's head, on the CPU; a `components.encoder.encoder.PairHead`."""

    def __init__(self, network: PairMatcher) -> None:
        self._network = network
        self._parts = nn.ModuleList([network.dense, network.norm, network.last])
        self._lock = threading.Lock()

    def logits(self, texts: Floats, images: Floats) -> Floats:
        """Return (captions, images) logits of ``texts`` (m, 256) and ``images`` (n, 512)."""
        with self._lock, torch.inference_mode():
            self._parts.to("cpu", torch.float32)
            of_images = torch.from_numpy(np.ascontiguousarray(images))
            rows = max(1, _CELLS // max(1, len(images)))
            return np.concatenate(
                [
                    self._network.all_pairs(
                        of_images, torch.from_numpy(texts[start : start + rows])
                    )
                    for start in range(0, len(texts), rows)
                ]
            )
