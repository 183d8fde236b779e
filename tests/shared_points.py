"""Ends the publication, or the opening, of a shared collection at each of its file operations.

    python -m tests.shared_points publish|open FOLDER

A forked process ends there, as by a kill; then the work is done again. Prints the number of points;
an AssertionError names the point that did not hold. A process of its own: see `crash_points`.
"""

import os
import shutil
import sys
from collections.abc import Callable
from contextlib import suppress
from itertools import count
from pathlib import Path

import numpy as np

from components.collection import writer
from components.collection.build import BuildJob, build
from components.collection.manifest import File, Manifest
from components.collection.shared import cache, publish
from components.collection.sources.source import SourceSpec
from components.collection.store import open_folder
from tests.crash_points import KILLED, Operations, State, kill
from tests.standin import stand_in, tiny_images


class Trial:
    """A collection of which two states are published in a folder, and a third one is built."""

    def __init__(self, folder: Path) -> None:
        self.builder, self.reader = folder / "builder", folder / "reader"
        self.place, self.before = folder / "place", folder / "before"
        os.environ["CAPTIONLENS_SHARED_COLLECTIONS"] = str(self.place)
        writer.SHARD_ROWS = 2
        self.place.mkdir()
        self.manifests: list[Manifest] = []
        self.states: list[State] = []
        for number in range(3):
            self._build(tiny_images(folder / "images", 3 + number))
            if number < 2:
                publish("mine", str(self.place))
                self.states.append(self.read())
        shutil.copytree(self.place, self.before)

    def _build(self, images: Path) -> None:
        self.become(self.builder)
        source = SourceSpec("folder", str(images))
        self.manifests.append(build(BuildJob("mine", source), stand_in()).manifest)

    def become(self, data: Path) -> None:
        os.environ["CAPTIONLENS_DATA"] = str(data)

    def read(self, fresh: bool = True) -> State:
        """Return what a reader finds; one with an empty cache where it is ``fresh``."""
        self.become(self.reader)
        if fresh:
            shutil.rmtree(self.reader, ignore_errors=True)
        collection = open_folder("mine")
        ids = collection.ids(np.arange(len(collection)))
        vectors = collection.vectors(ids)
        state = {
            id_: (vector.tobytes(), collection.thumbnail(id_))
            for id_, vector in zip(ids, vectors, strict=True)
        }
        self.become(self.builder)
        return state

    def files(self) -> set[str]:
        """Return the names of all files in the place."""
        return {path.name for path in self.place.rglob("*") if path.is_file()}


def killed(work: Callable[[], object], operations: Operations, number: int) -> bool:
    """Do the work in a forked process that ends at an operation; return whether it got there."""
    child = os.fork()
    if not child:
        operations.arm(number, kill)
        with suppress(BaseException):
            work()
            os._exit(0)
        os._exit(1)
    code = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    assert code in (0, KILLED), f"the work ended with {code}"
    return code == KILLED


def publish_at(trial: Trial, operations: Operations, number: int) -> bool:
    """Publish the third state, ended at an operation; return False where there are not so many."""
    shutil.rmtree(trial.place)
    shutil.copytree(trial.before, trial.place)
    trial.become(trial.builder)
    reached = killed(lambda: publish("mine", str(trial.place)), operations, number)
    new = [s for s in (trial.read(),) if s not in trial.states[:2]]
    assert all(len(state) == 5 for state in new), "a reader finds a state that nobody published"
    publish("mine", str(trial.place))
    assert len(trial.read()) == 5
    needed = {file.sha256 for state in trial.manifests[1:] for file in state.files}
    assert trial.files() == {"manifest.json", "previous.json"} | needed
    return reached


def open_at(trial: Trial, operations: Operations, number: int) -> bool:
    """Open the second state with an empty cache, ended at an operation; then open it."""
    shutil.rmtree(trial.reader, ignore_errors=True)
    trial.become(trial.reader)
    reached = killed(lambda: open_folder("mine"), operations, number)
    assert trial.read(fresh=False) == trial.states[1]
    trial.read(fresh=False)  # sweeps
    kept = {path.name for path in (trial.reader / "cache").iterdir() if path.is_file()}
    unneeded = {shard.thumbnails for shard in trial.manifests[1].shards}
    files: set[File] = set(trial.manifests[1].files) - unneeded
    assert {name for name in kept if name != "lock" and not name.startswith("downloading.")} == {
        file.sha256 for file in files
    }
    return reached


def main(kind: str, folder: Path) -> int:
    """Return how many operations the work has, once it was ended at each."""
    cache._ABANDONED = -1.0  # drafts of the killed are removed at once
    trial = Trial(folder)
    at, place = {"publish": (publish_at, trial.place), "open": (open_at, trial.reader)}[kind]
    operations = Operations(place)
    for number in count():
        try:
            if not at(trial, operations, number):
                return number
        except AssertionError as error:
            raise AssertionError(f"{kind} at operation {number}: {error}") from error
    raise AssertionError("unreachable")


if __name__ == "__main__":
    sys.stdout.write(f"{main(sys.argv[1], Path(sys.argv[2]))}\n")
