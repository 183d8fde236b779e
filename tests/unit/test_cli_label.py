"""``label`` on the command line, run as a person runs it."""

import csv
import io
import json
import shutil
from pathlib import Path

import pytest

from components.images import sample_captions
from components.settings import ROOT
from tests.unit.helpers import run

pytestmark = pytest.mark.slow  # converts a model

SAMPLES = ROOT / "sample_images"
LIST = "dog | puppy\ncat\nbus\npizza, a slice of pizza\n# a comment\nmountain\nDog\n"


@pytest.fixture
def listed(tmp_path: Path) -> Path:
    file = tmp_path / "labels.txt"
    file.write_text(LIST, encoding="utf-8")
    return file


def test_the_samples_are_counted_and_every_label_is_written(listed: Path, tmp_path: Path) -> None:
    out = tmp_path / "out" / "labels.csv"
    done = run("label", listed, "samples", "--out", out)
    assert "1 repeated label merged." in done.stderr
    counts = {line.split()[-1]: line for line in done.stdout.splitlines()}
    assert set(counts) >= {"dog", "cat", "bus", "pizza", "mountain", "these"}
    rows = {row["image"]: row for row in csv.DictReader(io.StringIO(out.read_text("utf-8")))}
    assert len(rows) == len(sample_captions())
    assert (rows["chelsea.jpg"]["label"], rows["red_bus.jpg"]["label"]) == ("cat", "bus")
    assert rows["hubble_deep_field.jpg"]["label"] == "None of these"
    assert float(rows["chelsea.jpg"]["confidence"]) > 0.8


def test_given_labels_are_checked_and_formulas_are_inert(listed: Path, tmp_path: Path) -> None:
    folder = tmp_path / "data"
    folder.mkdir()
    for name in ("chelsea.jpg", "cat_mirror.jpg", "red_bus.jpg"):
        shutil.copy(SAMPLES / name, folder)
    (folder / "broken.jpg").write_bytes(b"no image")
    lines = "image,kind\nchelsea.jpg,dog\ncat_mirror.jpg,cat\nred_bus.jpg,=1+1\nbroken.jpg,dog\n"
    (folder / "table.csv").write_text(lines, encoding="utf-8")
    asked = ("label", listed, folder / "table.csv", "--true", "kind")
    done = run(*asked, status=1)
    assert "skipped: broken.jpg is not an image" in done.stderr
    assert "2 of 3 images have a label of the list" in done.stdout
    assert "1 suspicious label:\n  chelsea.jpg: dog" in done.stdout
    first, *_ = csv.DictReader(io.StringIO(run(*asked, "-f", "csv", status=1).stdout))
    assert (first["image"], first["given"], first["suspicious"]) == ("chelsea.jpg", "dog", "True")
    assert "'=1+1" in run(*asked, "-f", "csv", status=1).stdout
    found = json.loads(run(*asked, "-f", "json", status=1).stdout)
    assert found["model"] == "pocket"
    assert found["matches"][0]["image"] == "chelsea.jpg"


def test_a_collection_is_labelled_as_its_folder_is(listed: Path, tmp_path: Path) -> None:
    place = {"CAPTIONLENS_DATA": str(tmp_path / "data")}
    folder = tmp_path / "few"
    folder.mkdir()
    for name in ("chelsea.jpg", "red_bus.jpg"):
        shutil.copy(SAMPLES / name, folder)
    run("index", "build", "folder", folder, environment=place)
    stored = run("label", listed, "few", "-f", "csv", environment=place).stdout
    assert stored == run("label", listed, folder, "-f", "csv").stdout
    templates = tmp_path / "templates.txt"
    templates.write_text("a drawing of a {}\n", encoding="utf-8")
    drawn = run("label", listed, folder, "-f", "csv", "--templates", templates).stdout
    assert drawn != stored


def test_misuse_is_reported_in_a_sentence(listed: Path, tmp_path: Path) -> None:
    empty, binary = tmp_path / "empty.txt", tmp_path / "binary.txt"
    empty.write_text("# nothing\n", encoding="utf-8")
    binary.write_bytes(b"\xff\xfe\x00")
    for arguments, sentence in (
        (("gone.txt", "samples"), "gone.txt: No such file"),
        ((empty, "samples"), "has no label"),
        ((binary, "samples"), "is not text in UTF-8"),
        ((listed, "nowhere"), "There is no collection nowhere"),
        ((listed, "samples", "--out", "labels.xlsx"), "must end with .csv or .json"),
        ((listed, "samples", "--templates", empty), "There is no template"),
        ((listed, SAMPLES, "--true", "label"), "A folder has no column"),
        ((listed, SAMPLES / "captions.csv", "--true", "kind"), "There is no column 'kind'"),
    ):
        assert sentence in run("label", *arguments, status=2).stderr
