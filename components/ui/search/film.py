"""A film in the large view: played at the moment that was found, with its score along the time."""

import re
import tempfile
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path

import numpy as np
import streamlit as st

from components.collection.collection import Collection, Found
from components.collection.query import Query
from components.collection.records import Record
from components.collection.search import WITHIN, SearchResult, hits
from components.errors import CaptionLensError
from components.films.frame import clip, frame_at
from components.films.moment import clock, film_of, is_of, moments
from components.films.opening import MEDIA_TYPES
from components.images import Source, source_of
from components.newest import keep
from components.output.export import to_zip
from components.output.moments import (
    EDL_RATE,
    EDL_RATES,
    Moment,
    chapter_files,
    moments_of,
    to_chapters,
    to_edl,
)
from components.scores import Floats
from components.server import media
from components.ui.grid import Film, Line, stage
from components.ui.text import plain

BEST = 12  # moments in the strip of a film
_CLIP = 30.0  # seconds
_LONGEST = 60  # seconds that the frames of a moment may be apart
_TIME = r"((?:\d{1,4}:){0,2}\d{1,5}(?:\.\d{1,3})?|)"
_SPAN = re.compile(rf"{_TIME}(?:-|\u2013|\.\.){_TIME}", re.ASCII)
_CLIPS = 20  # kept as files
_CLIP_FILE = "clip.mp4"
_TIMELINE = "search_timeline"
MOMENT = "moment"  # the selection of the chart, with the field "seconds"
_REFUSED = 200  # addresses that a session keeps
_UNPLAYABLE = "search_film_unplayable"  # in the session: addresses that its browser cannot play
_SEEKS = "search_film_seeks"  # in the session: how often a moment was opened
_HELP = {
    "EDL": "The moments after each other, best first, for editing programs (CMX 3600)",
    "Chapters": "The moments of each film, for ffmpeg, which puts them into MP4 and Matroska files",
}


class FilmMissing(CaptionLensError):  # noqa: N818 - a state, not a failure
    """A film that cannot be played from where it was indexed."""


def nouns(collection: Collection) -> tuple[str, str]:
    """Return what a collection's images and its results are called."""
    return collection.manifest.source.noun, "moment" if has_films(collection) else "result"


def choose_within(collection: Collection) -> float:
    """Draw the slider of how far the frames of a moment are apart; 0 without films."""
    if not has_films(collection):
        return 0.0
    return float(
        st.slider(
            "Fold frames of a film within (seconds)",
            0,
            _LONGEST,
            round(WITHIN),
            key="search_within",
            bind="query-params",
            help="Frames this near to a better one are shown with it as one moment. 0 shows all.",
        )
    )


def time_filter(collection: Collection) -> dict[str, list[str]]:
    """Draw the field for a part of each film; return it as a filter, nothing where it is empty."""
    if not has_films(collection):
        return {}
    text = st.text_input(
        "Time within the film",
        key="search_time",
        bind="query-params",
        placeholder="0:30-2:00",
        help="From and to, in hours, minutes and seconds: 0:30-2:00, or 1:00:00- for the rest",
    )
    if not text:
        return {}
    span = _SPAN.fullmatch(text.replace(" ", ""))
    if span is None or not (span[1] or span[2]):
        st.warning(
            "Write the time as from-to in minutes and seconds, such as 0:30-2:00.",
            icon=":material/schedule:",
        )
        return {}
    return {"seconds": [f"{_seconds(span[1])}..{_seconds(span[2])}"]}


def _seconds(written: str) -> str:
    """Return "1:02:03" as seconds, "" as it is."""
    total = 0.0
    for part in filter(None, written.split(":")):
        total = 60 * total + float(part)
    return f"{total}" if written else ""


def has_films(collection: Collection) -> bool:
    """Return whether a collection's images are frames of films."""
    return collection.manifest.source.has_films


