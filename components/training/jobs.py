"""A training job, from its settings to a model that the app can use."""

import math
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

import numpy as np
from safetensors.torch import load_file

from components.datasets.captioned import Example
from components.encoder import Recipe
from components.encoder.matchers import glove, vocabulary
from components.encoder.matchers.densenet_lstm import SIDE as EMBEDDING_SIDE
from components.encoder.matchers.pair_matcher import SIDE as PAIR_SIDE
from components.encoder.matchers.saved import save_matcher
from components.encoder.runtimes.load_towers import load_towers
from components.files import write_bytes
from components.models import locate, resolve
from components.scores import both_ways, ranks
from components.training import densenet_lstm, pair_matcher
from components.training.densenet_lstm import DenseNetLstmLearner, Margin
from components.training.dual import DualLearner, Tuning
from components.training.learner import TrainingError
from components.training.loader import DecodedExamples, Fit
from components.training.loop import (
    BEST,
    Dev,
    Ended,
    Plan,
    Step,
    count_steps,
    keep_freed_memory,
    train,
)
from components.training.weights import load_learned

Kind = Literal["matcher", "densenet-lstm", "dual"]
MODEL = "model"  # the folder of the finished model, inside a run's
_HELD_OUT, _MOST_HELD_OUT = 0.1, 1000
_DEV_NAMES = ("dev", "val", "valid", "validation")
_PROBED = 2  # steps that tell what the others will cost, after one that warms up


@dataclass(frozen=True)
class Job:
    """What is trained, and how."""

    kind: Kind
    plan: Plan
    batch: int = 32  # of the pair matcher's
    base: str = "pocket"  # the checkpoint that "dual" begins with
    tuning: Tuning = field(default_factory=Tuning)
    margin: Margin = field(default_factory=Margin)
    glove: Path | None = None
    mobilenet: Path | None = None
    densenet: Path | None = None


@dataclass(frozen=True)
class Said:
    """A sentence for the person: what was given up, or found."""

    text: str


@dataclass(frozen=True)
class Figures:
    """Dev's R@1, R@5 and R@10, and each image's rank, as the median of its captions'."""

    caption_to_image: tuple[float, ...]
    image_to_caption: tuple[float, ...]
    ranks: tuple[float, ...]


@dataclass(frozen=True)
class Compared:
    """Dev before the training and after it."""

    before: Figures
    after: Figures


@dataclass(frozen=True)
class Cost:
    """What a job will take, from steps that were run."""

    seconds: float
    steps: int
    disk_bytes: int


Event = Step | Dev | Ended | Said | Compared


@dataclass(frozen=True)
class _Ready:
    """A learner, what writes its model, and what there is to say of it."""

    learner: Any
    save: Callable[[Path], None]
    said: tuple[str, ...] = ()


def dev_split(examples: Sequence[Example]) -> str:
    """Return the split to measure on, of a dataset that has one beside train; else nothing."""
    named = {example.split for example in examples}
    return next((name for name in _DEV_NAMES if name in named and "train" in named), "")


def halves(
    examples: Sequence[Example], seed: int = 0
) -> tuple[tuple[Example, ...], tuple[Example, ...]]:
    """Return the examples to train on, and those to measure on.

    By the dataset's own splits where it names them; else a tenth, at most 1,000, of what is to be
    trained on is held out by the seed. Raises TrainingError where too little is left.
    """
    dev_name = dev_split(examples)
    whole = tuple(each for each in examples if each.split == "train") or tuple(examples)
    if dev_name:
        learn, dev = whole, tuple(each for each in examples if each.split == dev_name)
    else:
        order = np.random.default_rng(seed).permutation(len(whole))
        count = min(_MOST_HELD_OUT, math.ceil(_HELD_OUT * len(order)))
        dev = tuple(whole[i] for i in sorted(order[:count]))
        learn = tuple(whole[i] for i in sorted(order[count:]))
    if len(learn) < 2 or len(dev) < 1:
        raise TrainingError("Training needs at least three images with captions.")
    return learn, dev


def decoding(kind: Kind, base: str) -> tuple[int, Fit]:
    """Return the side in pixels of a job's images, and how they are made square.

    Raises TrainingError where the base checkpoint's images vary in size.
    """
    if kind == "matcher":
        return PAIR_SIDE, "squeeze"
    if kind == "densenet-lstm":
        return EMBEDDING_SIDE, "crop"
    return decoding_of(load_towers(locate(resolve(base))).recipe, base)


