"""Chooses frames of a film: one a second and one at every cut, without those that show the same."""

import math
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING

from PIL import Image

from components.films.cuts import Cuts, Points, differs
from components.films.moment import clock
from components.films.opening import Facts, facts_of, is_finite, opened
from components.films.pictures import Pictures, cells, points

if TYPE_CHECKING:
    from av import Packet, VideoFrame, VideoStream
    from av.container import InputContainer

VERSION = 1  # raised where other frames are chosen, which are then sampled again
_SIDE = 640  # pixels of the longer side
_EVERY = 1.0  # seconds
_SHORTEST = 0.4  # seconds between two frames: a strobe light cuts with every frame
_STILL = 10.0  # seconds after which an image that stays the same is taken again
_KEY_EVERY = 1.05  # seconds: where key frames are no farther apart, they alone are decoded,
_KEY_LEAST = 0.7  # without those that follow each other faster
_AHEAD = 20.0  # seconds of key frames that are looked at
_CUT_OFF = 0.02  # of its length that a whole film may lack, and
_ROUNDED = 2.0  # seconds
_BROKEN = 3  # packets that cannot be decoded, and are nothing to speak of: the end of a recording


@dataclass(frozen=True)
class Position:
    """How far a film is decoded, in seconds."""

    seconds: float


@dataclass(frozen=True)
class Chosen:
    """A frame that was chosen: its time in seconds from the beginning, and its upright image."""

    seconds: float
    image: Image.Image


@dataclass(frozen=True)
class Ended:
    """The end of a film: ``problem`` is "", or says after its name what is wrong with it."""

    problem: str = ""


Step = Facts | Chosen | Position | Ended


def sample(path: Path, after: float | None = None) -> Iterator[Step]:
    """Yield the facts of a film, frames as they are chosen, where decoding is, and the end.

    ``after``: the time of a frame that was chosen before, from which on frames are chosen. Raises
    FilmError, and av.error.FFmpegError for a file that is no film.
    """
    with opened(path) as (film, seen):
        keys_only = _has_near_keys(film, seen)  # it reads packets
    with opened(path) as (film, seen):
        start = film.start_time / 1_000_000 if film.start_time else 0.0  # shown as 0 by players
        # Frames that no other frame needs are a third or more. Without the filter that smooths the
        # edges of blocks images are a little rougher, which their reduced size hides.
        seen.codec_context.skip_frame = "NONKEY" if keys_only else "NONREF"
        seen.codec_context.options = {"skip_loop_filter": "all"}
        if after is not None:
            _seek(film, start + after)
        reading = _Reading(film, seen, start, keys_only)
        choosing = _Choosing(Pictures(seen, _SIDE), after, cuts=not keys_only)
        facts: Facts | None = None
        for frame, seconds in reading.frames():
            if facts is None:
                facts = facts_of(path, film, seen, frame.rotation)
                yield facts
            yield choosing.look(frame, seconds) or Position(seconds)
        yield Ended(reading.problem(facts))


class _Reading:
    """Decodes a film, past what is damaged."""

    def __init__(
        self, film: "InputContainer", seen: "VideoStream", start: float, keys_only: bool
    ) -> None:
        self._film, self._seen, self._start, self._keys_only = film, seen, start, keys_only
        self._base = float(seen.time_base or 0)
        self._end = 0.0  # seconds that were read
        self._broken = 0  # packets

    def frames(self) -> Iterator[tuple["VideoFrame", float]]:
        """Yield frames and their seconds."""
        import av

        for packet in self._packets():
            try:
                decoded = packet.decode()
            except av.error.InvalidDataError:
                self._broken += 1
                continue
            for frame in decoded:
                if is_finite(frame.time):
                    yield frame, max(0.0, frame.time - self._start)

    def _packets(self) -> Iterator["Packet[VideoStream]"]:
        import av

        last = -math.inf
        try:
            for packet in self._film.demux(self._seen):
                begin = (packet.pts if packet.pts is not None else packet.dts or 0) * self._base
                self._end = max(self._end, begin + (packet.duration or 0) * self._base)
                is_last = packet.size == 0  # it has the decoder give what it holds
                if not self._keys_only or is_last:
                    yield packet
                elif packet.is_keyframe and begin >= last + _KEY_LEAST:
                    last = begin
                    yield packet
        except av.error.InvalidDataError:  # the container itself: what was read stays
            self._broken += 1

    def problem(self, facts: Facts | None) -> str:
        """Return what is wrong with the film, "" where nothing is."""
        if facts is None:
            return "has no image that can be decoded."
        end = self._end - self._start
        if end < facts.length - max(_ROUNDED, _CUT_OFF * facts.length):
            return f"is cut off at {clock(end)} of {clock(facts.length)}."
        return "is damaged in places, which were left out." if self._broken > _BROKEN else ""


class _Choosing:
    """Looks at frames in turn, and chooses some."""

    def __init__(self, pictures: Pictures, after: float | None, cuts: bool) -> None:
        self._pictures, self._after = pictures, after
        self._cuts = Cuts() if cuts else None
        self._due = -math.inf if after is None else after
        self._last = -math.inf  # the time of the frame that was chosen last
        self._kept: Points | None = None  # of that frame

    def look(self, frame: "VideoFrame", seconds: float) -> Chosen | None:
        """Return a frame's image where it is chosen."""
        if self._after is not None and seconds < self._after - 0.0005:
            return None
        if self._cuts is not None and self._cuts.is_cut(points(frame)):
            self._due = min(self._due, max(seconds, self._last + _SHORTEST))
        if self._cuts is not None and seconds < self._due:
            return None
        self._due = seconds + _EVERY
        image = self._pictures.image(frame)
        return self._chosen(seconds, image, cells(image))

    def _chosen(self, seconds: float, image: Image.Image, seen: Points) -> Chosen | None:
        begins = self._kept is None and self._after is not None  # it was chosen before
        still = self._kept is not None and not differs(seen, self._kept)
        if still and seconds < self._last + _STILL:
            return None
        self._kept, self._last = seen, seconds
        return None if begins else Chosen(seconds, image)


def _seek(film: "InputContainer", seconds: float) -> None:
    """Go to the key frame before a time; where the film has no list of them, stay."""
    import av

    with suppress(av.error.FFmpegError):
        film.seek(int(seconds * 1_000_000))


def _has_near_keys(film: "InputContainer", seen: "VideoStream") -> bool:
    """Return whether key frames are at most about a second apart, at the beginning and later on.

    Where the container lists its frames, the list is asked; else the first packets are read.
    """
    base = float(seen.time_base or 0)
    listed = [e.timestamp * base for e in seen.index_entries if e.is_keyframe]
    if len(seen.index_entries) > len(listed):
        return len(listed) > 1 and max(_gaps(listed)) <= _KEY_EVERY
    times: list[float] = []
    for packet in film.demux(seen):
        if packet.is_keyframe and packet.pts is not None:
            times.append(packet.pts * base)
            if times[-1] - times[0] > _AHEAD:
                break
    return len(times) > 2 and max(_gaps(times)) <= _KEY_EVERY


def _gaps(times: list[float]) -> list[float]:
    ordered = sorted(times)
    return [after - before for before, after in pairwise(ordered)]
