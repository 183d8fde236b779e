"""The frames of a folder's films. What was sampled of a film is noted, and not decoded again.

A film has a receipt in the collection's folder: the times of its frames, so that they are listed
without decoding. It is written while the film is decoded, which resumes where a receipt ends.
"""

import hashlib
import json
import stat
import threading
from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress
from dataclasses import asdict, dataclass, field, replace
from functools import cached_property
from itertools import takewhile
from pathlib import Path

from components.collection.listing import UNNAMED, is_text
from components.collection.manifest import sealed
from components.collection.sources.source import FilmPosition, Item
from components.collection.store import on_disk
from components.datasets.table import Value
from components.encoder import Skipped
from components.errors import CaptionLensError
from components.files import write_bytes
from components.films.moment import clock, frame_id
from components.films.opening import MEDIA_TYPES, Facts, FilmError
from components.films.reading import Frame, read_film
from components.films.sampler import VERSION, Ended
from components.images import ImageError, Source, source_of, walk_images

_NOTE_EVERY = 32  # frames: fewer than an encoder has waiting, so that what is stored is noted;
_NOTE_SHARE = 64  # or a 64th of a long film's, so that noting ten hours is not most of the work
_LENGTHS = ((60, "under 1 minute"), (600, "1 to 10 minutes"), (3600, "10 to 60 minutes"))
_LONGEST = "over an hour"


@dataclass(frozen=True)
class _Film:
    name: str  # its path relative to the folder
    path: Path
    size: int
    signature: str


@dataclass(frozen=True)
class _Receipt:
    """What is known of a film: ``complete`` once all of it was sampled."""

    signature: str
    facts: Facts | None = None
    times: tuple[float, ...] = ()
    complete: bool = False
    problem: str = ""  # what is wrong with it, after its name


@dataclass
class _Progress:
    """Where reading is among the films."""

    on_position: Callable[[FilmPosition], None]
    films: int
    size: int  # bytes of all films
    number: int = 0
    before: int = 0  # bytes of the films that are done

    def tell(self, film: _Film, seconds: float, length: float) -> None:
        done = min(1.0, seconds / length) * film.size if length else 0.0
        share = (self.before + done) / max(self.size, 1)
        self.on_position(FilmPosition(film.name, self.number, self.films, seconds, length, share))


@dataclass(frozen=True)
class Films:
    """A Growing source: the frames of the films of a folder and its subfolders.

    ``receipts`` is the folder of what is known of them; ``stop`` ends decoding.
    """

    location: str
    receipts: Path
    stop: threading.Event = field(default_factory=threading.Event)

    def items(self) -> Iterator[Item | Skipped]:
        """Yield the frames that are known, without data, and what is wrong with films.

        Raises CaptionLensError where there is no folder.
        """
        for film in self._films:
            if isinstance(film, Skipped):
                yield film
                continue
            receipt = self._receipt(film)
            yield from (_item(film, receipt, seconds) for seconds in receipt.times)
            if receipt.problem:
                yield _skipped(film, receipt)

    def pending(
        self, is_known: Callable[[Item], bool], on_position: Callable[[FilmPosition], None]
    ) -> Iterator[Item | Skipped]:
        """Decode what is not complete; yield its frames from the first one that is not known."""
        films = [film for film in self._films if isinstance(film, _Film)]
        progress = _Progress(on_position, len(films), sum(film.size for film in films))
        for film in films:
            progress.number += 1
            yield from self._rest(film, is_known, progress)
            if self.stop.is_set():
                return
            progress.before += film.size
        self._tidy(films)

    @cached_property
    def _films(self) -> list[_Film | Skipped]:
        folder = Path(self.location).expanduser()
        if not folder.is_dir():
            raise CaptionLensError(f"{folder.name or folder} is not a folder.")
        found = walk_images(folder, MEDIA_TYPES)
        return [_film(folder, each) for each in found]

    def _rest(
        self, film: _Film, is_known: Callable[[Item], bool], progress: _Progress
    ) -> Iterator[Item | Skipped]:
        receipt = self._receipt(film)
        items = (_item(film, receipt, seconds) for seconds in receipt.times)
        stored = sum(1 for _ in takewhile(is_known, items))
        if receipt.complete and stored == len(receipt.times):
            return
        note = _Note(self._file(film), replace(receipt, times=(), complete=False, problem=""))
        note.times += receipt.times[:stored]
        try:
            yield from self._decoded(film, note, progress)
        except FilmError as error:  # its receipt stays open: the next build tries again
            yield Skipped(source_of(b"", film.name), str(error))
        finally:
            note.write()

    def _decoded(self, film: _Film, note: "_Note", progress: _Progress) -> Iterator[Item | Skipped]:
        """Decode a film from the last noted frame on."""
        for part in read_film(film.path, note.times[-1] if note.times else None, self.stop):
            if isinstance(part, Facts):
                note.receipt = replace(note.receipt, facts=note.receipt.facts or part)
            elif isinstance(part, Ended):
                note.receipt = replace(note.receipt, complete=True, problem=part.problem)
                if part.problem:
                    yield _skipped(film, note.receipt)
            else:
                length = note.receipt.facts.length if note.receipt.facts else 0.0
                progress.tell(film, part.seconds, length)
                if isinstance(part, Frame):
                    note.add(part.seconds)
                    yield _item(film, note.receipt, part.seconds, part.jpeg)

    def _file(self, film: _Film) -> Path:
        return self.receipts / f"{hashlib.sha256(film.name.encode()).hexdigest()[:24]}.json"

    def _receipt(self, film: _Film) -> _Receipt:
        """Return what is known of a film: nothing where it changed, or its receipt is damaged."""
        with suppress(OSError, ValueError, KeyError, TypeError):
            data = json.loads(self._file(film).read_bytes())
            if data.pop("sha256") == sealed(data) and data["signature"] == film.signature:
                facts = Facts(**data.pop("facts")) if data["facts"] else data.pop("facts")
                return _Receipt(facts=facts, **{**data, "times": tuple(data["times"])})
        return _Receipt(film.signature)

    def _tidy(self, films: Iterable[_Film]) -> None:
        """Delete the receipts of films that are gone."""
        kept = {self._file(film) for film in films}
        for file in self.receipts.glob("*.json"):
            if file not in kept:
                file.unlink(missing_ok=True)


