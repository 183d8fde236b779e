"""``index`` and ``search`` on the command line, run as a person runs them."""

import csv
import io
import json
import os
import shutil
import signal
import subprocess
import sys
import zipfile
from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest
from PIL import Image

from components.collection.build import BuildJob, build
from components.collection.records import Record
from components.collection.sources.source import Item, SourceSpec
from components.encoder import load
from components.films.moment import clock, frame_id
from components.images import sample_captions, source_of
from components.settings import ROOT
from tests.photo_server import PHOTO_COLUMNS, PhotoServer, jpeg, lite_zip, photo, tsv
from tests.unit.helpers import run as run_anywhere

pytestmark = pytest.mark.slow  # converts or trains a model

SAMPLES = ROOT / "sample_images"
COUNT = len(sample_captions())
CAT = "a tabby cat"


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A data directory with the samples in it."""
    folder = tmp_path_factory.mktemp("data")
    run(folder, "index", "build", "samples")
    return folder


def run(
    data: Path, *arguments: object, status: int = 0, answer: str = "", **environment: str
) -> "subprocess.CompletedProcess[str]":
    place: Mapping[str, str] = {"CAPTIONLENS_DATA": str(data), **environment}
    return run_anywhere(*arguments, status=status, answer=answer, environment=place)


def test_the_best_match_comes_first_in_every_format(data: Path) -> None:
    rows = json.loads(run(data, "search", "samples", CAT, "--top", 2, "-f", "json").stdout)
    assert [row["rank"] for row in rows] == [1, 2]
    assert (rows[0]["id"], rows[0]["image"]) == ("chelsea.jpg", "chelsea.jpg")
    assert rows[0]["cosine"] > 0.4
    assert rows[0]["captions"] == ["a facial photo of a tabby cat"]
    assert list(rows[0])[:4] == ["rank", "id", "image", "cosine"]
    table = run(data, "search", "samples", CAT, "--top", 2, "-f", "csv").stdout
    assert [row["id"] for row in csv.DictReader(io.StringIO(table))] == [r["id"] for r in rows]
    lines = run(data, "search", "samples", CAT, "--top", 1).stdout.splitlines()
    assert lines[0].split() == ["rank", "cosine", "image"]
    assert lines[1].endswith("chelsea.jpg")


def test_an_image_finds_itself_and_terms_can_move_away_from_it(data: Path) -> None:
    cat = SAMPLES / "chelsea.jpg"
    found = json.loads(run(data, "search", "samples", "--image", cat, "-f", "json").stdout)
    assert found[0]["id"] == "chelsea.jpg"
    assert found[0]["cosine"] == pytest.approx(1, abs=1e-3)
    away = run(data, "search", "samples", "3*an elephant, -2*a cat", "--image", cat, "--top", 1)
    assert away.stdout.splitlines()[1].endswith("man_elephant.jpg")


def test_filters_leave_out(data: Path) -> None:
    only = ("--filter", "orientation=portrait", "--filter", "width=470..490")
    rows = json.loads(run(data, "search", "samples", CAT, *only, "-f", "json").stdout)
    assert [row["id"] for row in rows] == ["pizza_plate.jpg"]


class _Frames:
    """An ImageSource: a photograph as frames of two films."""

    def items(self) -> Iterator[Item]:
        for film in ("holiday.mp4", "pets/cats.mkv"):
            for number, name in enumerate(("chelsea.jpg", "rocket.jpg", "coffee.jpg")):
                with Image.open(SAMPLES / name) as opened:
                    file = io.BytesIO()
                    opened.crop((len(film), 0, 400, 300)).save(file, "PNG")
                for seconds in (60.0 * number, 60.0 * number + 2.0):
                    shown = file.getvalue() + bytes(str(seconds), "ascii")  # no copy of the other
                    source = source_of(shown, f"{film} {clock(seconds)}")
                    about: Record = {"film": film, "seconds": seconds, "film_seconds": 300.0}
                    yield Item(frame_id(film, seconds), source, "1", f"/films/{film}", about)


@pytest.fixture(scope="module")
def films(data: Path) -> Path:
    """The data directory, with a collection of films in it."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("CAPTIONLENS_DATA", str(data))
        job = BuildJob("films", SourceSpec("videos", "/films"))
        build(job, load("pocket"), images=_Frames())
    return data


