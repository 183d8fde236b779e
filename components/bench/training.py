"""The speed of a training step, and zero-shot classification of ImageNet's classes."""

import statistics
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from components.bench.measure import Say, in_a_fresh_process, peak_memory
from components.datasets.captioned import DataError, read
from components.encoder import Encoded, Encoder, encode
from components.images import source_of
from components.models import locate, resolve
from components.scores import Floats
from components.training.dual import DualLearner, Tuning
from components.training.loader import decode_once
from components.training.loop import count_steps, keep_freed_memory
from components.training.plan import Plan
from components.training.pocket.material import SIDE, Named, backbone_outputs, read_named

_SIDE, _BATCH, _STEPS = 224, 16, 8
_SURE = 0.8  # the classifier's probability
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

    Pocket's training has seen these images: for Pocket it measures what it kept of them. The
    caption of a class is its first name in a template. Raises DataError.
    """
    named = read_named(folder)
    vectors = _vectors(encoder, [example.image for example in named.examples])
    found = (vectors @ _name_vectors(encoder, named).T).argmax(axis=1)
    correct = found == np.arange(len(named.names))
    say(f"{encoder.spec.id}: top-1 among {len(correct):,} names {correct.mean():.1%}")


def agreement(encoder: Encoder, folder: Path, data: Path, backbone: Path, say: Say) -> None:
    """Print how often a model ranks the class of MobileNetV2's own classifier first.

    On the images of a captioned dataset outside its train split, where MobileNetV2 is sure. Raises
    DataError.
    """
    named = read_named(folder)
    examples = [each for each in read(data).examples if each.split != "train"]
    with tempfile.TemporaryDirectory() as place:
        images = decode_once(examples, SIDE, "squeeze", Path(place))
    shares, classes = backbone_outputs(backbone, images)[1].softmax(dim=1).max(dim=1)
    sure = np.flatnonzero(shares.numpy() >= _SURE)
    vectors = _vectors(encoder, [images.examples[row].image for row in sure])
    best = np.argsort(-(vectors @ _name_vectors(encoder, named).T), axis=1)[:, :5]
    same = best == classes.numpy()[sure, None]  # (images, 5)
    say(
        f"{data.name}: MobileNetV2's class, where it is sure of one, ranks first on"
        f" {same[:, 0].mean():.1%} of {len(sure)} images, among the first five on"
        f" {same.any(axis=1).mean():.1%}"
    )


def _vectors(encoder: Encoder, images: Sequence[Path]) -> Floats:
    items = encode(encoder, [source_of(image) for image in images])
    vectors = [item.vector for item in items if isinstance(item, Encoded)]
    if len(vectors) != len(images):
        raise DataError("Some of the images cannot be read.")
    return np.stack(vectors)


def _name_vectors(encoder: Encoder, named: Named) -> Floats:
    return encoder.texts([_TEMPLATE.format(called[0]) for called in named.names])
