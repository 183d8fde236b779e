"""Encoding speed against the usual way: plain transformers in float32.

Both alternate in one process on the same images. Speeds vary between runs; compare the ratio.
"""

import statistics
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from components.bench.baseline import BATCH, Plain, jpegs, located
from components.bench.measure import Say
from components.encoder import Encoder, batched, encode, load
from components.images import source_of


@dataclass(frozen=True)
class _Job:
    name: str
    images: int
    ours: Callable[[], object]
    other: Callable[[], object]


def speed(model_id: str, rounds: int, say: Say) -> None:
    """Print images a second of the bare image tower and from files, ours and the baseline's."""
    with located(model_id) as place, tempfile.TemporaryDirectory() as folder:
        encoder, plain = load(place), Plain(place)
        runtime = encoder.runtime
        say(
            f"\n{model_id}: {runtime.library}, {runtime.device}, {runtime.precision},"
            f" batch {encoder.batch}; plain torch: batch {BATCH}"
        )
        say(f"{'images a second':<34}{'ours':>8}{'plain torch f32':>17}{'ratio':>8}")
        bare = 0.0
        for job in _jobs(encoder, plain, Path(folder)):
            ours, other = _alternate(job, rounds)
            bare = bare or ours
            share = f"  ({ours / bare:.0%} of our bare tower)" if ours != bare else ""
            say(f"{job.name:<34}{ours:>8.1f}{other:>17.1f}{ours / other:>7.1f}x{share}")


def _jobs(encoder: Encoder, plain: Plain, folder: Path) -> Iterator[_Job]:
    recipe = encoder.recipe.pixels
    if recipe is not None:
        shape = (8 * BATCH, recipe.height, recipe.width, 3)
        noise = np.random.default_rng(0).integers(0, 256, shape, dtype=np.uint8)
        rows, floats = [(row,) for row in noise], plain.floats(noise)
        yield _Job(
            "bare image tower",
            len(noise),
            lambda: [encoder.vectors(batch) for batch in batched(rows, encoder.batch)],
            lambda: [plain.tower(batch) for batch in floats.split(BATCH)],
        )
    for name, size, number in (("640 x 480", (640, 480), 128), ("12 megapixel", (4000, 3000), 64)):
        files = jpegs(folder / name.replace(" ", ""), size, number)
        sources = [source_of(file) for file in files]
        yield _Job(
            f"{name} JPEG files to vectors",
            number,
            lambda sources=sources: list(encode(encoder, sources)),  # type: ignore[misc]
            lambda files=files: plain.files(files),  # type: ignore[misc]
        )


def _alternate(job: _Job, rounds: int) -> tuple[float, float]:
    """Return the medians of images a second, ours and the baseline's, after one warm-up each."""
    rates: dict[bool, list[float]] = {True: [], False: []}
    for turn in range(rounds + 1):
        for is_ours in (True, False):
            start = time.perf_counter()
            (job.ours if is_ours else job.other)()
            if turn:
                rates[is_ours].append(job.images / (time.perf_counter() - start))
    return statistics.median(rates[True]), statistics.median(rates[False])