def decoding_of(recipe: Recipe, name: str) -> tuple[int, Fit]:
    """Return the same of a dual encoder by its recipe."""
    pixels = recipe.pixels
    if pixels is None or pixels.height != pixels.width:
        raise TrainingError(f"{name} reads images of any shape: that cannot be tuned here.")
    return pixels.height, "squeeze" if pixels.shortest_edge is None else "crop"


def run(job: Job, images: tuple[DecodedExamples, DecodedExamples], out: Path) -> Iterator[Event]:
    """Yield the job's events; at its end the model lies in ``out/model``.

    ``images`` are those to learn from and those to measure on. Goes on where it was broken off.
    """
    made = _ready(job, images, out)
    yield from map(Said, made.said)
    before = _figures(made.learner) if job.kind == "dual" else None
    yield from train(made.learner, job.plan, out)
    load_learned(made.learner.module, load_file(out / BEST))
    if before:
        yield Compared(before, _figures(made.learner))
    made.save(out / MODEL)


def probe(job: Job, images: tuple[DecodedExamples, DecodedExamples], out: Path) -> Cost:
    """Return what a job will cost, by running a few of its steps; ``out`` holds nothing after."""
    keep_freed_memory()
    made = _ready(job, images, out)
    learner, module = made.learner, made.learner.module
    total = sum(count_steps(learner, job.plan))
    times = []
    for batch in learner.batches(0, 0):
        began = time.perf_counter()
        module.train()
        learner.gradients(batch)
        times.append(time.perf_counter() - began)
        if len(times) > _PROBED:
            break
    began = time.perf_counter()
    module.eval()
    learner.dev()
    dev = time.perf_counter() - began
    each = float(np.mean(times[1:] or times))
    learned = sum(value.nbytes for value in module.parameters() if value.requires_grad)
    whole = sum(value.nbytes for value in module.parameters())
    # The checkpoint: weights and the optimizer's two moments; the best weights; the model itself.
    return Cost(total * each + job.plan.epochs * dev, total, 4 * learned + whole)


def _figures(learner: DualLearner) -> Figures:
    texts, images, owner = learner.vectors()
    known = owner[:, None] == np.arange(len(images))
    there, back = both_ways(texts @ images.T, known).values()
    places = ranks(texts @ images.T, known)
    medians = tuple(float(np.median(places[owner == i])) for i in range(len(images)))
    return Figures(there.recall, back.recall, medians)


def _ready(job: Job, images: tuple[DecodedExamples, DecodedExamples], out: Path) -> _Ready:
    made = {"matcher": _matcher, "densenet-lstm": _densenet_lstm, "dual": _dual}
    return made[job.kind](job, images, out)


def _matcher(job: Job, images: tuple[DecodedExamples, DecodedExamples], out: Path) -> _Ready:
    tokenizer = vocabulary.learn(images[0].captions)
    write_bytes(out / "tokenizer.json", tokenizer.to_str().encode())
    network, config = pair_matcher.blank(tokenizer, job.plan.seed)
    learner = pair_matcher.PairMatcherLearner(
        network, vocabulary.reader(out), images, job.plan, job.batch
    )
    return _Ready(learner, lambda folder: save_matcher(folder, network, config, tokenizer))


def _densenet_lstm(job: Job, images: tuple[DecodedExamples, DecodedExamples], out: Path) -> _Ready:
    tokenizer = vocabulary.learn(images[0].captions)
    write_bytes(out / "tokenizer.json", tokenizer.to_str().encode())
    said = []
    vectors = glove.read(job.glove, vocabulary.words(tokenizer)) if job.glove else None
    network, config = densenet_lstm.blank(
        tokenizer, job.plan.seed, job.mobilenet, job.densenet, vectors
    )
    if job.mobilenet:
        said.append("MobileNetV2 stands in for DenseNet-121, with ImageNet's weights.")
    elif not job.densenet:
        said.append("DenseNet-121 begins from random weights: no checkpoint of it was given.")
    said.append(
        f"GloVe has {vectors.found.sum():,} of {len(vectors.found):,} words; the rest are learned."
        if vectors
        else "Word vectors are learned: no GloVe file was given."
    )
    learner = DenseNetLstmLearner(network, vocabulary.reader(out), images, job.plan, job.margin)

    def save(folder: Path) -> None:
        scale = densenet_lstm.fitted_scale(*learner.vectors())
        save_matcher(folder, network, config, tokenizer, scale)

    return _Ready(learner, save, tuple(said))


def _dual(job: Job, images: tuple[DecodedExamples, DecodedExamples], out: Path) -> _Ready:
    learner = DualLearner(locate(resolve(job.base)), images, job.plan, job.tuning)
    return _Ready(learner, learner.save)
