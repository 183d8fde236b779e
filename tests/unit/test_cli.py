"""The command line, run as a person runs it."""

import csv
import io
import json
import re
import subprocess
import sys
from pathlib import Path

import pytest

from components.settings import ROOT
from components.version import version
from tests import checkpoints
from tests.hub_server import HubServer
from tests.unit.helpers import SAMPLES, run

pytestmark = pytest.mark.slow  # converts or trains a model

COFFEE, CAT = "a cup of coffee on a saucer", "a tabby cat"
BIKE = "a red motorcycle standing in a garage"


def test_json_lists_every_caption_with_its_images_best_first() -> None:
    done = run("match", "-c", BIKE, "-c", CAT, "--top", 2, "--format", "json", SAMPLES)
    rows = json.loads(done.stdout)
    assert [row["rank"] for row in rows] == [1, 2, 1, 2]
    assert {row["caption"]: row["image"] for row in rows if row["rank"] == 1} == {
        BIKE: "motorcycle_right.jpg",
        CAT: "chelsea.jpg",
    }
    reading = {"percentile", "zscore", "band"}
    expected = {"caption", "image", "rank", "cosine", "probability"} | reading
    assert all(row.keys() == expected for row in rows)
    assert [row["band"] for row in rows[::2]] == ["strong", "strong"]
    assert "Pocket, f32, OpenVINO" in done.stderr


def test_csv_has_a_row_for_every_pair() -> None:
    done = run("match", "-c", COFFEE, "-f", "csv", SAMPLES / "coffee.jpg", SAMPLES / "page.jpg")
    rows = list(csv.DictReader(io.StringIO(done.stdout)))
    assert [row["image"] for row in rows] == ["coffee.jpg", "page.jpg"]


def test_the_table_is_for_people() -> None:
    done = run("match", "-c", BIKE, "--top", 1, SAMPLES)
    caption, head, row = done.stdout.splitlines()
    assert caption == BIKE
    assert head.split() == ["rank", "cosine", "pctile", "z", "band", "prob.", "image"]
    assert row.split()[0] == "1"
    assert row.endswith("motorcycle_right.jpg")
    for name in ("rank", "cosine", "pctile", "z", "prob."):  # numbers end under their headings
        end = head.index(name) + len(name)
        assert row[end - 1].strip()
        assert not row[end].strip()
    assert row.index("motorcycle_right.jpg") == head.index("image")


def test_skipped_files_are_named_and_the_rest_is_ranked(tmp_path: Path) -> None:
    (tmp_path / "letter.jpg").write_text("Dear reader,")
    (tmp_path / "empty.png").touch()
    files = (SAMPLES / "coffee.jpg", tmp_path, tmp_path / "gone.jpg")
    done = run("match", "-c", COFFEE, "-f", "json", *files, status=1)
    assert [row["image"] for row in json.loads(done.stdout)] == ["coffee.jpg"]
    for sentence in (
        "letter.jpg is not an image",
        "empty.png is empty",
        "gone.jpg does not exist",
    ):
        assert f"skipped: {sentence}" in done.stderr


def test_only_bad_files_give_an_empty_list(tmp_path: Path) -> None:
    (tmp_path / "empty.png").touch()
    assert json.loads(run("match", "-c", COFFEE, "-f", "json", tmp_path, status=1).stdout) == []


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("match", SAMPLES), "caption"),
        (("match", "-c", "  ", SAMPLES), "Every --caption is empty"),
        (("match", "-c", COFFEE, "-m", "../no", SAMPLES), "is not a model"),
        (("match", "-c", COFFEE, "-m", "someone/unknown", SAMPLES), "download it first"),
        (("match", "-c", COFFEE, "-f", "xml", SAMPLES), "xml"),
        (("models", "remove", "pocket"), "Pocket is part of the app"),
        (("nonsense",), "nonsense"),
    ],
)
def test_a_usage_error_is_a_sentence(arguments: tuple[object, ...], message: str) -> None:
    assert message in run(*arguments, status=2).stderr


def test_a_cut_caption_is_reported() -> None:
    done = run("match", "-c", "word " * 600, SAMPLES / "coffee.jpg")
    assert "cut at 512 of 602 tokens" in done.stderr


def test_the_version_is_shown() -> None:
    assert run("--version").stdout == f"CaptionLens {version()}\n"


def test_models_are_listed_with_their_state() -> None:
    listed = run("models", "list").stdout
    assert "on disk  pocket" in listed
    assert "openai/clip-vit-base-patch32" in listed


def test_a_model_is_pulled_after_a_yes_used_and_removed(tmp_path: Path) -> None:
    folder = checkpoints.write("clip", tmp_path / "clip")
    files = {file.name: file.read_bytes() for file in folder.iterdir()}
    with HubServer({"tiny/clip": files}) as hub:
        place = {"HF_ENDPOINT": hub.url, "CAPTIONLENS_MODEL_CACHE": str(tmp_path / "cache")}
        run("models", "pull", "tiny/clip", status=1, answer="n\n", environment=place)
        assert not hub.asked_for("model.safetensors")
        assert (
            "tiny/clip is on disk."
            in run("models", "pull", "-y", "tiny/clip", environment=place).stderr
        )
        assert "tiny/clip" in run("models", "list", environment=place).stdout
        done = run("match", "-m", "tiny/clip", "-c", CAT, SAMPLES / "page.jpg", environment=place)
        assert "page.jpg" in done.stdout
        run("models", "remove", "tiny/clip", environment=place)
        listed = run("models", "list", environment=place).stdout
        assert "tiny/clip" not in listed
        assert re.search(r"MB  tiny-clip-\w+: a conversion that belongs to no model above", listed)
        assert "MB freed." in run("models", "remove", "--unused", environment=place).stderr
        assert "a conversion" not in run("models", "list", environment=place).stdout
        run("models", "remove", status=2, environment=place)
        message = run("models", "pull", "-y", "no/body", status=2, environment=place).stderr
        assert "The Hub has no model no/body" in message


def _shell(redirected: str) -> "subprocess.CompletedProcess[str]":
    line = f"exec '{sys.executable}' cli.py {redirected}"
    done = subprocess.run(
        ["/bin/sh", "-c", line], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert "Traceback" not in done.stderr
    return done


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="/dev/full is of Linux")
@pytest.mark.parametrize("command", ["models list", "--help"])
def test_results_that_cannot_be_written_are_an_error(command: str) -> None:
    done = _shell(f"{command} > /dev/full")
    assert done.returncode == 2
    assert done.stderr == "The output cannot be written: No space left on device.\n"


def test_a_closed_standard_output_is_an_error() -> None:
    done = _shell("models list >&-")
    assert done.returncode == 2
    assert done.stderr == "Standard output is closed: there is nowhere to write results.\n"


def test_a_question_without_a_standard_input_is_answered_by_no(tmp_path: Path) -> None:
    done = _shell(f"index remove none --data-dir {tmp_path} <&-")
    assert done.returncode == 1
    assert "Remove the collection none?" in done.stderr
    assert "Aborted" in done.stderr


def test_a_reader_that_has_seen_enough_is_no_error() -> None:
    assert _shell("models list | head -1").stderr == ""
