"""The speed of a training step, and zero-shot classification of ImageNet's classes."""

import statistics
import tempfile
import time
from pathlib import Path

import numpy as np

from components.bench.measure import Say, in_a_fresh_process, peak_memory
from components.datasets.captioned import DataError, read
from components.encoder import Encoded, Encoder, encode
from components.images import source_of
from components.models import locate, resolve
from components.training.dual import DualLearner, Tuning
from components.training.loader import decode_once
from components.training.loop import count_steps, keep_freed_memory
from components.training.plan import Plan
from components.training.pocket.material import read_named

_SIDE, _BATCH, _STEPS = 224, 16, 8
_TEMPLATE = "a photo of a {}"


def steps(model_id: str, data: Path, rounds: int, say: Say) -> None:
    """Print pairs per second of full fine-tuning and peak memory, with freed memory kept or not.

    Each turn is a separate process: kept memory stays with a process. Raises TrainingError where
    ``data`` holds less than a batch.
    """
    results: dict[bool, list[tuple[float, int]]] = {True: [], False: []}
    for _ in range(rounds):
        for keeps, turns in results.items():
            turns.append(in_a_fresh_process(_steps, model_id, data, keeps))
    say(f"\n{model_id}: full fine-tuning, {_BATCH} pairs of {_SIDE} pixels per step")
    say(f"{'':<34}{'kept':>8}{'returned':>17}{'ratio':>8}")
    for part, (name, unit) in enumerate((("pairs per second", 1.0), ("peak memory, MB", 1e6))):
        kept, returned = (
            statistics.median(turn[part] / unit for turn in turns) for turns in results.values()
        )
        say(f"{name:<34}{kept:>8,.1f}{returned:>17,.1f}{kept / returned:>7.2f}x")


def _steps(model_id: str, data: Path, keeps: bool) -> tuple[float, int]:
    """Return pairs per second after the first step, and peak memory in bytes."""
    if keeps:
        keep_freed_memory()
    with tempfile.TemporaryDirectory() as folder:
        learn = decode_once(read(data).examples[:_BATCH], _SIDE, "crop", Path(folder))
    plan, tuning = Plan(_STEPS + 1), Tuning(batch=_BATCH)
    learner = DualLearner(locate(resolve(model_id)), (learn, learn), plan, tuning)
    count_steps(learner, plan)
    learner.module.train()
    times = []
    for epoch in range(plan.epochs):
        for batch in learner.batches(epoch, 0):
            began = time.perf_counter()
            learner.gradients(batch)
            times.append(time.perf_counter() - began)
    return _BATCH / statistics.median(times[1:]), peak_memory()


def names(encoder: Encoder, folder: Path, say: Say) -> None:
    """Print zero-shot top-1 accuracy among all classes of ``folder``'s ``labels.csv``.

    Even and odd classes apart: the last stage of Pocket's training saw images of even ones only.
    The caption of a class is its first name in a template. Raises DataError.
    """
    named = read_named(folder)
    sources = [source_of(example.image) for example in named.examples]
    vectors = [item.vector for item in encode(encoder, sources) if isinstance(item, Encoded)]
    if len(vectors) != len(sources):
        raise DataError(f"{folder.name} holds images that cannot be read.")
    texts = encoder.texts([_TEMPLATE.format(called[0]) for called in named.names])
    correct = (np.stack(vectors) @ texts.T).argmax(axis=1) == np.arange(len(sources))
    trained = np.isin(np.arange(len(sources)), named.even)
    say(f"{encoder.spec.id}: top-1 among {len(sources):,} names")
    for name, half in (("even classes", trained), ("odd classes", ~trained)):
        say(f"{name:<14}{correct[half].mean():>8.1%}  of {half.sum()} images")
