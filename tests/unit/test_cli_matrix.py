"""``matrix`` and ``explain``, run as commands."""

import csv
import io
import json
from pathlib import Path

import pyarrow.parquet as pq
import pytest
from PIL import Image

from components.version import version
from tests.unit.helpers import SAMPLES, run

pytestmark = pytest.mark.slow  # converts or trains a model


@pytest.fixture
def captions(tmp_path: Path) -> Path:
    file = tmp_path / "captions.txt"
    file.write_text("a facial photo of a tabby cat\na cup of coffee\n# no\n", encoding="utf-8")
    return file


@pytest.fixture
def images(tmp_path: Path) -> Path:
    folder = tmp_path / "images"
    folder.mkdir()
    for name in ("chelsea.jpg", "coffee.jpg", "rocket.jpg"):
        (folder / name).write_bytes((SAMPLES / name).read_bytes())
    return folder


def test_the_matrix_is_printed_as_lines(captions: Path, images: Path) -> None:
    done = run("matrix", "--captions", captions, "--images", images)
    lines = done.stdout.splitlines()
    assert lines[0].split() == ["1", "chelsea.jpg"]
    assert lines[4].split() == ["1", "2", "3", "cosine"]
    assert lines[5].startswith("  .57 ")
    assert lines[5].endswith("a facial photo of a tabby cat")
    assert len(lines) == 7


def test_files_by_their_endings(captions: Path, images: Path, tmp_path: Path) -> None:
    common = ("matrix", "--captions", captions, "--images", images, "--mode", "percentile")
    for suffix in ("csv", "parquet", "png", "svg", "pdf"):
        run(*common, "--cluster", "--assign", "--out", tmp_path / f"m.{suffix}")
    rows = list(csv.reader(io.StringIO((tmp_path / "m.csv").read_text())))
    assert sorted(rows[0][1:]) == ["chelsea.jpg", "coffee.jpg", "rocket.jpg"]
    cat = next(row for row in rows if row[0] == "a facial photo of a tabby cat")
    assert float(cat[rows[0].index("chelsea.jpg")]) > 0.99
    table = pq.read_table(tmp_path / "m.parquet")
    receipt = json.loads(table.schema.metadata[b"captionlens"])
    assert receipt["score"] == "percentile"
    assert receipt["versions"]["captionlens"] == version()
    assert Image.open(tmp_path / "m.png").width > 400
    assert (tmp_path / "m.pdf").read_bytes().startswith(b"%PDF")
    assert b"<svg" in (tmp_path / "m.svg").read_bytes()


def test_a_report_with_known_pairs(images: Path, tmp_path: Path) -> None:
    table = tmp_path / "pairs.csv"
    table.write_text("image,caption\nchelsea.jpg,a tabby cat\ncoffee.jpg,a cup of coffee\n")
    attack = images / "<img src=x onerror=alert(1)>.jpg"
    attack.write_bytes((SAMPLES / "horse.jpg").read_bytes())
    out = tmp_path / "report.html"
    done = run("matrix", "--captions", table, "--images", images, "--out", out)
    assert "caption to image: R@1 100.0%" in done.stderr
    assert "2 queries, gallery of 4" in done.stderr
    page = out.read_text(encoding="utf-8")
    assert "<img src=x" not in page
    assert "&lt;img src=x onerror=alert(1)&gt;.jpg" in page
    assert page.count("The map of gibberish") == 2


def test_a_bad_image_is_named_and_the_rest_goes_on(captions: Path, images: Path) -> None:
    (images / "broken.jpg").write_bytes(b"Dear reader,")
    done = run("matrix", "--captions", captions, "--images", images, status=1)
    assert "skipped: broken.jpg is not an image" in done.stderr
    assert "chelsea.jpg" in done.stdout


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        (["--out", "x.txt"], "x.txt must end in one of .png"),
        (["--out", "no/such/x.png"], "The folder no/such does not exist."),
        (["--captions", "none.txt"], "none.txt cannot be read"),
        (["--images", "none"], "None of the files gave an image."),
    ],
)
def test_misuse_is_one_sentence(
    captions: Path, images: Path, changed: list[str], message: str
) -> None:
    options = {"--captions": str(captions), "--images": str(images)} | {changed[0]: changed[1]}
    done = run("matrix", *(part for pair in options.items() for part in pair), status=2)
    assert message in done.stderr


def test_explain_draws_and_prints_the_words(tmp_path: Path) -> None:
    out = tmp_path / "why.png"
    done = run("explain", SAMPLES / "horse.jpg", "a silhouette of a horse", "--out", out)
    lines = done.stdout.splitlines()
    assert lines[0].endswith("a silhouette of a horse")
    changes = {line.split()[1]: float(line.split()[0]) for line in lines[1:]}
    assert max(changes, key=lambda word: changes[word]) == "horse"
    assert Image.open(out).width > 1000


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["none.jpg", "a cat", "--out", "x.png"], "none.jpg cannot be read"),
        (["x.jpg", " ", "--out", "x.png"], "CAPTION is empty"),
        (["x.jpg", "a cat", "--out", "x.txt"], "must end in .png"),
    ],
)
def test_explain_rejects_misuse(arguments: list[str], message: str) -> None:
    assert message in run("explain", *arguments, status=2).stderr
