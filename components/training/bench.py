"""How fast a step of fine-tuning is, its memory kept for the next one and given back.

Each turn is a process of its own: memory once kept stays.
"""

import statistics
import tempfile
import time
from pathlib import Path

from components.bench import Say, in_a_fresh_process, peak_memory
from components.models import locate, resolve
from components.training.data import read
from components.training.dual import DualLearner, Tuning
from components.training.loader import decode_once
from components.training.loop import Plan, keep_freed_memory

_SIDE, _BATCH, _STEPS = 224, 16, 8


def steps(model_id: str, data: Path, rounds: int, say: Say) -> None:
    """Print pairs a second of full fine-tuning, and the peak memory, both ways."""
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
    tuning = Tuning(batch=_BATCH)
    learner = DualLearner(locate(resolve(model_id)), (learn, learn), Plan(_STEPS + 1), tuning)
    learner.module.train()
    times = []
    for epoch in range(_STEPS + 1):
        for batch in learner.batches(epoch, 0):
            began = time.perf_counter()
            learner.gradients(batch)
            times.append(time.perf_counter() - began)
    return _BATCH / statistics.median(times[1:]), peak_memory()
