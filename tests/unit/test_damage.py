"""Damaged files of a collection: found, never carried on, and encoded again from the source."""

import os
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from components.collection import writer
from components.collection.build import BuildJob, BuildProgress, BuildReport, build, summary
from components.collection.manifest import CollectionError, Damaged, folder_of
from components.collection.sources.source import SourceSpec
from components.collection.store import collections, open_folder, verify
from components.encoder import Encoder
from tests.standin import stand_in, tiny_images

KINDS = ("vectors", "thumbnails", "parquet", "faiss", "skipped.parquet", "json")
State = dict[str, tuple[bytes, bytes]]  # id -> vector and thumbnail


def flip(data: bytes) -> bytes:
    """Return ``data`` with a bit changed in its middle."""
    middle = len(data) // 2
    return data[:middle] + bytes([data[middle] ^ 4]) + data[middle + 1 :]


DAMAGES: dict[str, Callable[[bytes], bytes | None]] = {
    "missing": lambda data: None,
    "empty": lambda data: b"",
    "cut": lambda data: data[: len(data) // 2],
    "flipped": flip,
    "zeros": lambda data: bytes(len(data)),
}


def damage(file: Path, how: str) -> None:
    data = DAMAGES[how](file.read_bytes())
    file.unlink() if data is None else file.write_bytes(data)


@pytest.fixture(autouse=True)
def data(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("CAPTIONLENS_DATA", str(tmp_path / "data"))
    monkeypatch.setattr(writer, "SHARD_ROWS", 4)
    monkeypatch.setattr("components.collection.chunks._IMAGES", 2)
    monkeypatch.setattr(os, "fsync", lambda descriptor: None)  # no crash of the machine here
    return tmp_path / "data"


@pytest.fixture
def images(tmp_path: Path) -> Path:
    """Six images, in two shards once indexed, and one that is skipped."""
    folder = tiny_images(tmp_path / "images", 6)
    (folder / "broken.png").write_bytes(b"not an image")
    return folder


@pytest.fixture
def encoder() -> Encoder:
    return stand_in()


def index(encoder: Encoder, images: Path, rebuild: bool = False, name: str = "mine") -> BuildReport:
    return build(BuildJob(name, SourceSpec("folder", str(images)), rebuild), encoder)


def state(name: str = "mine") -> State:
    """Return what a reader finds, having read all of it."""
    collection = open_folder(name)
    collection.skipped()
    rows = np.arange(len(collection))
    vectors = collection.matrix.rows(rows)
    return {
        id_: (vectors[row].tobytes(), collection.thumbnail_at(row))
        for row, id_ in enumerate(collection.ids(rows))
    }


def file_of(kind: str, name: str = "mine") -> Path:
    pattern = "manifest.json" if kind == "json" else f"??????.{kind}"
    return sorted(folder_of(name).glob(pattern))[0]


@pytest.mark.parametrize("how", DAMAGES)
@pytest.mark.parametrize("kind", KINDS)
def test_damage_is_found_and_the_next_build_mends_it(
    encoder: Encoder, images: Path, kind: str, how: str
) -> None:
    index(encoder, images)
    whole = state()
    damage(file_of(kind), how)
    try:
        assert verify("mine")  # names the file
    except CollectionError as error:
        assert kind == "json" and "mine" in str(error)
    try:
        found = state()
        assert found.keys() == whole.keys()
    except CollectionError as error:
        assert "mine" in str(error)
    (images / "00.png").unlink()  # so that a shard is rewritten
    expected = {id_: whole[id_] for id_ in whole if id_ != "00.png"}
    try:
        index(encoder, images)
    except CollectionError as error:
        assert kind == "json" and "Rebuild it" in str(error)
        index(encoder, images, rebuild=True)
    assert state() == expected
    assert verify("mine") == []


@pytest.mark.parametrize("how", DAMAGES)
@pytest.mark.parametrize("kind", ["vectors", "thumbnails", "parquet"])
def test_an_update_without_changes_mends_damage_and_says_so(
    encoder: Encoder, images: Path, kind: str, how: str
) -> None:
    index(encoder, images)
    whole = state()
    damage(file_of(kind), how)
    report = index(encoder, images)
    assert report.damaged == ("000001." + kind,)
    assert f"encoded again: 000001.{kind}." in summary(report)
    assert state() == whole
    assert verify("mine") == []


class KilledError(Exception):
    """What ends a build in these tests, as a kill would."""


def kill_a_first_build(encoder: Encoder, folder: Path) -> None:
    """Leave six images in three chunks; nothing is published."""

    def on_progress(now: BuildProgress) -> None:
        if now.done == 7:
            raise KilledError

    with pytest.raises(KilledError):
        build(BuildJob("mine", SourceSpec("folder", str(folder))), encoder, on_progress)
    names = {path.name for path in folder_of("mine").iterdir()}
    assert "build.json" in names and "manifest.json" not in names
    assert len(chunk_files("receipt")) == len(chunk_files("parquet")) == 3


def chunk_files(kind: str) -> list[Path]:
    return sorted(folder_of("mine").glob(f"chunk-*.{kind}"))


@pytest.mark.parametrize(
    ("how", "rebuild"), [*((how, False) for how in DAMAGES), ("flipped", True)]
)
@pytest.mark.parametrize(
    "file",
    [
        "build.json",
        *(f"chunk-*.{kind}" for kind in ("vectors", "thumbnails", "parquet", "receipt")),
    ],
)
def test_a_killed_first_build_ends_well_with_any_file_damaged(
    encoder: Encoder, tmp_path: Path, file: str, rebuild: bool, how: str
) -> None:
    images = tiny_images(tmp_path / "images", 8)
    index(encoder, images, name="whole")
    kill_a_first_build(encoder, images)
    damage(sorted(folder_of("mine").glob(file))[1 if "*" in file else 0], how)
    report = index(encoder, images, rebuild)
    assert report.manifest.complete
    assert state() == state("whole")
    assert verify("mine") == []


def test_a_resumed_build_keeps_what_is_whole(encoder: Encoder, tmp_path: Path) -> None:
    images = tiny_images(tmp_path / "images", 8)
    kill_a_first_build(encoder, images)
    report = index(encoder, images)
    assert (report.kept, report.added, report.damaged) == (6, 2, ())


def test_starting_from_nothing_keeps_nothing_of_a_killed_first_build(
    encoder: Encoder, tmp_path: Path
) -> None:
    images = tiny_images(tmp_path / "images", 8)
    kill_a_first_build(encoder, images)
    report = index(encoder, images, rebuild=True)
    assert (report.kept, report.added) == (0, 8)


def test_damage_during_a_build_gets_no_valid_checksum(encoder: Encoder, tmp_path: Path) -> None:
    """A chunk that changes on the disk after it was written ends the build; the next mends it."""
    images = tiny_images(tmp_path / "images", 6)

    def on_progress(now: BuildProgress) -> None:
        if now.done == 4:  # two images are in a chunk
            damage(chunk_files("vectors")[0], "flipped")

    job = BuildJob("mine", SourceSpec("folder", str(images)))
    with pytest.raises(Damaged, match=r"mine is damaged: chunk-\w+\.vectors"):
        build(job, encoder, on_progress)
    build(job, encoder)
    index(encoder, images, name="whole")
    assert state() == state("whole")


def test_damage_found_while_shards_are_rewritten_ends_the_update(
    encoder: Encoder, images: Path
) -> None:
    """The files are checked when the build begins, and once more when they are read."""
    index(encoder, images)
    whole = state()
    (images / "00.png").unlink()

    def on_progress(now: BuildProgress) -> None:
        if now.stage == "Indexing":
            damage(folder_of("mine") / "000001.thumbnails", "flipped")

    job = BuildJob("mine", SourceSpec("folder", str(images)))
    with pytest.raises(Damaged, match=r"mine is damaged: 000001\.thumbnails"):
        build(job, encoder, on_progress)
    build(job, encoder)
    assert state() == {id_: whole[id_] for id_ in whole if id_ != "00.png"}


def test_a_data_folder_that_cannot_be_written_is_a_sentence(
    encoder: Encoder, images: Path, data: Path
) -> None:
    data.write_text("a file where the folder belongs")
    with pytest.raises(CollectionError, match="mine cannot be read: Not a directory"):
        index(encoder, images)
    assert collections() == []