def test_films_are_listed_by_their_moments(films: Path) -> None:
    lines = run(films, "search", "films", CAT, "--top", 2).stdout.splitlines()
    assert lines[0].split() == ["rank", "cosine", "time", "film"]
    assert {tuple(line.split()[2:]) for line in lines[1:]} <= {
        (time, film) for time in ("0:00:00", "0:00:02") for film in ("holiday.mp4", "pets/cats.mkv")
    }
    rows = json.loads(run(films, "search", "films", CAT, "--top", 1, "-f", "json").stdout)
    assert (rows[0]["start"], rows[0]["end"]) == (0.0, 4.0)
    assert rows[0]["seconds"] in {0.0, 2.0}
    table = run(films, "search", "films", CAT, "-f", "csv", "--within", 0).stdout
    found = list(csv.DictReader(io.StringIO(table)))
    assert len(found) == 10  # every frame alone
    assert {row["film"] for row in found} == {"holiday.mp4", "pets/cats.mkv"}
    only = ("--filter", "film=holiday.mp4", "--filter", "seconds=50..70")
    assert run(films, "search", "films", CAT, *only).stdout.count("holiday.mp4") == 1


def test_moments_are_written_for_other_programs(films: Path, tmp_path: Path) -> None:
    edl, chapters = tmp_path / "a.edl", tmp_path / "a.zip"
    run(films, "search", "films", CAT, "--edl", edl, "--edl-rate", 50, "--chapters", chapters)
    assert edl.read_text().startswith(f"TITLE: {CAT}\n")
    assert "00:00:00:00 00:00:04:00 01:00:00:00 01:00:04:00" in edl.read_text()
    with zipfile.ZipFile(chapters) as archive:
        assert {*archive.namelist()} == {
            "holiday.mp4.chapters.txt",
            "pets/cats.mkv.chapters.txt",
        }
    one = tmp_path / "a.txt"
    refused = run(films, "search", "films", CAT, "--chapters", one, status=2).stderr
    assert "The moments are of 2 films, and a.txt has room for one" in refused
    assert not one.exists()
    run(films, "search", "films", CAT, "--filter", "film=holiday.mp4", "--chapters", one)
    assert one.read_text().count("[CHAPTER]") == 3
    refused = run(films, "search", "samples", CAT, "--edl", edl, status=2).stderr
    assert "samples has no films" in refused


def test_collections_are_listed_described_and_verified(data: Path) -> None:
    assert f"{COUNT}  samples  (pocket, 20" in run(data, "index", "list").stdout
    log = run(data, "index", "info", "samples").stdout
    for part in (str(COUNT), "pocket, revision", "384 dimensions", "Flat, exact", "captions"):
        assert part in log
    assert "samples is intact." in run(data, "index", "verify", "samples").stderr


def test_a_folder_is_indexed_updated_damaged_and_removed(tmp_path: Path) -> None:
    data, folder = tmp_path / "data", tmp_path / "my images"
    folder.mkdir()
    for name in ("chelsea.jpg", "coffee.jpg"):
        shutil.copy(SAMPLES / name, folder)
    log = run(data, "index", "build", "folder", folder).stderr
    assert "my images: 2 images (2 new, 0 dropped, 0 skipped)." in log
    shutil.copy(SAMPLES / "horse.jpg", folder)
    (folder / "broken.jpg").write_bytes(b"no image")
    log = run(data, "index", "update", "my images", status=1).stderr
    assert "3 images (1 new, 0 dropped, 1 skipped)." in log
    assert "skipped: broken.jpg is not an image" in log
    assert "broken.jpg is not an image" in run(data, "index", "info", "my images").stdout
    for option in ("--rebuild", "--fresh"):
        log = run(data, "index", "build", "folder", folder, option, status=1).stderr
        assert "3 images (3 new, 0 dropped, 1 skipped)." in log
    vectors = next((data / "collections" / "my images").glob("*.vectors"))
    vectors.write_bytes(b"\0" * vectors.stat().st_size)
    damaged = run(data, "index", "verify", "my images", status=1).stdout
    assert f"{vectors.name} is missing or damaged." in damaged
    run(data, "index", "remove", "my images", status=1, answer="n\n")
    run(data, "index", "remove", "my images", answer="y\n")
    assert "There is no collection yet" in run(data, "index", "list").stderr
    assert (folder / "horse.jpg").exists()


