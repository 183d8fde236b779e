"""Moments of films as files: an edit decision list, and chapters that FFmpeg reads."""

import re
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest

from components.collection.records import Record
from components.collection.search import Hit
from components.output.moments import (
    Moment,
    chapter_files,
    moments_of,
    rows_of,
    to_chapters,
    to_edl,
)

_EVENT = re.compile(
    r"(\d{3})  AX       V     C        "
    r"(\d\d:\d\d:\d\d:\d\d) (\d\d:\d\d:\d\d:\d\d) (\d\d:\d\d:\d\d:\d\d) (\d\d:\d\d:\d\d:\d\d)"
)


def hit(rank: int, id_: str, cosine: float, length: float = 100.0) -> Hit:
    film, _, seconds = id_.partition("#t=")
    about: Record = (
        {"film": film, "seconds": float(seconds), "film_seconds": length} if seconds else {}
    )
    return Hit(rank, id_, id_, cosine, about)


def events(edl: str) -> list[tuple[str, ...]]:
    return [match.groups() for match in _EVENT.finditer(edl)]


def test_a_moment_is_as_long_as_its_frames() -> None:
    hits = [
        hit(1, "a.mp4#t=12.000", 0.6),
        hit(2, "b/c.mkv#t=99.500", 0.5),
        hit(3, "photo.jpg", 0.4),
    ]
    found = moments_of(hits, [["a.mp4#t=15.000", "a.mp4#t=9.000"], [], []])
    assert found == [Moment("a.mp4", 9.0, 17.0, 0.6), Moment("b/c.mkv", 99.5, 100.0, 0.5)]
    rows = rows_of(hits, [[], [], []])
    assert (rows[0]["film"], rows[0]["seconds"]) == ("a.mp4", 12.0)
    assert (rows[0]["start"], rows[0]["end"]) == (12.0, 14.0)
    assert "start" not in rows[2]


def test_an_edl_puts_the_moments_after_each_other() -> None:
    moments = [Moment("trip/beach.mp4", 83.48, 86.0, 0.61), Moment("b.mov", 3600.0, 3601.0, 0.5)]
    text = to_edl(moments, "a dog\non a beach")
    assert text.startswith("TITLE: a dog on a beach\r\nFCM: NON-DROP FRAME\r\n")
    assert events(text) == [
        ("001", "00:01:23:12", "00:01:26:00", "01:00:00:00", "01:00:02:13"),
        ("002", "01:00:00:00", "01:00:01:00", "01:00:02:13", "01:00:03:13"),
    ]
    assert "* FROM CLIP NAME: beach.mp4\r\n* SOURCE FILE: trip/beach.mp4\r\n" in text


@pytest.mark.parametrize(
    ("rate", "first"),
    [(24.0, "00:00:10:12"), (30.0, "00:00:10:15"), (29.97, "00:00:10:15"), (50.0, "00:00:10:25")],
)
def test_an_edl_counts_in_the_frames_of_its_project(rate: float, first: str) -> None:
    assert events(to_edl([Moment("a.mp4", 10.5, 12.0, 0.5)], "", rate))[0][1] == first


def test_an_edl_ends_where_its_numbers_do() -> None:
    moments = [Moment("a.mp4", float(n), float(n), 0.5) for n in range(1200)]
    found = events(to_edl(moments, "x"))
    assert (len(found), found[-1][0]) == (999, "999")
    assert all(start != end for _, start, end, _, _ in found)  # no event is empty


def test_chapters_are_read_by_ffmpeg(tmp_path: Path) -> None:
    moments = [
        Moment("a.mp4", 12.0, 14.0, 0.612),
        Moment("b.mp4", 1.0, 3.0, 0.6),
        Moment("a.mp4", 2.5, 13.0, 0.5),
    ]
    made = to_chapters(moments, "red=blue; #1 \\ \n two")
    assert list(made) == ["a.mp4", "b.mp4"]
    file = tmp_path / "a.txt"
    file.write_text(made["a.mp4"], encoding="utf-8")
    with av.open(str(file), format="ffmetadata") as opened:
        chapters = opened.chapters()
    assert all(each["time_base"] == Fraction(1, 1000) for each in chapters)
    spans = [(each["start"] / 1000, each["end"] / 1000) for each in chapters]
    assert np.allclose(spans, [(2.5, 12.0), (12.0, 14.0)])
    titles = [each["metadata"]["title"] for each in chapters]
    assert titles == ["red=blue; #1 \\ two (cosine 0.500)", "red=blue; #1 \\ two (cosine 0.612)"]


def test_names_of_films_do_not_lead_out_of_an_archive() -> None:
    made = chapter_files(to_chapters([Moment("../../etc/a\nb.mp4", 0.0, 1.0, 0.5)], ""))
    assert list(made) == ["etc/ab.mp4.chapters.txt"]


def test_a_name_begins_no_line_of_its_own() -> None:
    text = to_edl([Moment("a\r\n002  AX.mp4", 0.0, 1.0, 0.5)], "x\u2028y")
    assert len(events(text)) == 1
    assert "* SOURCE FILE: a 002 AX.mp4" in text.splitlines()
