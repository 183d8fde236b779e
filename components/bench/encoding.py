"""Encoding speed against the usual ways: plain transformers, and ONNX Runtime, in float32.

All alternate in one process on the same images. Speeds vary between runs; compare the ratios.
"""

import statistics
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from components.bench.baseline import BATCH, Onnx, Plain, jpegs, located
from components.bench.measure import Say, processor
from components.encoder import Encoder, batched, encode, load
from components.images import source_of

_Sides = dict[str, Callable[[], object]]  # ours first


@dataclass(frozen=True)
class _Job:
    name: str
    images: int
    sides: _Sides


def speed(model_id: str, rounds: int, say: Say, precision: str | None = None) -> None:
    """Print images per second of the bare image tower and from files, ours and the baselines'."""
    with located(model_id) as place, tempfile.TemporaryDirectory() as folder:
        encoder = load(place, precision)
        baselines = {"torch f32": Plain(place)}
        if encoder.runtime.device == "CPU":
            baselines["ONNX Runtime f32"] = Onnx(place, Path(folder))
        runtime = encoder.runtime
        say(
            f"\n{model_id}: {runtime.library}, {runtime.device}, {runtime.precision},"
            f" batch {encoder.batch}; the others: batch {BATCH}"
        )
        say(processor())
        titles = "".join(f"{name:>20}{'ours is':>10}" for name in baselines)
        say(f"{'images a second':<34}{'ours':>8}{titles}")
        for job in _jobs(encoder, baselines, Path(folder)):
            ours, *others = _alternate(job, rounds)
            cells = "".join(f"{other:>20.1f}{ours / other:>9.1f}x" for other in others)
            say(f"{job.name:<34}{ours:>8.1f}{cells}")


def _jobs(encoder: Encoder, baselines: dict[str, Plain], folder: Path) -> Iterator[_Job]:
    recipe = encoder.recipe.pixels
    if recipe is not None:
        shape = (8 * BATCH, recipe.height, recipe.width, 3)
        noise = np.random.default_rng(0).integers(0, 256, shape, dtype=np.uint8)
        rows = [(row,) for row in noise]
        floats = next(iter(baselines.values())).floats(noise).split(BATCH)  # the same for all
        sides: _Sides = {
            "ours": lambda: [encoder.vectors(batch) for batch in batched(rows, encoder.batch)]
        }
        for name, plain in baselines.items():
            sides[name] = lambda plain=plain: list(map(plain.tower, floats))  # type: ignore[misc]
        yield _Job("bare image tower", len(noise), sides)
    for name, size, number in (("640 x 480", (640, 480), 128), ("12 megapixel", (4000, 3000), 64)):
        files = jpegs(folder / name.replace(" ", ""), size, number)
        sources = [source_of(file) for file in files]
        sides = {"ours": lambda sources=sources: list(encode(encoder, sources))}  # type: ignore[misc]
        for title, plain in baselines.items():
            sides[title] = lambda plain=plain, files=files: plain.files(files)  # type: ignore[misc]
        yield _Job(f"{name} JPEG files to vectors", number, sides)


def _alternate(job: _Job, rounds: int) -> list[float]:
    """Return each side's median of images per second, after one warm-up."""
    rates: dict[str, list[float]] = {name: [] for name in job.sides}
    for turn in range(rounds + 1):
        for name, run in job.sides.items():
            start = time.perf_counter()
            run()
            if turn:
                rates[name].append(job.images / (time.perf_counter() - start))
    return [statistics.median(each) for each in rates.values()]