@dataclass
class _Note:
    """A receipt that is being written."""

    file: Path
    receipt: _Receipt
    times: list[float] = field(default_factory=list)
    written: int = 0  # frames

    def add(self, seconds: float) -> None:
        """Note a frame."""
        self.times.append(round(seconds, 3))
        if len(self.times) - self.written >= max(_NOTE_EVERY, len(self.times) // _NOTE_SHARE):
            self.write()

    def write(self) -> None:
        """Replace the receipt on the disk."""
        self.written = len(self.times)
        data = {**asdict(self.receipt), "times": self.times}  # asdict would copy each of them
        with on_disk(self.file.parent.parent.name):
            write_bytes(self.file, json.dumps({**data, "sha256": sealed(data)}).encode())


def _film(folder: Path, found: Source | ImageError) -> _Film | Skipped:
    if isinstance(found, ImageError):
        return Skipped(source_of(b"", folder.name), str(found))
    assert isinstance(found.data, Path)  # noqa: S101 - a folder holds files
    try:
        status = found.data.stat()
    except OSError as error:
        return Skipped(found, f"{found.name} cannot be read: {error.strerror}.")
    if not stat.S_ISREG(status.st_mode):  # reading a pipe would never end
        return Skipped(found, f"{found.name} is not a file.")
    name = str(found.data.relative_to(folder))
    if not is_text(name):
        return Skipped(found, f"{found.name}: {UNNAMED}")
    signature = f"{status.st_size}-{status.st_mtime_ns} sampled-{VERSION}"
    return _Film(name, found.data.absolute(), status.st_size, signature)


def _skipped(film: _Film, receipt: _Receipt) -> Skipped:
    source = source_of(b"", film.name)
    return Skipped(source, f"{source.name} {receipt.problem}")


def _item(film: _Film, receipt: _Receipt, seconds: float, jpeg: bytes = b"") -> Item:
    facts = receipt.facts
    assert facts is not None  # noqa: S101 - frames follow the facts
    return Item(
        frame_id(film.name, seconds),
        source_of(jpeg, f"{film.name} {clock(seconds)}"),
        film.signature,
        str(film.path),
        _metadata(film, facts, seconds),
        facts.container,
    )


def _metadata(film: _Film, facts: Facts, seconds: float) -> dict[str, Value]:
    return {
        "film": film.name,
        "seconds": round(seconds, 3),
        "film_seconds": round(facts.length, 3) or None,
        "length": _length(facts.length) if facts.length else None,
        "width": facts.width,
        "height": facts.height,
        "taken": facts.created or None,
        "year": int(facts.created[:4]) if facts.created else None,
    }


def _length(seconds: float) -> str:
    return next((name for most, name in _LENGTHS if seconds < most), _LONGEST)