def moment_of(collection: Collection, id_: object) -> tuple[str, float] | None:
    """Return the film and the second of a frame; None for an image of another collection."""
    return film_of(str(id_)) if has_films(collection) else None


def frame_source(record: Record, film: str, seconds: float) -> Source:
    """Return a frame in full size, read from its film when it is needed."""
    path = Path(str(record["location"]))
    return source_of(partial(frame_at, path, seconds), f"{film}-{seconds:.3f}.jpg")


def seek() -> None:
    """Have the player go to its moment, though it may be the same again; for callbacks."""
    st.session_state[_SEEKS] = st.session_state.get(_SEEKS, 0) + 1


def tell_time(collection: Collection, record: Record) -> None:
    """Draw the time of a frame and the length of its film; nothing for another image."""
    if moment := moment_of(collection, record["id"]):
        length = record.get("film_seconds")
        of = f" of {clock(length)}" if isinstance(length, int | float) else ""
        st.caption(f"At {clock(moment[1])}{of}")


def play(
    collection: Collection,
    record: Record,
    position: tuple[int, int],
    key: str,
    on_move: Callable[[int], None],
) -> None:
    """Draw the film of a frame in the browser's player, or the thumbnail and why it cannot be."""
    id_, note, film = str(record["id"]), "", None
    name, seconds = moment_of(collection, id_) or ("", 0.0)
    try:
        film, note = _playable(Path(str(record["location"])), name, seconds)
    except CaptionLensError as error:
        note = f"Thumbnail shown instead. {error}"
    if note:
        st.caption(f":material/info: {plain(note)}")
    alt = f"{name} at {clock(seconds)}"
    stage(collection.thumbnail(id_), alt, position, key, on_move, film=film)


def _playable(path: Path, name: str, seconds: float) -> tuple[Film, str]:
    """Return the film as this browser plays it, whole or a clip, and a sentence on a clip.

    Raises CaptionLensError where it is neither.
    """
    address = media.of_file(_there(path, name), MEDIA_TYPES[_suffix(path)])
    if address not in _unplayable():
        return _film(address, seconds), ""
    folder = _clip(path, path.stat().st_mtime_ns, seconds)
    address = media.of_file(Path(folder.name) / _CLIP_FILE, "video/mp4")
    if address in _unplayable():
        raise FilmMissing(f"This browser plays neither {name} nor a clip of it.")
    note = f"A clip from {clock(seconds)} on: this browser cannot play {name} itself."
    return _film(address, 0.0), note


def _there(path: Path, name: str) -> Path:
    """Return the real place of a film. Raises FilmMissing where there is none any more.

    A collection made by others may name any file: only films are handed out.
    """
    try:
        place = path.resolve(strict=True)
        there = place.is_file() and {_suffix(place), _suffix(path)} <= MEDIA_TYPES.keys()
    except (OSError, ValueError, RuntimeError):  # a null byte, a circular link
        there = False
    if not there:
        raise FilmMissing(
            f"{name} is not in its folder on this computer. Put it there to play it, or update the"
            " collection if it was moved."
        )
    return place


def _suffix(path: Path) -> str:
    return path.suffix.lower().removeprefix(".")


def _unplayable() -> dict[str, bool]:
    refused: dict[str, bool] = st.session_state.setdefault(_UNPLAYABLE, {})
    return refused


def _film(address: str, start: float) -> Film:
    seeks = int(st.session_state.get(_SEEKS, 0))
    return Film(address, start, seeks, _refuse)


def _refuse(address: str) -> None:
    keep(_unplayable(), address, True, _REFUSED)


@st.cache_resource(
    max_entries=_CLIPS,
    show_spinner="Making a clip that this browser plays",
    on_release=lambda folder: folder.cleanup(),
)
def _clip(path: Path, modified: int, seconds: float) -> "tempfile.TemporaryDirectory[str]":
    """Return a folder with a clip, which is there until newer ones are made."""
    made = clip(path, seconds, _CLIP)
    folder = tempfile.TemporaryDirectory(prefix="captionlens-")
    (Path(folder.name) / _CLIP_FILE).write_bytes(made)
    return folder