def test_the_data_directory_may_be_an_option(tmp_path: Path) -> None:
    run_anywhere("index", "build", "samples", "--limit", 3, "--data-dir", tmp_path)
    assert "3  samples" in run_anywhere("index", "list", "--data-dir", tmp_path).stdout
    assert (tmp_path / "collections" / "samples" / "manifest.json").exists()


@pytest.fixture
def unsplash() -> Iterator[PhotoServer]:
    with PhotoServer({f"/photo-{n}": jpeg(n) for n in range(5)}) as server:
        table = tsv(PHOTO_COLUMNS, [photo(n, server.url) for n in range(6)])
        server.files["/lite.zip"] = lite_zip({"photos.tsv000": table})
        yield server


def test_unsplash_from_a_zip_on_a_server(unsplash: PhotoServer, tmp_path: Path) -> None:
    place = ("index", "build", "unsplash", "--zip", f"{unsplash.url}/lite.zip", "--limit", 0)
    refused = run(tmp_path, *place, status=2).stderr
    assert "is in a private network" in refused
    assert "zip or folder of it that is already downloaded" in refused
    log = run(tmp_path, *place, status=1, CAPTIONLENS_PRIVATE_ADDRESSES="1").stderr
    assert "unsplash-lite: 5 images (5 new, 0 dropped, 1 skipped)." in log
    found = run(tmp_path, "search", "unsplash-lite", "noise", "-f", "json", "--top", 1).stdout
    assert json.loads(found)[0]["photographer"].startswith("Zoë Doe")


def test_control_c_keeps_finished_images(tmp_path: Path) -> None:
    folder = tmp_path / "many"
    folder.mkdir()
    for number in range(1500):
        (folder / f"{number:04}.jpg").write_bytes(jpeg(number % 40) + b"%d" % number)
    build = [sys.executable, "cli.py", "index", "build", "folder", str(folder)]
    environment = {**os.environ, "CAPTIONLENS_DATA": str(tmp_path / "data")}
    process = subprocess.Popen(build, cwd=ROOT, env=environment, stderr=subprocess.PIPE, text=True)
    assert process.stderr is not None
    while " per second" not in process.stderr.readline():
        pass
    process.send_signal(signal.SIGINT)
    _, log = process.communicate(timeout=60)
    assert process.returncode == 130
    assert "Stopping. Finished images are kept." in log
    assert "The build was stopped. Run it again to resume." in log
    assert "build not finished" in run(tmp_path / "data", "index", "list").stdout
    assert "many: 1,500 images" in run(tmp_path / "data", "index", "update", "many").stderr


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (("search", "nowhere", "a cat"), "There is no collection nowhere"),
        (("search", "../etc", "a cat"), "cannot be a collection's name"),
        (("search", "samples"), "The query is empty"),
        (("search", "samples", "a cat", "--image", "gone.jpg"), "gone.jpg cannot be read"),
        (("search", "samples", "a cat", "--filter", "orientation"), "Use COLUMN=VALUE"),
        (("search", "samples", "a cat", "--filter", "nothing=1"), "There is no column 'nothing'"),
        (("index", "build", "magic"), "'magic' is not a source"),
        (("index", "build", "folder"), "The path of the folder is missing"),
        (("index", "build", "folder", "/no/such/place"), "is not a folder"),
        (("index", "build", "table", "gone.csv"), "gone.csv does not exist"),
        (("index", "build", "unsplash", "--zip", "gone.zip"), "does not exist"),
        (("index", "build", "folder", SAMPLES, "--name", "samples"), "of another source"),
        (("index", "update", "nowhere"), "There is no collection nowhere"),
        (("index", "remove", "-y", "nowhere"), "There is no collection nowhere"),
        (("index", "verify", "nowhere"), "There is no collection nowhere"),
        (("index", "info", "a/b"), "cannot be a collection's name"),
    ],
)
def test_misuse_is_reported_in_a_sentence(
    data: Path, arguments: tuple[object, ...], sentence: str
) -> None:
    assert sentence in run(data, *arguments, status=2).stderr
