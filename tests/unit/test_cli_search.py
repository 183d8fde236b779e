"""``index`` and ``search`` on the command line, run as a person runs them."""

import csv
import io
import json
import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest

from components.images import sample_captions
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
