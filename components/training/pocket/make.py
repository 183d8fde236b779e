"""Making Pocket from public parts: teachers' outputs, two stages of training, the checkpoint."""

from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import load_file
from safetensors.torch import save as to_bytes
from torch import Tensor
from transformers import (
    AutoModel,
    AutoTokenizer,
    BertModel,
    MobileNetV2ImageProcessorPil,
    MobileNetV2Model,
    VisionTextDualEncoderConfig,
    VisionTextDualEncoderModel,
    VisionTextDualEncoderProcessor,
)
from transformers.image_utils import PILImageResampling

from components.datasets.captioned import read
from components.files import write_bytes
from components.training.loader import DecodedExamples, decode_once
from components.training.loop import Dev, Ended, Step, load_best, train
from components.training.plan import Plan
from components.training.pocket.learner import TextLearner, TowersLearner
from components.training.pocket.material import (
    SIDE,
    WIDTH,
    Material,
    Sources,
    Taught,
    Texts,
    read_named,
    taught,
)
from components.training.run import Message

TEXT_PLAN = Plan(epochs=2, rate=3e-4, warmup=0.1, decay=0.05, clip=5.0)
TOWERS_PLAN = Plan(
    epochs=4, rate=3e-4, warmup=0.1, decay=0.05, average=0.99, clip=5.0, checkpoint_every=58
)
CONTINUED_PLAN = replace(TOWERS_PLAN, epochs=3, rate=2e-4)  # from a base
_SCALE = 3.0  # the logarithm of the initial logit scale
_Event = Message | Step | Dev | Ended


def make(
    sources: Sources,
    work: Path,
    text_plan: Plan = TEXT_PLAN,
    towers_plan: Plan | None = None,
) -> Iterator[_Event]:
    """Yield the stages' events; at the end the checkpoint is in ``work/pocket``.

    From a base, the second stage alone. A run that was interrupted resumes when it is called again
    with the same ``work``.
    """
    material, reader = _material(sources, work), Texts(sources.minilm)
    sizes = [f"{len(each.images.examples):,} images" for each in material.train]
    yield Message(f"Training on {' and '.join(sizes)} with captions, and on ImageNet's names.")
    model = _start(sources, text_plan.seed)
    if not sources.base:
        learner = TextLearner(model, material, reader, text_plan)
        yield from _stage(learner, text_plan, work / "text")
    plan = towers_plan or (CONTINUED_PLAN if sources.base else TOWERS_PLAN)
    yield from _stage(TowersLearner(model, material, reader, plan), plan, work / "towers")
    _save(model, sources, work / "pocket")


def _start(sources: Sources, seed: int) -> Any:
    """Return the base, or the public parts with new projections."""
    if sources.base:
        return AutoModel.from_pretrained(sources.base, dtype=torch.float32)
    torch.manual_seed(seed)  # of the new projections
    return _untrained(sources)


def _stage(learner: TextLearner | TowersLearner, plan: Plan, folder: Path) -> Iterator[_Event]:
    """Train, and load the weights that were best on dev."""
    yield from train(learner, plan, folder)
    load_best(learner, folder)


def _material(sources: Sources, work: Path) -> Material:
    data = [read(folder) for folder in sources.captioned]
    named = read_named(sources.imagenet)

    def decoded(examples: Any) -> DecodedExamples:
        return decode_once(examples, SIDE, "squeeze", work / "images")

    def with_outputs(images: DecodedExamples) -> Taught:
        file = work / "teachers" / f"{images.key}.safetensors"
        return Taught(images, **_once(file, lambda: taught(sources, images)))

    return Material(
        train=tuple(with_outputs(decoded(each.split("train"))) for each in data),
        dev=tuple(decoded(each.split("dev")) for each in data),
        sample=with_outputs(decoded(named.examples)),
        named=named,
    )


def _once(file: Path, make: Callable[[], dict[str, Tensor]]) -> dict[str, Tensor]:
    """Return the tensors of ``file``, which is written first where it is missing."""
    if not file.is_file():
        file.parent.mkdir(parents=True, exist_ok=True)
        write_bytes(file, to_bytes(make()))
    return load_file(file)


def _untrained(sources: Sources) -> Any:
    """Return the backbone and MiniLM as one dual encoder, with random projections."""
    vision: Any = MobileNetV2Model.from_pretrained(sources.backbone, dtype=torch.float32)
    text: Any = BertModel.from_pretrained(sources.minilm, dtype=torch.float32)
    vision.config.hidden_size = vision.conv_1x1.convolution.out_channels
    config = VisionTextDualEncoderConfig.from_vision_text_configs(
        vision.config, text.config, projection_dim=WIDTH, logit_scale_init_value=_SCALE
    )
    return VisionTextDualEncoderModel(config, vision_model=vision, text_model=text)


def _save(model: Any, sources: Sources, out: Path) -> None:
    """Write the checkpoint in float16, with its processor, as `AutoModel` loads it.

    Whole images are resized to a square, as in training: nothing at their edges is lost.
    """
    own = model.config
    own.vision_config.id2label = own.vision_config.label2id = {}  # the tower names no classes
    for part in (own, own.vision_config, own.text_config):
        part.name_or_path = ""  # the folders of this computer are not part of the model
    model.to(memory_format=torch.contiguous_format).half().save_pretrained(out)
    image_processor = MobileNetV2ImageProcessorPil(
        size={"height": SIDE, "width": SIDE},
        do_center_crop=False,
        image_mean=[0.5] * 3,
        image_std=[0.5] * 3,
        resample=PILImageResampling.BICUBIC,
    )
    tokenizer = AutoTokenizer.from_pretrained(sources.minilm)
    VisionTextDualEncoderProcessor(image_processor, tokenizer).save_pretrained(out)
