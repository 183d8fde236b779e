"""Collections on disk: built, killed, resumed, updated, damaged, and read meanwhile."""

import io
import json
import os
import random
import shutil
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from components.collection.build import BuildJob, BuildProgress, BuildReport, build
from components.collection.manifest import CollectionError, Damaged, OtherModel, folder_of
from components.collection.sources.source import SourceSpec
from components.collection.store import (
    CollectionBusy,
    FolderCollection,
    collections,
    locked,
    open_folder,
    remove,
    verify,
)
from components.collection.writer import writing
from components.encoder import Encoder, load
from components.images import sample_captions
from components.scores import Floats
from components.settings import ROOT
from tests import checkpoints

pytestmark = pytest.mark.slow  # converts or trains a model

SAMPLES = ROOT / "sample_images"
COUNT = len(sample_captions())


@pytest.fixture(scope="module")
def encoder() -> Encoder:
    return load("pocket")


@pytest.fixture(autouse=True)
def data(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("CAPTIONLENS_DATA", str(tmp_path / "data"))
    return tmp_path / "data"


@pytest.fixture
def images(tmp_path: Path) -> Path:
    """A person's folder: six sample images, one of them in a subfolder."""
    folder = tmp_path / "images"
    (folder / "trip").mkdir(parents=True)
    for name in ("chelsea", "coffee", "rocket", "horse", "flower"):
        shutil.copy(SAMPLES / f"{name}.jpg", folder)
    shutil.copy(SAMPLES / "china.jpg", folder / "trip")
    return folder


def index(encoder: Encoder, folder: Path, name: str = "mine", rebuild: bool = False) -> BuildReport:
    return build(BuildJob(name, SourceSpec("folder", str(folder)), rebuild), encoder)


def vectors_of(collection: FolderCollection) -> dict[str, Floats]:
    ids = collection.table["id"].to_pylist()
    return dict(zip(ids, np.concatenate([*collection.matrix.chunks()]), strict=True))


def test_samples_are_built_and_found(encoder: Encoder) -> None:
    report = build(BuildJob("samples", SourceSpec("samples")), encoder)
    assert (report.added, report.skipped, report.manifest.complete) == (COUNT, 0, True)
    collection = open_folder("samples")
    found = collection.find(encoder.texts(["a tabby cat"])[0], 3)
    best = collection.records(found.ids)[0]
    assert best["id"] == "chelsea.jpg"
    assert best["captions"] == ["a facial photo of a tabby cat"]
    assert (best["photographer"], best["licence"]) == ("Stefan van der Walt", "CC0")
    assert str(best["page_url"]).startswith("https://scikit-image.org/")
    assert found.cosines[0] > 0.4
    with Image.open(io.BytesIO(collection.thumbnail(found.ids[0]))) as small:
        assert (small.format, small.size) == ("JPEG", (320, 213))
    assert verify("samples") == []


def test_metadata_says_what_the_file_says(encoder: Encoder, images: Path) -> None:
    image = Image.new("RGB", (300, 400), (30, 80, 200))
    exif = Image.Exif()
    exif.get_ifd(0x8769)[0x9003] = "2019:08:24 10:11:12"
    exif[0x0112] = 6  # lies on its side: upright it is 400 wide
    image.save(images / "trip" / "blue.png", exif=exif)
    index(encoder, images)
    collection = open_folder("mine")
    record = collection.records(["trip/blue.png"])[0]
    assert record["location"] == str(images / "trip" / "blue.png")
    found = {name: record[name] for name in ("width", "height", "year", "folder", "file_type")}
    assert found == {
        "width": 400,
        "height": 300,
        "year": 2019,
        "folder": "trip",
        "file_type": "PNG",
    }
    assert (record["orientation"], record["colours"]) == ("landscape", ["blue"])


def test_bad_images_are_listed_and_the_others_indexed(encoder: Encoder, images: Path) -> None:
    (images / "broken.jpg").write_bytes((SAMPLES / "coffee.jpg").read_bytes()[:3000])
    (images / "empty.png").write_bytes(b"")
    (images / "outside.jpg").symlink_to(SAMPLES / "coins.jpg")
    shutil.copy(images / "coffee.jpg", images / "again.jpg")
    report = index(encoder, images)
    skipped = {row["id"]: row["reason"] for row in open_folder("mine").skipped()}
    assert report.manifest.rows == 6
    assert set(skipped) == {"broken.jpg", "empty.png", "coffee.jpg"}
    assert skipped["coffee.jpg"] == "coffee.jpg is the same file as again.jpg."
    assert "cut off" in skipped["broken.jpg"]


def test_a_name_that_is_not_text_is_skipped_and_named(encoder: Encoder, images: Path) -> None:
    shutil.copy(images / "coffee.jpg", os.fsdecode(os.fsencode(images / "caf") + b"\xe9.jpg"))
    report = index(encoder, images)
    assert (report.added, report.skipped) == (6, 1)
    reason = str(open_folder("mine").skipped()[0]["reason"])
    assert "caf?.jpg: its name is not valid Unicode. Rename it to index it." in reason


def test_an_update_adds_drops_and_encodes_again(encoder: Encoder, images: Path) -> None:
    index(encoder, images)
    before = vectors_of(open_folder("mine"))
    (images / "rocket.jpg").unlink()
    shutil.copy(SAMPLES / "camera.jpg", images)
    shutil.copy(SAMPLES / "coins.jpg", images / "coffee.jpg")  # another image, the same name
    report = index(encoder, images)
    after = vectors_of(open_folder("mine"))
    assert (report.added, report.kept, report.dropped) == (2, 4, 1)
    assert set(after) == (set(before) - {"rocket.jpg"}) | {"camera.jpg"}
    assert before["coffee.jpg"] @ after["coffee.jpg"] < 0.9
    assert (before["horse.jpg"] == after["horse.jpg"]).all()
    assert verify("mine") == []


def test_an_update_without_changes_encodes_nothing(encoder: Encoder, images: Path) -> None:
    first = index(encoder, images).manifest
    report = index(encoder, images)
    assert (report.added, report.kept, report.dropped) == (0, 6, 0)
    assert report.manifest.shards == first.shards
    assert report.manifest.index == first.index


def test_many_small_updates_do_not_leave_many_shards(encoder: Encoder, tmp_path: Path) -> None:
    folder = tmp_path / "growing"
    folder.mkdir()
    names = sorted(path.name for path in SAMPLES.glob("*.jpg"))
    for name in names:
        shutil.copy(SAMPLES / name, folder)
        report = index(encoder, folder, "growing")
    assert len(report.manifest.shards) <= 17
    collection = open_folder("growing")
    build(BuildJob("samples", SourceSpec("samples")), encoder)
    expected, found = vectors_of(open_folder("samples")), vectors_of(collection)
    assert found.keys() == expected.keys()
    assert all(np.allclose(found[name], expected[name], atol=1e-5) for name in names)
    assert [collection.thumbnail_at(row)[:2] for row in range(COUNT)] == [b"\xff\xd8"] * COUNT
    assert verify("growing") == []


def test_the_copy_takes_over_when_the_first_is_deleted(encoder: Encoder, images: Path) -> None:
    shutil.copy(images / "coffee.jpg", images / "same.jpg")
    index(encoder, images)
    (images / "coffee.jpg").unlink()
    report = index(encoder, images)
    assert "same.jpg" in vectors_of(open_folder("mine"))
    assert report.skipped == 0


def test_a_missing_folder_leaves_the_collection(encoder: Encoder, images: Path) -> None:
    index(encoder, images)
    images.rename(images.with_name("elsewhere"))
    with pytest.raises(Exception, match="is not a folder"):
        index(encoder, images)
    assert len(open_folder("mine")) == 6


def test_readers_keep_what_they_opened(encoder: Encoder, images: Path) -> None:
    index(encoder, images)
    before = vectors_of(open_folder("mine"))
    reader = open_folder("mine")  # it has read nothing but the manifest yet
    for name in ("chelsea", "coffee", "rocket"):
        (images / f"{name}.jpg").unlink()
    index(encoder, images)
    assert len(open_folder("mine")) == 3
    assert all((vectors_of(reader)[name] == before[name]).all() for name in before)
    assert [Image.open(io.BytesIO(reader.thumbnail_at(row))).size for row in range(6)]


def test_a_removed_collection_stays_readable_while_open(encoder: Encoder, images: Path) -> None:
    index(encoder, images)
    reader = open_folder("mine")
    assert remove("mine") > 0
    assert reader.thumbnail_at(0)
    assert reader.skipped() == []
    with pytest.raises(CollectionError, match="There is no collection mine"):
        open_folder("mine")
    assert collections() == []


def test_a_second_writer_is_refused_and_readers_are_not(encoder: Encoder, images: Path) -> None:
    index(encoder, images)
    with locked(folder_of("mine")):
        with pytest.raises(CollectionBusy, match="being written by another process"):
            index(encoder, images)
        with pytest.raises(CollectionBusy):
            remove("mine")
        assert len(open_folder("mine")) == 6


def test_another_model_is_reported_and_may_rebuild(
    encoder: Encoder, images: Path, tmp_path: Path
) -> None:
    index(encoder, images)
    other = load(checkpoints.write("clip", tmp_path / "tiny"))
    manifest = open_folder("mine").manifest
    with pytest.raises(OtherModel, match="was indexed with pocket"):
        manifest.check_model(other.spec.id, other.revision)
    with pytest.raises(OtherModel, match="another revision"):
        manifest.check_model("pocket", "something else")
    with pytest.raises(OtherModel, match="Use pocket, or rebuild the collection"):
        index(other, images)
    report = index(other, images, rebuild=True)
    assert (report.manifest.model, report.manifest.rows) == (other.spec.id, 6)
    assert open_folder("mine").matrix.width == other.recipe.width


def test_an_interrupted_rebuild_leaves_the_old_state(
    encoder: Encoder, images: Path, tmp_path: Path
) -> None:
    index(encoder, images)
    other = load(checkpoints.write("clip", tmp_path / "tiny"))
    with writing("mine", SourceSpec("folder", str(images)), other, True):
        pass  # ends before anything is published
    assert len(open_folder("mine")) == 6
    assert index(encoder, images).kept == 6
    assert index(other, images, rebuild=True).manifest.rows == 6


def test_a_name_belongs_to_one_source(encoder: Encoder, images: Path) -> None:
    index(encoder, images)
    with pytest.raises(CollectionError, match="collection of another source") as error:
        index(encoder, images / "trip")
    assert str(images.parent) not in str(error.value)  # it may be another person's


@pytest.mark.parametrize("name", ["", ".", "..", "a/b", "../up", "a\\b", " x", "x.", "a..b", "\0"])
def test_names_that_could_leave_the_folder_are_refused(name: str) -> None:
    with pytest.raises(CollectionError, match="cannot be a collection's name"):
        folder_of(name)


@pytest.mark.parametrize("damage", ["missing", "noise", "short"])
def test_a_damaged_index_is_made_again(encoder: Encoder, images: Path, damage: str) -> None:
    manifest = index(encoder, images).manifest
    assert manifest.index is not None
    file = folder_of("mine") / manifest.index.file.name
    if damage == "missing":
        file.unlink()
    else:
        file.write_bytes(b"noise" * 99 if damage == "noise" else file.read_bytes()[:-9])
    assert verify("mine") == [f"{file.name} is missing or damaged."]
    found = open_folder("mine").find(encoder.texts(["a cat"])[0], 1)
    assert found.ids == ("chelsea.jpg",)
    assert verify("mine") == []


def test_damaged_vectors_are_reported(encoder: Encoder, images: Path) -> None:
    manifest = index(encoder, images).manifest
    file = folder_of("mine") / manifest.shards[0].vectors.name
    whole = file.read_bytes()
    file.write_bytes(whole[:-4] + b"\0\0\0\0")
    assert verify("mine") == [f"{file.name} is missing or damaged."]
    file.write_bytes(whole[:-8])
    with pytest.raises(CollectionError, match="mine is damaged"):
        open_folder("mine")


def test_a_damaged_manifest_is_reported_and_can_be_rebuilt(encoder: Encoder, images: Path) -> None:
    index(encoder, images)
    (folder_of("mine") / "manifest.json").write_text("{")
    with pytest.raises(CollectionError, match="damaged"):
        open_folder("mine")
    assert [type(each) for each in collections()] == [Damaged]
    assert index(encoder, images, rebuild=True).manifest.rows == 6


def test_a_manifest_of_an_older_version_is_read(encoder: Encoder, tmp_path: Path) -> None:
    """Up to version 0.1 the source's folder of images was stored as "pictures"."""
    table = tmp_path / "table.csv"
    table.write_text("image\nchelsea.jpg\n")
    job = BuildJob("old", SourceSpec("table", str(table), str(SAMPLES)))
    build(job, encoder)
    file = folder_of("old") / "manifest.json"
    written = json.loads(file.read_text())
    written["source"]["pictures"] = written["source"].pop("images")
    del written["sha256"]  # nor did it have a checksum
    file.write_text(json.dumps(written))
    assert open_folder("old").manifest.source == job.source
    assert build(job, encoder).kept == 1


def test_a_stop_keeps_finished_images_and_the_next_build_resumes(
    encoder: Encoder, images: Path
) -> None:
    stop = threading.Event()

    def on_progress(now: BuildProgress) -> None:
        if now.done == 2:
            stop.set()

    job = BuildJob("mine", SourceSpec("folder", str(images)))
    first = build(job, encoder, on_progress, stop)
    assert not first.manifest.complete
    assert 0 < first.manifest.rows < 6
    assert len(open_folder("mine")) == first.manifest.rows
    second = build(job, encoder)
    assert (second.manifest.rows, second.kept) == (6, first.manifest.rows)
    assert second.manifest.complete


def test_progress_has_rate_and_time_left(encoder: Encoder, images: Path) -> None:
    seen: list[BuildProgress] = []
    build(BuildJob("mine", SourceSpec("folder", str(images))), encoder, seen.append)
    assert [now.done for now in seen if now.stage == "Encoding"] == [1, 2, 3, 4, 5, 6]
    assert seen[0].stage == "Reading the source"
    assert seen[-1].stage == "Indexing"
    last = seen[-2]
    assert (last.total, last.seconds_left, last.per_second > 0) == (6, 0.0, True)


def test_a_limit_can_be_raised_later(encoder: Encoder, images: Path) -> None:
    def limited(number: int) -> BuildReport:
        return build(BuildJob("mine", SourceSpec("folder", str(images), limit=number)), encoder)

    assert limited(2).manifest.rows == 2
    assert (limited(4).added, limited(0).added) == (2, 2)


def test_many_shards_are_one_collection(encoder: Encoder, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("components.collection.writer.SHARD_ROWS", 8)
    monkeypatch.setattr("components.collection.chunks._IMAGES", 4)
    monkeypatch.setattr(type(encoder), "batch", 4, raising=False)
    build(BuildJob("samples", SourceSpec("samples")), encoder)
    collection = open_folder("samples")
    assert len(collection.manifest.shards) > 1
    for row, id_ in enumerate(collection.table["id"].to_pylist()):
        vector = encoder.images([Image.open(SAMPLES / id_).convert("RGB")])[0]
        assert collection.matrix.rows(np.array([row]))[0] @ vector > 0.99
        assert collection.thumbnail_at(row)[:2] == b"\xff\xd8"


@pytest.fixture
def many(tmp_path: Path) -> Path:
    """Six hundred different small images, and two that cannot be read."""
    folder = tmp_path / "many"
    folder.mkdir()
    noise = np.random.default_rng(0)
    for number in range(600):
        pixels = noise.integers(0, 256, (6, 8, 3), dtype=np.uint8)
        Image.fromarray(pixels).resize((320, 240)).save(folder / f"{number:04}.jpg")
    (folder / "0100b.jpg").write_bytes(b"no image")
    (folder / "0400b.jpg").write_bytes(b"")
    return folder


def test_eight_kills_lose_nothing(many: Path, data: Path) -> None:
    """Kill a real build at random moments, let it end, and compare it with an uninterrupted one."""
    command = [sys.executable, "cli.py", "index", "build", "folder", str(many), "--name"]
    environment = {**os.environ, "CAPTIONLENS_DATA": str(data)}

    def start(name: str) -> "subprocess.Popen[bytes]":
        pipe = subprocess.PIPE
        return subprocess.Popen([*command, name], cwd=ROOT, env=environment, stderr=pipe)

    chance = random.Random(0)  # noqa: S311 - moments, not secrets
    kills = 0
    while kills < 8:  # `make trials` kills for ten minutes
        process = start("killed")
        assert process.stderr is not None
        assert b"Pocket" in process.stderr.readline()  # the model is there, the work begins
        time.sleep(chance.uniform(0, 0.5))
        process.send_signal(signal.SIGKILL)
        process.communicate()
        if (folder_of("killed") / "manifest.json").exists():
            shutil.rmtree(folder_of("killed"))  # it was faster: begin again
            kills = 0
        else:
            kills += 1
    assert start("killed").wait() == start("uninterrupted").wait() == 1  # two images were skipped
    uninterrupted, killed = (vectors_of(open_folder(name)) for name in ("uninterrupted", "killed"))
    assert len(killed) == len(open_folder("killed")) == 600
    assert killed.keys() == uninterrupted.keys()
    assert all(np.allclose(killed[id_], uninterrupted[id_], atol=1e-5) for id_ in uninterrupted)
    assert verify("killed") == []
    for row in (0, 299, 599):
        thumbnails = [open_folder(name) for name in ("uninterrupted", "killed")]
        ids = [each.table["id"].to_pylist()[row] for each in thumbnails]
        assert thumbnails[0].thumbnail_at(row) == thumbnails[1].thumbnail(ids[0])
