"""Ends a build at each of its file operations in turn, and builds again.

    python -m tests.crash_points build|update|rebuild kill|full FOLDER

"kill" ends a forked process there, "full" lets this and every later write fail as on a full disk.
Prints the number of points; an AssertionError names the point that did not hold. A process of its
own, because an audit hook cannot be removed, and because forking suits no process with threads.
"""

import errno
import os
import shutil
import sys
from collections.abc import Callable
from contextlib import suppress
from itertools import count
from pathlib import Path

import numpy as np

from components.collection import chunks, writer
from components.collection.build import BuildJob, build
from components.collection.manifest import folder_of
from components.collection.sources.source import SourceSpec
from components.collection.store import open_folder, verify
from components.errors import CaptionLensError
from tests.standin import stand_in, tiny_images

KILLED = 9
WRITING = os.O_WRONLY | os.O_RDWR | os.O_CREAT
CHANGES = ("os.rename", "os.remove", "os.mkdir", "os.truncate")
State = dict[str, tuple[bytes, bytes]]  # id -> vector and thumbnail


class Operations:
    """Counts the changes of files below a folder, and calls ``act`` at the n-th and later ones."""

    def __init__(self, folder: Path) -> None:
        self._folder = str(folder)
        self._left = -1  # operations before the first that is acted on; negative: none is
        self._act: Callable[[str], None] = lambda event: None
        sys.addaudithook(self._audit)
        os.fsync = self._fsync  # type: ignore[assignment] # called with descriptors alone

    def arm(self, number: int, act: Callable[[str], None]) -> None:
        self._left, self._act = number, act

    def disarm(self) -> bool:
        """Return whether an operation was acted on; later ones are left alone."""
        reached, self._left = self._left == 0, -1
        return reached

    def _audit(self, event: str, arguments: tuple[object, ...]) -> None:
        writes = event == "open" and isinstance(arguments[2], int) and arguments[2] & WRITING
        if self._left >= 0 and (writes or event in CHANGES) and self._concerns(arguments[0]):
            self._count(event)

    def _fsync(self, descriptor: int) -> None:
        file = Path(f"/proc/self/fd/{descriptor}")
        if self._left >= 0 and self._concerns(file.readlink()):
            size = file.stat().st_size if file.is_file() else 0
            if size and self._left == 0:
                os.truncate(file, size - 3)  # ended in the middle of the last write
            if size:
                self._count("write")
            self._count("fsync")

    def _concerns(self, path: object) -> bool:
        return isinstance(path, str | os.PathLike) and os.fspath(path).startswith(self._folder)

    def _count(self, event: str) -> None:
        if self._left == 0:
            self._act(event)
        else:
            self._left -= 1


def kill(event: str) -> None:
    os._exit(KILLED)


def fill(event: str) -> None:
    if event not in {"os.rename", "os.remove"}:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))


class Trial:
    """A build of one kind, in a folder of its own."""

    def __init__(self, kind: str, folder: Path) -> None:
        self.data, self.before, images = folder / "data", folder / "before", folder / "images"
        self.images = tiny_images(images, 3)
        os.environ["CAPTIONLENS_DATA"] = str(self.data)
        writer.SHARD_ROWS = chunks._IMAGES = 2
        self.operations = Operations(self.data)
        self.data.mkdir()
        source = SourceSpec("folder", str(images))
        self.job, self.encoder = BuildJob("mine", source, kind == "rebuild"), stand_in()
        if kind != "build":
            build(BuildJob("mine", source), self.encoder)
        self.old = self.state()
        shutil.copytree(self.data, self.before)
        if kind == "update":
            (images / "00.png").unlink()
            shutil.move(images / "02.png", images / "01.png")
            tiny_images(images, 1, first=3)
        if kind == "rebuild":
            self.encoder = stand_in("another")
        build(self.job, self.encoder)
        self.new = self.state()

    def state(self) -> State | None:
        """Return what a reader finds, None where nothing is published."""
        try:
            collection = open_folder("mine")
        except CaptionLensError as error:
            assert "damaged" not in str(error), error
            return None
        rows = np.arange(len(collection))
        vectors = collection.matrix.rows(rows)
        assert collection.table.num_rows == len(rows)
        return {
            id_: (vectors[row].tobytes(), collection.thumbnail_at(row))
            for row, id_ in enumerate(collection.ids(rows))
        }

    def end_at(self, number: int, how: str) -> bool:
        """Build, ended at an operation; return False where there are not so many."""
        shutil.rmtree(self.data)
        shutil.copytree(self.before, self.data)
        reached = self._kill(number) if how == "kill" else self._fill(number)
        assert self.state() in (self.old, self.new), "a reader finds a state of neither build"
        build(self.job, self.encoder)
        assert self.state() == self.new
        assert verify("mine") == []
        manifest = open_folder("mine").manifest
        names = {file.name for file in manifest.files} | {"manifest.json", "lock"}
        assert {path.name for path in folder_of("mine").iterdir()} == names
        return reached

    def _kill(self, number: int) -> bool:
        child = os.fork()
        if not child:
            self.operations.arm(number, kill)
            with suppress(BaseException):
                build(self.job, self.encoder)
                os._exit(0)
            os._exit(1)
        code = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
        assert code in (0, KILLED), f"the build ended with {code}"
        return code == KILLED

    def _fill(self, number: int) -> bool:
        self.operations.arm(number, fill)
        try:
            build(self.job, self.encoder)
        except CaptionLensError as error:
            assert "No space left on device" in str(error), error
        finally:
            reached = self.operations.disarm()
        return reached


def main(kind: str, how: str, folder: Path) -> int:
    """Return how many operations a build has, once it was ended at each: on a full disk, at half.

    There the later operations fail as well, so that neighbours differ little.
    """
    trial = Trial(kind, folder)
    for number in count(0, 1 if how == "kill" else 2):
        try:
            if not trial.end_at(number, how):
                return number
        except AssertionError as error:
            raise AssertionError(f"{kind}, {how} at operation {number}: {error}") from error
    raise AssertionError("unreachable")


if __name__ == "__main__":
    sys.stdout.write(f"{main(sys.argv[1], sys.argv[2], Path(sys.argv[3]))}\n")
