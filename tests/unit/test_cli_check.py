"""``check`` on the command line, on sample images with some captions exchanged."""

import csv
import json
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Mapping
from pathlib import Path

import pytest

from components.check.decisions import Decision, Decisions
from components.collection.manifest import CHECK
from components.settings import ROOT, Settings
from tests.unit.helpers import run as run_anywhere

EXCHANGED = ("chelsea.jpg", "rocket.jpg", "red_bus.jpg", "coffee.jpg")
pytestmark = pytest.mark.slow  # encodes images in processes of their own


@pytest.fixture
def data(tmp_path: Path) -> Path:
    """A folder for collections."""
    return tmp_path / "data"


@pytest.fixture
def dataset(tmp_path: Path) -> Path:
    """The sample images, of whose captions two times two are exchanged."""
    folder = Path(shutil.copytree(Settings().samples, tmp_path / "mine"))
    rows = read(folder / "captions.csv")
    names = [row["image"] for row in rows]
    for one, other in (EXCHANGED[:2], EXCHANGED[2:]):
        first, second = rows[names.index(one)], rows[names.index(other)]
        first["caption"], second["caption"] = second["caption"], first["caption"]
    for number, row in enumerate(rows):
        row["split"] = "train" if number % 4 else "dev"
    write(folder / "captions.csv", rows)
    return folder


def read(file: Path) -> list[dict[str, str]]:
    with file.open(encoding="utf-8", newline="") as lines:
        return list(csv.DictReader(lines))


def write(file: Path, rows: list[dict[str, str]]) -> None:
    with file.open("w", encoding="utf-8", newline="") as lines:
        writer = csv.DictWriter(lines, list(rows[0]))
        writer.writeheader()
        writer.writerows(rows)


def run(data: Path, *arguments: object, status: int = 0) -> "subprocess.CompletedProcess[str]":
    place: Mapping[str, str] = {"CAPTIONLENS_DATA": str(data)}
    return run_anywhere(*arguments, status=status, environment=place)


def test_exchanged_captions_are_first_and_everything_is_written(data: Path, dataset: Path) -> None:
    before = (dataset / "captions.csv").read_bytes()
    out, report = data.parent / "checked.csv", data.parent / "check.html"
    done = run(data, "check", dataset, "--out", out, "--report", report, "--top", 4)
    rows = read(dataset / "captions.csv")
    shown = [line for line in done.stdout.splitlines() if "%  " in line]
    assert {line.split()[1] for line in shown} == set(EXCHANGED)
    assert "Seems exchanged with the caption of" in done.stdout
    marked = read(out)
    assert list(marked[0])[: len(rows[0])] == list(rows[0])
    assert [row["image"] for row in marked] == [row["image"] for row in rows]
    worst = sorted(marked, key=lambda row: -float(row["wrong_probability"]))[:4]
    assert {row["image"] for row in worst} == set(EXCHANGED)
    assert all("Wrong caption" in row["findings"] for row in worst)
    page = report.read_text(encoding="utf-8")
    assert rows[0]["caption"] in page
    assert "<script" not in page
    assert (dataset / "captions.csv").read_bytes() == before


def test_json_and_a_status_for_ci(data: Path, dataset: Path) -> None:
    strict = run(data, "check", dataset, "-f", "json", "--fail-above", 0.01, status=3)
    assert "of the pairs are suspect, more than 1.0%" in strict.stderr
    found = json.loads(strict.stdout)
    assert found["pairs"] == 57
    assert found["findings"]["Wrong caption"] == found["suspects"] >= 4
    assert run(data, "check", dataset, "-f", "json", "--fail-above", 0.9).stdout


