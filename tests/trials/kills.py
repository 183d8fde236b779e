"""Kills real `cli.py index build` runs at random times, resumes them, and compares the result.

    python -m tests.trials.kills --minutes 10

Every trial builds the same images in a new folder: each run is killed by SIGKILL after a random
time, until one ends by itself. What it published must be what a calm build publishes.
"""

import argparse
import os
import random
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
from PIL import Image

from components.collection.store import open_folder, verify
from components.settings import ROOT

State = dict[str, tuple[bytes, bytes]]  # id -> vector and thumbnail
_IMAGES = 400
_NAME = "mine"


def main() -> None:
    """Run trials for some minutes and say how many kills were survived."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--minutes", type=float, default=10.0)
    parser.add_argument("--images", type=int, default=_IMAGES)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        trials, kills = run(Path(folder), options.minutes, options.images)
    sys.stdout.write(f"kills: {kills:,} in {trials:,} builds of {options.images:,} images\n")


def run(folder: Path, minutes: float, count: int) -> tuple[int, int]:
    """Return how many builds were made, and how many kills these survived."""
    images = _write_images(folder / "images", count)
    started = time.monotonic()
    _build(images, folder / "calm", None)
    seconds = time.monotonic() - started  # of a calm build, with the start of the interpreter
    calm = _state(folder / "calm")
    assert len(calm) == count
    end, seed = time.monotonic() + minutes * 60, time.time_ns() % 2**32
    rng = random.Random(seed)  # noqa: S311 - any times will do
    trials = kills = 0
    while time.monotonic() < end:
        data = folder / "killed"
        shutil.rmtree(data, ignore_errors=True)
        patience = seconds  # grows, because the machine may have become slower meanwhile
        while not _build(images, data, rng.uniform(0.2, 1) * patience):
            kills, patience = kills + 1, patience * 1.1
        where = f"after {kills} kills, seed {seed}"
        assert verify(_NAME) == [], where
        assert _state(data) == calm, where
        trials += 1
    return trials, kills


def _build(images: Path, data: Path, seconds: float | None) -> bool:
    """Return whether a build ended by itself; it is killed after ``seconds``."""
    command = [sys.executable, "cli.py", "index", "build", "folder", str(images)]
    try:
        done = subprocess.run(
            [*command, "--name", _NAME, "--data-dir", str(data)],
            cwd=ROOT,
            env={**os.environ, "OMP_NUM_THREADS": "1"},
            capture_output=True,
            text=True,
            timeout=seconds,
            check=False,
        )
    except subprocess.TimeoutExpired:  # subprocess.run kills the process by SIGKILL
        return False
    assert done.returncode == 0, done.stderr
    return True


def _state(data: Path) -> State:
    """Return what a reader finds in the collection that was built."""
    os.environ["CAPTIONLENS_DATA"] = str(data)
    collection = open_folder(_NAME)
    rows = np.arange(len(collection))
    vectors = collection.matrix.rows(rows)
    ids = collection.ids(rows)
    assert len(set(ids)) == len(ids)
    return {
        id_: (vector.tobytes(), collection.thumbnail_at(row))
        for row, (id_, vector) in enumerate(zip(ids, vectors, strict=True))
    }


def _write_images(folder: Path, count: int) -> Path:
    folder.mkdir()
    for number in range(count):
        rng = np.random.default_rng(number)
        small = Image.fromarray(rng.integers(0, 256, (6, 8, 3), dtype=np.uint8))
        small.resize((320, 240), Image.Resampling.BICUBIC).save(folder / f"{number:05}.jpg")
    return folder


if __name__ == "__main__":
    main()
