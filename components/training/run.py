"""Running a training job: from its images to a model that the app can use."""

import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from components.scores import both_ways, ranks
from components.training.jobs import Job
from components.training.learner import Learner
from components.training.loader import TrainDev
from components.training.loop import (
    Dev,
    Ended,
    Step,
    count_steps,
    keep_freed_memory,
    load_best,
    train,
)

MODEL = "model"  # the finished model's folder, inside a run's
_MEASURED = 2  # steps whose time is measured, after a first one that warms up


@dataclass(frozen=True)
class Message:
    """A sentence for the person."""

    text: str


@dataclass(frozen=True)
class Figures:
    """Dev's R@1, R@5 and R@10, and each image's rank: the median over its captions."""

    caption_to_image: tuple[float, ...]
    image_to_caption: tuple[float, ...]
    ranks: tuple[float, ...]


@dataclass(frozen=True)
class Comparison:
    """Dev's figures before training and after it."""

    before: Figures
    after: Figures


@dataclass(frozen=True)
class Cost:
    """An estimate of a job's time and disk space, from steps that were run."""

    seconds: float
    steps: int
    disk_bytes: int


Event = Step | Dev | Ended | Message | Comparison


def run(job: Job, images: TrainDev, out: Path) -> Iterator[Event]:
    """Yield the job's events; at the end the model is in ``out/model``.

    Resumes from the checkpoint in ``out`` where there is one. Raises TrainingError.
    """
    prepared = job.prepare(images, out)
    yield from map(Message, prepared.notes)
    before = _figures(*prepared.vectors()) if prepared.vectors else None
    yield from train(prepared.learner, job.plan, out)
    load_best(prepared.learner, out)
    if before and prepared.vectors:
        yield Comparison(before, _figures(*prepared.vectors()))
    prepared.save(out / MODEL)


def probe(job: Job, images: TrainDev, out: Path) -> Cost:
    """Return an estimate of a job's cost from a few of its steps; ``out`` gets no checkpoint."""
    keep_freed_memory()
    learner = job.prepare(images, out).learner
    learner.module.to(job.plan.device)
    steps = sum(count_steps(learner, job.plan))
    seconds = steps * _step_seconds(learner) + job.plan.epochs * _dev_seconds(learner)
    values = list(learner.module.parameters())
    trained = sum(value.nbytes for value in values if value.requires_grad)
    # The checkpoint: weights and the optimizer's two moments; the best weights; the model itself.
    return Cost(seconds, steps, 4 * trained + sum(value.nbytes for value in values))


def _step_seconds(learner: Learner) -> float:
    times = []
    for batch in learner.batches(0, 0):
        began = time.perf_counter()
        learner.module.train()
        learner.gradients(batch)
        times.append(time.perf_counter() - began)
        if len(times) > _MEASURED:
            break
    return float(np.mean(times[1:] or times))


def _dev_seconds(learner: Learner) -> float:
    began = time.perf_counter()
    learner.module.eval()
    learner.dev()
    return time.perf_counter() - began


def _figures(texts: Any, images: Any, owner: Any) -> Figures:
    similarities = texts @ images.T  # (captions, images)
    pairs = owner[:, None] == np.arange(len(images))
    to_image, to_caption = both_ways(similarities, pairs).values()
    caption_ranks = ranks(similarities, pairs)
    medians = tuple(float(np.median(caption_ranks[owner == i])) for i in range(len(images)))
    return Figures(to_image.recall, to_caption.recall, medians)
