"""Moments of films as files for other programs: an edit decision list, and chapters."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from math import inf
from pathlib import PurePosixPath
from typing import Any

from components.collection.search import Hit
from components.films.moment import film_of
from components.images import source_of

EDL_RATE = 25.0  # frames a second
EDL_RATES = (23.976, 24.0, 25.0, 29.97, 30.0, 50.0, 59.94, 60.0)  # of common projects
_MOST_EVENTS = 999  # CMX3600 numbers events with three digits
_TITLE = 70  # characters of a CMX3600 title
_FIRST_HOUR = 3600.0  # seconds: where the record's time begins by custom
_REST = 2.0  # seconds that a moment goes on after its last frame


@dataclass(frozen=True)
class Moment:
    """A part of a film that a search found, from ``start`` to ``end`` in seconds.

    ``film`` is its path relative to the collection's folder, ``cosine`` that of its best frame.
    """

    film: str
    start: float
    end: float
    cosine: float


def moments_of(hits: Sequence[Hit], frames: Sequence[Sequence[str]]) -> list[Moment]:
    """Return the moments of results, in their order; results that are no frames are left out.

    ``frames``: for each result the ids of the other frames that are folded into it.
    """
    moments = []
    for hit, others in zip(hits, frames, strict=True):
        found = [each for each in map(film_of, [hit.id, *others]) if each]
        if found:
            times = [seconds for _, seconds in found]
            end = _end(max(times), hit.metadata.get("film_seconds"))
            moments.append(Moment(found[0][0], min(times), end, hit.cosine))
    return moments


def rows_of(hits: Sequence[Hit], frames: Sequence[Sequence[str]]) -> list[dict[str, Any]]:
    """Return results as rows for CSV and JSON; moments with their ``start`` and ``end``.

    ``frames``: as for `moments_of`.
    """
    rows = []
    for hit, others in zip(hits, frames, strict=True):
        found = moments_of([hit], [others])
        times = {"start": found[0].start, "end": found[0].end} if found else {}
        rows.append({**hit.flat(), **times})
    return rows


def _end(last: float, length: object) -> float:
    """Return where a moment ends: a little after its last frame, within its film."""
    end = last + _REST
    return min(end, length) if isinstance(length, int | float) and length > last else end


def to_edl(moments: Sequence[Moment], title: str, rate: float = EDL_RATE) -> str:
    """Return an edit decision list (CMX 3600) that puts the moments after each other.

    Only pictures are cut. Times count from the beginning of each file, in ``rate`` frames a second
    without dropped frames, which must be the rate of the project that reads it. The format ends at
    999 events; further moments are left out.
    """
    lines = [f"TITLE: {_line(title)[:_TITLE]}", "FCM: NON-DROP FRAME"]
    at = round(_FIRST_HOUR * rate)
    for number, moment in enumerate(moments[:_MOST_EVENTS], start=1):
        first = round(moment.start * rate)
        length = max(round(moment.end * rate) - first, 1)
        times = (first, first + length, at, at + length)
        codes = " ".join(_timecode(frames, rate) for frames in times)
        lines += [
            "",
            f"{number:03}  AX       V     C        {codes}",
            f"* FROM CLIP NAME: {PurePosixPath(_line(moment.film)).name}",
            f"* SOURCE FILE: {_line(moment.film)}",
            f"* COMMENT: COSINE {moment.cosine:.3f}",
        ]
        at += length
    return "\r\n".join([*lines, ""])


def _timecode(frames: int, rate: float) -> str:
    """Return a count of frames as HH:MM:SS:FF; 23.976 counts to 24, as editors do."""
    seconds, rest = divmod(frames, round(rate))
    return f"{seconds // 3600:02}:{seconds // 60 % 60:02}:{seconds % 60:02}:{rest:02}"


def _line(text: str) -> str:
    """Return a text without what would begin another line, or turn it round on a screen."""
    return " ".join("".join(mark if mark.isprintable() else " " for mark in text).split())


def to_chapters(moments: Sequence[Moment], title: str) -> dict[str, str]:
    """Return the moments of each film as chapters, by film: a file of FFmpeg metadata each.

    The format is what `ffmpeg -i FILM -i FILE -map_chapters 1 -codec copy OUT` puts into MP4 and
    Matroska files (https://ffmpeg.org/ffmpeg-formats.html#Metadata-2). ``title``: the query.
    """
    films = dict.fromkeys(moment.film for moment in moments)
    return {
        film: _chapters([each for each in moments if each.film == film], title) for film in films
    }


def _chapters(moments: Sequence[Moment], title: str) -> str:
    lines = [";FFMETADATA1"]
    ordered = sorted(moments, key=lambda each: each.start)
    limits = [later.start for _, later in pairwise(ordered)]  # a chapter ends where the next begins
    for moment, limit in zip(ordered, [*limits, inf], strict=True):
        name = f"{_line(title)} (cosine {moment.cosine:.3f})".strip()
        lines += [
            "[CHAPTER]",
            "TIMEBASE=1/1000",
            f"START={round(moment.start * 1000)}",
            f"END={round(min(moment.end, limit) * 1000)}",
            f"title={_escaped(name)}",
        ]
    return "\n".join([*lines, ""])


def _escaped(text: str) -> str:
    return "".join(f"\\{mark}" if mark in "=;#\\" else mark for mark in text)


def chapter_files(chapters: Mapping[str, str]) -> dict[str, bytes]:
    """Return the files of `to_chapters` by a name that is safe in an archive."""
    return {
        f"{source_of(b'', film).name}.chapters.txt": text.encode()
        for film, text in chapters.items()
    }
