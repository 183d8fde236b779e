"""How fast a Ray cluster on this machine builds a collection, against one process.

All run on the same cores, in turn: what is measured is what Ray takes, not what more machines give.
"""

import os
import statistics
import time
from functools import partial
from pathlib import Path

from components.bench.baseline import jpegs
from components.bench.building import distinct
from components.bench.measure import Say, processor, temporary_data
from components.collection.build import BuildJob, BuildProgress, build
from components.collection.cluster import Cluster
from components.collection.encoding import Engine
from components.collection.sources.source import SourceSpec
from components.encoder import Encoder, load
from components.models import ModelSpec

_FILES = 1024


def speed(model: str, images: Path | None, rounds: int, say: Say) -> None:
    """Print images a second of one process, and of Ray with one worker and two, and the ratios."""
    encoder = load(model)
    with temporary_data() as folder:
        place = images or distinct(jpegs(folder / "files", (640, 480), _FILES))[0].parent
        workers = {"one process": 0, "Ray, 1 worker": 1, "Ray, 2 workers": 2}
        rates: dict[str, list[float]] = {name: [] for name in workers}
        for turn in range(rounds):
            for name, count in workers.items():
                job = BuildJob(f"{turn} {count}", SourceSpec("folder", str(place)))
                rates[name].append(_rate(job, encoder, count, folder / "ready"))
    _print(rates, say)


def _print(rates: dict[str, list[float]], say: Say) -> None:
    medians = {name: statistics.median(each) for name, each in rates.items()}
    base = next(iter(medians.values()))
    say(f"\n{processor()}\nimages a second, once the workers are ready")
    for name, rate in medians.items():
        say(f"{name:<44}{rate:>12.1f}  ({rate / base:.0%})")


def _rate(job: BuildJob, encoder: Encoder, workers: int, ready: Path) -> float:
    """Return the images a second of a build, from when its first worker was ready to the last."""
    encoded: list[float] = []

    def on_progress(now: BuildProgress) -> None:
        if now.stage == "Encoding":
            encoded.append(time.time())

    ready.unlink(missing_ok=True)
    start = time.time()
    build(job, encoder, on_progress, engine=_engine(encoder, workers, ready) if workers else None)
    if workers:
        start = min(map(float, ready.read_text(encoding="ascii").split()))
    return len(encoded) / (encoded[-1] - start)


def _engine(encoder: Encoder, workers: int, ready: Path) -> Engine:
    """Return a cluster of this machine, whose workers note in a file when they are ready."""
    load = partial(_noting, ready, encoder.spec, encoder.runtime.precision)
    return Cluster("auto", encoder.key, load, max(1, (os.cpu_count() or 1) // workers))


def _noting(ready: Path, model: ModelSpec, precision: str, threads: int) -> Encoder:
    encoder = load(model, precision, threads=threads)
    with ready.open("a", encoding="ascii") as file:
        file.write(f"{time.time()}\n")
    return encoder
