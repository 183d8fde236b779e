"""Making Pocket from the starter: teacher outputs, training, interpolation, the checkpoint."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from safetensors.torch import load_file
from safetensors.torch import save as to_bytes
from torch import Tensor
from transformers import AutoModel, AutoProcessor

from components.datasets.captioned import read
from components.files import write_bytes
from components.training.loader import DecodedExamples, decode_once
from components.training.loop import BEST, Dev, Ended, Step, train
from components.training.plan import Plan
from components.training.pocket.learner import PocketLearner, dev_recall
from components.training.pocket.material import (
    SIDE,
    Material,
    Sources,
    Texts,
    read_named,
    teacher_outputs,
)
from components.training.weights import load_learned

PLAN = Plan(
    epochs=4, rate=1e-4, warmup=0.1, decay=0.05, average=0.99, clip=5.0, checkpoint_every=31
)
_SHARES = (0.0, 0.2, 0.4, 0.6, 0.8, 1.0)  # of the tuned weights, the rest being the starter's
_NOISE = 0.1  # per cent of dev's mean recall: within it, the share nearest to the starter is taken


@dataclass(frozen=True)
class Mixed:
    """The chosen share of the tuned weights, and dev's R@1/5/10 both ways at each share."""

    share: float
    recalls: dict[float, tuple[float, ...]]


_Event = Step | Dev | Ended | Mixed


def _once(file: Path, make: Callable[[], dict[str, Tensor]]) -> dict[str, Tensor]:
    """Return the tensors of ``file``, which is written first where it is missing."""
    if not file.is_file():
        write_bytes(file, to_bytes(make()))
    return load_file(file)


def make(sources: Sources, work: Path, plan: Plan = PLAN) -> Iterator[_Event]:
    """Yield the loop's events; at the end the checkpoint is in ``work/pocket``.

    A run that was interrupted resumes when it is called again with the same ``work``.
    """
    flickr, named = read(sources.flickr8k), read_named(sources.imagenet)
    cache = work / "images"
    learn = decode_once(flickr.split("train"), SIDE, "squeeze", cache)
    dev = decode_once(flickr.split("dev"), SIDE, "squeeze", cache)
    sample = decode_once(named.examples, SIDE, "crop", cache)
    outputs = _once(work / "known.safetensors", lambda: teacher_outputs(sources, learn, sample))
    material = Material(learn, dev, sample, named, **outputs)
    model: Any = AutoModel.from_pretrained(
        sources.starter, dtype=torch.float32, use_safetensors=True
    )
    reader = Texts(sources.starter)
    yield from train(PocketLearner(model, material, reader, plan), plan, work / "pairs")
    load_learned(model, load_file(work / "pairs" / BEST))
    yield _interpolate(sources, model, dev, reader)
    save(model, sources.starter, work / "pocket")


def _interpolate(sources: Sources, model: Any, dev: DecodedExamples, reader: Texts) -> Mixed:
    """Leave in ``model`` the weights between the starter's and its own that are best on dev.

    Wortsman et al. 2022, "Robust fine-tuning of zero-shot models". Of shares that are equal on dev
    within `_NOISE`, the smallest keeps most of what the starter can classify.
    """
    start = load_file(sources.starter / "model.safetensors")
    tuned = {name: value.clone() for name, value in model.state_dict().items()}
    recalls: dict[float, tuple[float, ...]] = {}
    model.eval()

    def mix(share: float) -> None:
        mixed = {
            name: torch.lerp(start[name].float(), value, share)
            for name, value in tuned.items()
            if value.is_floating_point()
        }
        model.load_state_dict(mixed, strict=False)

    for share in _SHARES:
        mix(share)
        with torch.inference_mode():
            recalls[share] = dev_recall(model, dev, reader)
    means = {share: float(np.mean(recall)) for share, recall in recalls.items()}
    chosen = min(share for share, mean in means.items() if mean >= max(means.values()) - _NOISE)
    mix(chosen)
    return Mixed(chosen, recalls)


def save(model: Any, starter: Path, out: Path) -> None:
    """Write the checkpoint in float16, with the starter's processor, as `AutoModel` loads it."""
    model.to(memory_format=torch.contiguous_format).half().save_pretrained(out)
    AutoProcessor.from_pretrained(starter).save_pretrained(out)