def show_timeline(
    collection: Collection,
    query: Query,
    record: Record,
    found: Found,
    on_open: Callable[[str], None],
) -> None:
    """Draw the cosines of a film's frames along its time; a click opens the nearest frame."""
    from components.ui.search.timeline import timeline  # pandas and Altair: for films alone

    _, at = moment_of(collection, record["id"]) or ("", 0.0)
    times = np.array([each[1] for each in map(film_of, found.ids) if each])  # (n,)
    order = np.argsort(times)
    sample = np.concatenate([collection.score_sample(query.vector), found.cosines])
    length = float(str(record.get("film_seconds") or 0.0))
    domain = float(sample.min()), float(sample.max())
    best = int(np.argmax(found.cosines))
    st.vega_lite_chart(
        timeline(times[order], found.cosines[order], at, length, domain),
        key=_TIMELINE,
        on_select=lambda: _clicked(found.ids, times, on_open),
        selection_mode=MOMENT,
        alt=f"Cosine of each frame with the query along {clock(length)} of film, highest at"
        f" {clock(float(times[best]))}",
    )
    st.caption(
        "Cosine of each frame with the query, on a scale from the lowest to the highest of the"
        " collection. A click on the chart goes to that moment; the dashed line is the current one."
    )


def _clicked(ids: Sequence[str], times: Floats, on_open: Callable[[str], None]) -> None:
    chosen = st.session_state[_TIMELINE]["selection"].get(MOMENT) or []
    if chosen:
        on_open(ids[int(np.argmin(np.abs(times - float(chosen[0]["seconds"]))))])


def strip(found: Found | None, collection: Collection, film: str) -> Found:
    """Return the moments of a film that its strip shows: its best, or without a query some."""
    if found is not None:
        best = [group[0] for group in moments(found.ids, found.cosines, WITHIN)[:BEST]]
        return Found(tuple(found.ids[row] for row in best), found.cosines[best])
    ids = [id_ for id_ in collection.browse(0, {"film": [film]}) if is_of(id_, film)]
    ids.sort(key=lambda id_: film_of(id_) or ("", 0.0))
    return Found(tuple(ids[:: -(-len(ids) // BEST)]), np.zeros(0, dtype=np.float32))


def lines(collection: Collection, id_: object) -> tuple[Line, ...]:
    """Return the film and the time of a frame, as they are written below it."""
    moment = moment_of(collection, id_)
    return (Line(moment[0], clock(moment[1])),) if moment else ()


def downloads(collection: Collection, result: SearchResult, text: str) -> None:
    """Draw the downloads of the moments for other programs; each file is made on the click."""
    title = text or collection.manifest.name
    rate = st.selectbox(
        "Frames a second of the EDL",
        EDL_RATES,
        index=EDL_RATES.index(EDL_RATE),
        format_func=lambda rate: f"{rate:g} fps",
        key="search_edl_rate",
        label_visibility="collapsed",
        width=110,
        help="Frames a second of the project that reads the EDL",
    )

    def found() -> list[Moment]:
        listed = hits(collection, result.ids, [*map(float, result.cosines)])
        return moments_of(listed, result.frames)

    one = len({each[0] for each in map(film_of, result.ids) if each}) == 1

    def chapters() -> bytes:
        files = chapter_files(to_chapters(found(), title))
        return next(iter(files.values())) if one else to_zip(files)

    for name, data, file, mime in (
        ("EDL", lambda: to_edl(found(), title, rate), "captionlens-search.edl", "text/plain"),
        (
            "Chapters",
            chapters,
            f"captionlens-chapters.{'txt' if one else 'zip'}",
            "text/plain" if one else "application/zip",
        ),
    ):
        st.download_button(
            name,
            data,
            file_name=file,
            mime=mime,
            icon=":material/download:",
            on_click="ignore",
            help=_HELP[name],
        )
