"""Films: their frames sampled, indexed, resumed, updated; broken and hostile files are named."""

import io
import itertools
import json
import os
import shutil
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest
from PIL import Image

from components.collection.build import BuildJob, BuildProgress, BuildReport, build, describe
from components.collection.manifest import folder_of
from components.collection.sources import films as source
from components.collection.sources.source import SourceSpec
from components.collection.store import FolderCollection, open_folder, remove
from components.encoder import Encoder, load
from components.films import reading
from components.films.moment import clock, film_of, frame_id, moments
from components.films.opening import Facts, FilmError
from components.films.reading import Frame, read_film
from components.films.sampler import Ended
from components.settings import ROOT
from tests.films import make_film, starts

SHOTS = [("chelsea.jpg", 2.4), ("rocket.jpg", 1.3), ("coffee.jpg", 2.1)]


@pytest.fixture(scope="module")
def film(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A film whose shots begin at 0.0, 2.4 and 3.7 seconds."""
    return make_film(tmp_path_factory.mktemp("film") / "a.mp4", SHOTS, rate=10)


def parts(path: Path, after: float | None = None) -> tuple[Facts, list[Frame], str]:
    """Return what is read of a film: its facts, frames, and what is wrong with it."""
    read = list(read_film(path, after, threading.Event()))
    facts = next(part for part in read if isinstance(part, Facts))
    ended = next(part for part in read if isinstance(part, Ended))
    return facts, [part for part in read if isinstance(part, Frame)], ended.problem


def times(path: Path, after: float | None = None) -> list[float]:
    return [frame.seconds for frame in parts(path, after)[1]]


def image(jpeg: bytes) -> Image.Image:
    return Image.open(io.BytesIO(jpeg)).convert("RGB")


# --- moments


def test_ids_of_frames_have_a_film_and_a_time() -> None:
    assert film_of(frame_id("trip/a#t=b.mp4", 83.4567)) == ("trip/a#t=b.mp4", 83.457)
    assert film_of("photo.jpg") is None
    assert (clock(83.9), clock(3723)) == ("0:01:23", "1:02:03")


def test_neighbouring_frames_are_one_moment() -> None:
    ids = ["a.mp4#t=20.000", "a.mp4#t=5.000", "b.mp4#t=21.000", "a.mp4#t=12.500", "c.jpg", "c.jpg"]
    found = moments(ids, np.array([0.5, 0.6, 0.9, 0.4, 0.3, 0.2]))
    assert found == [[2], [1, 3], [0], [4], [5]]  # 12.5 is 7.5 from each: the better moment's


# --- sampling


def test_there_is_a_frame_a_second_and_one_at_every_cut(film: Path) -> None:
    facts, frames, problem = parts(film)
    assert (facts.width, facts.height, facts.container, problem) == (160, 120, "MP4", "")
    assert facts.length == pytest.approx(5.8)
    seconds = [frame.seconds for frame in frames]
    for start in starts(SHOTS):
        assert min(abs(start - each) for each in seconds) < 0.15
    assert all(0.35 < late - early < 1.3 for early, late in itertools.pairwise(seconds))
    assert len(seconds) <= 9


@pytest.mark.parametrize(
    ("name", "codec", "pixels"),
    [
        *(("b.mkv", "libx264", "yuv420p"), ("c.webm", "libvpx-vp9", "yuv420p")),
        *(("d.avi", "mpeg4", "yuv420p"), ("e.mpg", "mpeg2video", "yuv420p")),
        ("f.mov", "libx265", "yuv420p10le"),
    ],
)
def test_every_container_and_codec(tmp_path: Path, name: str, codec: str, pixels: str) -> None:
    made = make_film(tmp_path / name, SHOTS, rate=25, codec=codec, pixels=pixels)
    facts, frames, problem = parts(made)
    assert (facts.length, problem) == (pytest.approx(5.8, abs=0.2), "")  # type: ignore[comparison-overlap] # approx is a number
    assert facts.container == {"webm": "WebM", "mpg": "MPEG"}.get(name[2:], name[2:].upper())
    for start in starts(SHOTS):  # near, where key frames alone are decoded
        assert min(abs(start - frame.seconds) for frame in frames) < 1.0
    with Image.open(ROOT / "sample_images" / "chelsea.jpg") as photo:
        means = np.asarray(photo.convert("RGB")).mean(axis=(0, 1))
    assert np.abs(np.asarray(image(frames[0].jpeg)).mean(axis=(0, 1)) - means).max() < 25


def test_a_large_film_is_reduced_and_a_phone_s_is_upright(tmp_path: Path) -> None:
    shots = [("chelsea.jpg", 0.4)]
    made = make_film(
        tmp_path / "a.mov",
        shots,
        (1280, 720),
        5,
        rotation=90,
        metadata={"creation_time": "2021-03-04T05:06:07Z"},
    )
    facts, frames, _ = parts(made)
    assert image(frames[0].jpeg).size == (360, 640)
    assert (facts.width, facts.height) == (720, 1280)
    assert (facts.container, facts.created) == ("MOV", "2021:03:04 05:06:07")


def test_what_stays_the_same_is_kept_every_ten_seconds(tmp_path: Path) -> None:
    made = make_film(tmp_path / "still.mp4", [("page.jpg", 24)], rate=5, still=True)
    assert times(made) == pytest.approx([0, 10, 20], abs=0.5)


def test_hdr_has_the_colours_of_a_screen(tmp_path: Path) -> None:
    """The film is tagged as PQ; shown as it is, it would be as grey as its numbers are."""
    path, pq = tmp_path / "hdr.mp4", 520  # of 1023: 100 nits, about half of a screen's white
    with av.open(str(path), "w") as made:
        tags = "colorprim=bt2020:transfer=smpte2084:colormatrix=bt2020nc:log-level=none"
        stream = made.add_stream("libx265", rate=5, options={"x265-params": tags})
        assert isinstance(stream, av.VideoStream)
        stream.width, stream.height, stream.pix_fmt = 160, 120, "yuv420p10le"
        planes = np.full((180, 160), 512, np.uint16)
        planes[:120] = pq
        for _ in range(5):
            frame = av.VideoFrame.from_ndarray(planes, "yuv420p10le")
            frame.colorspace, frame.color_trc, frame.color_primaries = 9, 16, 9
            made.mux(stream.encode(frame))
        made.mux(stream.encode(None))
    grey = np.asarray(image(parts(path)[1][0].jpeg)).mean()
    assert 165 < grey < 215  # as sRGB writes half of white; the film's own number is 130


def test_a_variable_frame_rate(tmp_path: Path) -> None:
    path, at = tmp_path / "screen.mkv", [0, 0.04, 0.08, 3.0, 3.5, 3.52, 9.0, 30.0, 30.1]
    names = itertools.cycle(["chelsea.jpg", "rocket.jpg", "coffee.jpg"])
    with av.open(str(path), "w") as made:
        stream = made.add_stream("libx264", rate=25, options={"preset": "ultrafast"})
        assert isinstance(stream, av.VideoStream)
        stream.width, stream.height, stream.pix_fmt = 160, 120, "yuv420p"
        stream.codec_context.time_base = Fraction(1, 1000)
        for seconds, name in zip(at, names, strict=False):
            with Image.open(ROOT / "sample_images" / name) as photo:
                pixels = np.asarray(photo.convert("RGB").resize((160, 120)))
            frame = av.VideoFrame.from_ndarray(pixels)
            frame.pts, frame.time_base = round(seconds * 1000), Fraction(1, 1000)
            made.mux(stream.encode(frame))
        made.mux(stream.encode(None))
    found = times(path)
    for seconds in (0, 3.0, 9.0, 30.0):
        assert min(abs(seconds - each) for each in found) < 0.6


def test_ten_hours_are_read_to_the_end(tmp_path: Path) -> None:
    made = make_film(
        tmp_path / "long.mp4", [("page.jpg", 36_000)], rate=Fraction(1, 60), still=True
    )
    facts, frames, problem = parts(made)
    assert (facts.length, problem) == (pytest.approx(36_000), "")  # type: ignore[comparison-overlap] # approx is a number
    assert len(frames) == 600
    assert frames[-1].seconds == pytest.approx(35_940)


def test_sampling_resumes_after_a_frame(film: Path) -> None:
    whole = times(film)
    assert times(film, after=whole[2]) == pytest.approx(whole[3:])
    assert times(film, after=whole[-1]) == []


def test_a_stop_ends_the_reading_of_a_film(film: Path) -> None:
    stop = threading.Event()
    reading_on = read_film(film, None, stop)
    next(reading_on)
    stop.set()
    start = time.monotonic()
    assert sum(1 for _ in reading_on) < 20
    assert time.monotonic() - start < 2


@pytest.mark.parametrize(
    ("name", "sentence"),
    [
        ("crash", r"crash\.mp4 ended the process that decoded it \(SIGABRT\)"),
        ("hang", r"hang\.mp4 cannot be decoded: its decoder did not respond for 2 s"),
        ("nonsense", r"nonsense\.mp4 cannot be decoded"),
    ],
)
def test_a_decoder_that_fails_costs_its_film(
    film: Path, monkeypatch: pytest.MonkeyPatch, name: str, sentence: str
) -> None:
    monkeypatch.setattr(reading, "_DECODER", "tests.broken_decoder")
    monkeypatch.setattr(reading, "_PATIENCE", 2.0)
    with pytest.raises(FilmError, match=sentence):
        list(read_film(film.with_name(f"{name}.mp4"), None, threading.Event()))


# --- collections


@pytest.fixture(scope="module")
def encoder() -> Encoder:
    return load("pocket")


@pytest.fixture(autouse=True)
def data(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("CAPTIONLENS_DATA", str(tmp_path / "data"))
    return tmp_path / "data"


@pytest.fixture
def folder(tmp_path: Path, film: Path) -> Path:
    """Three films, one of them in a subfolder."""
    place = tmp_path / "films"
    (place / "trip").mkdir(parents=True)
    for name in ("a.mp4", "b.mp4", "trip/c.mp4"):
        shutil.copy(film, place / name)
    return place


@pytest.fixture
def decoded(monkeypatch: pytest.MonkeyPatch) -> list[tuple[str, bool]]:
    """The films that are decoded, and whether from their beginning."""
    calls: list[tuple[str, bool]] = []

    def record(path: Path, after: float | None, stop: threading.Event) -> Iterator[reading.Part]:
        calls.append((path.name, after is None))
        return read_film(path, after, stop)

    monkeypatch.setattr(source, "read_film", record)
    return calls


def index(
    encoder: Encoder, folder: Path, name: str = "films", rebuild: bool = False
) -> BuildReport:
    return build(BuildJob(name, SourceSpec("videos", str(folder)), rebuild), encoder)


def vectors(collection: FolderCollection) -> dict[str, bytes]:
    ids = collection.table["id"].to_pylist()
    return {id_: collection.vectors([id_]).tobytes() for id_ in ids}


@pytest.mark.slow
def test_frames_are_found_with_film_and_time(encoder: Encoder, folder: Path) -> None:
    report = index(encoder, folder)
    collection = open_folder("films")
    assert report.skipped == 0
    assert report.manifest.rows == report.added == 3 * len(times(folder / "a.mp4"))
    best = collection.find(encoder.texts(["a tabby cat"])[0], 1).ids[0]
    record = collection.records([best])[0]
    name, seconds = film_of(best) or ("", 9.0)
    assert seconds < 2.4
    assert (record["film"], record["seconds"]) == (name, seconds)
    assert record["image"] == f"{name} {clock(seconds)}"
    assert record["location"] == str(folder / name)
    found = {key: record[key] for key in ("length", "file_type", "width", "orientation")}
    assert found == {
        "length": "under 1 minute",
        "file_type": "MP4",
        "width": 160,
        "orientation": "landscape",
    }
    assert record["film_seconds"] == pytest.approx(5.8)
    assert collection.count({"folder": ["trip"]}) == report.manifest.rows // 3


@pytest.mark.slow
def test_an_update_decodes_what_has_changed(
    encoder: Encoder, folder: Path, decoded: list[tuple[str, bool]]
) -> None:
    index(encoder, folder)
    before = vectors(open_folder("films"))
    decoded.clear()
    report = index(encoder, folder)
    assert (report.added, report.dropped, decoded) == (0, 0, [])
    make_film(folder / "b.mp4", SHOTS[1:], rate=10)
    (folder / "a.mp4").unlink()
    report = index(encoder, folder)
    assert decoded == [("b.mp4", True)]
    after = vectors(open_folder("films"))
    assert {film_of(id_) for id_ in after}.isdisjoint({("a.mp4", 0.0)})
    assert all(after[id_] == before[id_] for id_ in after if id_.startswith("trip/"))
    assert len(list((folder_of("films") / "films").iterdir())) == 2
    remove("films")
    assert not folder_of("films").exists()


@pytest.mark.slow
def test_a_stopped_build_resumes_in_its_film(
    encoder: Encoder, folder: Path, decoded: list[tuple[str, bool]], monkeypatch: pytest.MonkeyPatch
) -> None:
    index(encoder, folder, "calm")
    monkeypatch.setattr(source, "_NOTE_EVERY", 2)
    stop, seen = threading.Event(), list[BuildProgress]()

    def on_progress(now: BuildProgress) -> None:
        seen.append(now)
        if now.film and now.film.name == "b.mp4" and now.film.seconds > 2:
            stop.set()

    decoded.clear()
    job = BuildJob("films", SourceSpec("videos", str(folder)))
    report = build(job, encoder, on_progress, stop)
    assert not report.manifest.complete
    assert decoded == [("a.mp4", True), ("b.mp4", True)]
    last = next(now for now in reversed(seen) if now.stage == "Encoding")
    assert describe(last).startswith("film 2 of 3, b.mp4 0:00:0")
    assert 1 / 3 < last.share < 1
    decoded.clear()
    assert build(job, encoder).manifest.complete
    # Frames that were decoded ahead of the encoder are decoded again, from the first of them on.
    assert ("c.mp4", True) in decoded
    assert vectors(open_folder("films")) == vectors(open_folder("calm"))


@pytest.mark.slow
def test_another_model_s_rebuild_decodes_again(
    encoder: Encoder, folder: Path, decoded: list[tuple[str, bool]]
) -> None:
    index(encoder, folder)
    before = vectors(open_folder("films"))
    decoded.clear()
    index(encoder, folder, rebuild=True)
    assert decoded == [("a.mp4", True), ("b.mp4", True), ("c.mp4", True)]
    assert vectors(open_folder("films")) == before


@pytest.mark.slow
def test_a_damaged_receipt_costs_a_film_its_decoding(
    encoder: Encoder, folder: Path, decoded: list[tuple[str, bool]]
) -> None:
    index(encoder, folder)
    before = vectors(open_folder("films"))
    receipts = sorted((folder_of("films") / "films").iterdir())
    receipts[0].write_bytes(receipts[0].read_bytes()[:50])
    changed = json.loads(receipts[1].read_bytes())
    receipts[1].write_text(json.dumps({**changed, "times": [0.0, 1e9]}))
    decoded.clear()
    report = index(encoder, folder)
    assert len(decoded) == 2
    assert (report.manifest.complete, report.dropped) == (True, 0)
    assert vectors(open_folder("films")) == before


def test_notes_of_a_long_film_grow_with_its_length_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    written: list[int] = []
    monkeypatch.setattr(source, "write_bytes", lambda file, data: written.append(len(data)))
    note = source._Note(Path("films/receipt.json"), source._Receipt("1"))
    for second in range(8000):
        note.add(float(second))
    assert sum(written) < 64 * written[-1]  # every 32 frames it would be 125 times


@pytest.mark.slow
def test_hostile_files_are_named_and_the_rest_goes_on(
    encoder: Encoder, folder: Path, film: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(reading, "_DECODER", "tests.broken_decoder")
    shutil.copy(film, folder / "crash.mp4")
    (folder / "zero.mkv").write_bytes(b"")
    (folder / "text.avi").write_text("a letter\n" * 100)
    (folder / "list.mp4").write_text(f"#EXTM3U\n#EXTINF:9,\n{film}\n")
    (folder / "cut.mp4").write_bytes(film.read_bytes()[:-2000])
    part = make_film(folder / "part.mkv", SHOTS, rate=10)
    part.write_bytes(part.read_bytes()[: part.stat().st_size // 2])
    with av.open(str(folder / "sound.mp4"), "w") as made:
        stream = made.add_stream("aac", rate=48_000, layout="mono")
        sound = av.AudioFrame.from_ndarray(np.zeros((1, 1024), np.float32), "fltp", "mono")
        sound.sample_rate = 48_000
        made.mux([*stream.encode(sound), *stream.encode(None)])
    os.mkfifo(folder / "pipe.mp4")
    (folder / "link.mp4").symlink_to(film)  # leads outside
    (folder / "folder.mp4").mkdir()
    shutil.copy(film, os.fsdecode(os.fsencode(folder) + b"/caf\xe9.mp4"))
    report = index(encoder, folder)
    reasons = [str(row["reason"]) for row in open_folder("films").skipped()]
    said = {
        "crash.mp4": "ended the process that decoded it (SIGABRT).",
        "zero.mkv": "is not a film",
        "text.avi": "is not a film",
        "list.mp4": "is not a film",
        "cut.mp4": "is not a film",  # its table of contents is gone
        "part.mkv": "is cut off at 0:00:0",
        "sound.mp4": "has no images, only sound.",
        "pipe.mp4": "is not a file.",
        "caf?.mp4": "its name is not valid Unicode.",
    }
    assert report.skipped == len(said)
    for name, reason in said.items():
        assert any(name in each and reason in each for each in reasons), name
    films = {name for name, _ in filter(None, map(film_of, vectors(open_folder("films"))))}
    assert films == {"a.mp4", "b.mp4", "trip/c.mp4", "part.mkv"}
    again = index(encoder, folder)
    assert (again.added, again.dropped, again.skipped) == (0, 0, len(said))


@pytest.mark.slow
def test_a_killed_build_resumes(encoder: Encoder, folder: Path, data: Path) -> None:
    index(encoder, folder, "calm")
    calm = vectors(open_folder("calm"))
    make_film(folder / "long.mp4", [("horse.jpg", 60)], rate=10)
    command = [sys.executable, "cli.py", "index", "build", "videos", str(folder)]
    with subprocess.Popen([*command, "--data-dir", str(data)], cwd=ROOT, stderr=-3) as process:
        receipts, end = folder_of("films") / "films", time.monotonic() + 60
        while len(list(receipts.glob("*.json"))) < 3 and time.monotonic() < end:
            time.sleep(0.02)
        process.send_signal(signal.SIGKILL)
    report = index(encoder, folder)
    assert report.manifest.complete
    found = vectors(open_folder("films"))
    assert {id_: found[id_] for id_ in calm} == calm