def test_what_was_decided_is_carried_out(data: Path, dataset: Path) -> None:
    run(data, "check", dataset, "--top", 0)
    rows = read(dataset / "captions.csv")
    first, second = ((row["image"], row["caption"]) for row in rows[:2])
    known = Decisions("mine").decide(first, Decision("drop"))
    known = known.decide(second, Decision("rewrite", caption="a new one"))
    known.save(data / "collections" / "mine captions check" / CHECK / "decisions.json")
    cleaned = data.parent / "cleaned.csv"
    run(data, "check", dataset, "--cleaned", cleaned)
    left = read(cleaned)
    assert [row["image"] for row in left] == [row["image"] for row in rows[1:]]
    assert left[0]["caption"] == "a new one"
    assert left[1:] == rows[2:]


def test_a_collection_with_captions_is_checked(data: Path) -> None:
    run(data, "index", "build", "samples")
    out = data.parent / "checked.csv"
    done = run(data, "check", "samples", "--out", out)
    assert "57 pairs, 57 images" in done.stdout
    assert len(read(out)) == 57


def test_images_that_are_missing_or_broken_are_named(data: Path, dataset: Path) -> None:
    rows = read(dataset / "captions.csv")
    (dataset / rows[4]["image"]).unlink()
    (dataset / rows[5]["image"]).write_bytes(b"Dear reader,")
    rows.append({**rows[0], "image": "../../etc/passwd", "caption": "=HYPERLINK(1)"})
    rows.append({**rows[6], "caption": ("word " * 20_000).strip()})
    rows.append({**rows[7], "caption": "=1+1"})
    write(dataset / "captions.csv", rows)
    out = data.parent / "checked.csv"
    done = run(data, "check", dataset, "--out", out, status=1)
    assert f"{rows[4]['image']} does not exist." in done.stderr
    assert f"{rows[5]['image']} is not an image" in done.stderr
    assert "passwd does not exist" in done.stderr
    marked = read(out)
    assert [row["caption"] for row in marked] == [row["caption"] for row in rows]
    assert "Unreadable" in marked[5]["findings"]
    assert "Truncated" in marked[-2]["findings"]


@pytest.mark.parametrize(
    ("content", "sentence"),
    [
        (b"picture,words\na.jpg,b\n", "has no column of images"),
        (b"image,words\na.jpg,b\n", "has no captions"),
        (b"image,caption\na.jpg,caf\xe9\n", "cannot be read"),
        (b"image,caption\n" + 1_000_000 * b"a.jpg,b\n", "has more than 999,999 rows"),
        (b"image,caption\n" + 200_001 * b"a.jpg,b\n", "a check takes up to 200,000"),
        (b"image,caption\n" + 30 * b"chelsea.jpg,b\n", "A check needs at least 20 captions"),
    ],
)
def test_tables_that_cannot_be_checked_are_sentences(
    data: Path, dataset: Path, content: bytes, sentence: str
) -> None:
    table = dataset / "captions.csv"
    table.write_bytes(content)
    (dataset / "a.jpg").write_bytes((dataset / "chelsea.jpg").read_bytes())
    done = run(data, "check", table, status=2)
    assert sentence in done.stderr
    assert len(done.stderr.splitlines()) < 6


def test_the_dataset_is_never_written_over(data: Path, dataset: Path) -> None:
    table = dataset / "captions.csv"
    link = dataset / "link.csv"
    link.symlink_to(table)
    for out in (table, link):
        done = run(data, "check", dataset, "--out", out, status=2)
        assert "is the dataset's own list, which is never changed" in done.stderr


def test_a_stopped_check_resumes(data: Path, dataset: Path) -> None:
    command = [sys.executable, "cli.py", "check", str(dataset), "--data-dir", str(data)]
    process = subprocess.Popen(command, cwd=ROOT, stderr=subprocess.PIPE, text=True)
    assert process.stderr
    process.stderr.readline()  # the model is loaded
    time.sleep(0.5)
    process.send_signal(signal.SIGTERM)
    process.communicate(timeout=60)
    assert process.returncode in {0, 128 + signal.SIGTERM}  # 0: it was faster
    run(data, "check", dataset)
