"""How fast a step of training is, and how well a model names what an image shows."""

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
from components.training.loop import Plan, count_steps, keep_freed_memory
from components.training.pocket.material import read_named

_SIDE, _BATCH, _STEPS = 224, 16, 8
_TEMPLATE = "a photo of a {}"


def steps(model_id: str, data: Path, rounds: int, say: Say) -> None:
    """Print pairs a second of full fine-tuning, and the peak memory, kept and given back.

    Each turn is a process of its own: memory once kept stays. Raises TrainingError where ``data``
    holds less than a batch.
    """
    found: dict[bool, list[tuple[float, int]]] = {True: [], False: []}
    for _ in range(rounds):
        for keeps, turns in found.items():
            turns.append(in_a_fresh_process(_steps, model_id, data, keeps))
    say(f"\n{model_id}: full fine-tuning, {_BATCH} pairs of {_SIDE} pixels a step")
    say(f"{'':<34}{'kept':>8}{'given back':>17}{'ratio':>8}")
    for part, (name, unit) in enumerate((("pairs a second", 1.0), ("peak memory, MB", 1e6))):
        kept, given = (
            statistics.median(turn[part] / unit for turn in turns) for turns in found.values()
        )
        say(f"{name:<34}{kept:>8,.1f}{given:>17,.1f}{kept / given:>7.2f}x")


def _steps(model_id: str, data: Path, keeps: bool) -> tuple[float, int]:
    """Return pairs a second after the first step, and the peak of memory in bytes."""
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
    """Print top-1 accuracy among all names of ``folder``'s ``labels.csv``.

    By halves: Pocket's recipe shows it the images of the classes with an even number alone. A
    class is called by the first of its names. Raises DataError.
    """
    named = read_named(folder)
    sources = [source_of(example.image) for example in named.examples]
    vectors = [item.vector for item in encode(encoder, sources) if isinstance(item, Encoded)]
    if len(vectors) != len(sources):
        raise DataError(f"{folder.name} holds images that cannot be read.")
    texts = encoder.texts([_TEMPLATE.format(called[0]) for called in named.names])
    right = (np.stack(vectors) @ texts.T).argmax(axis=1) == np.arange(len(sources))
    shown = np.isin(np.arange(len(sources)), named.shown)
    say(f"{encoder.spec.id}: top-1 among {len(sources):,} names")
    for name, half in (("even classes", shown), ("odd classes", ~shown)):
        say(f"{name:<14}{right[half].mean():>8.1%}  of {half.sum()} images")
