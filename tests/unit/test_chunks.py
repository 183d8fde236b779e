"""Chunks and the listing: what a build knows, resumes with, and leaves out."""

import os
import shutil
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from components.collection import chunks
from components.collection.build import BuildJob, BuildProgress, BuildReport, build
from components.collection.chunks import read_chunks
from components.collection.listing import Listing
from components.collection.manifest import CollectionError, folder_of
from components.collection.sources.source import Item, SourceSpec
from components.collection.store import open_folder
from components.encoder import Encoder, Skipped
from components.images import source_of
from tests.standin import stand_in, tiny_images


@pytest.fixture(autouse=True)
def data(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("CAPTIONLENS_DATA", str(tmp_path / "data"))
    monkeypatch.setattr(chunks, "_IMAGES", 2)
    monkeypatch.setattr(os, "fsync", lambda descriptor: None)  # no crash of the machine here
    return tmp_path / "data"


@pytest.fixture
def encoder() -> Encoder:
    return stand_in()


class KilledError(Exception):
    """What ends a build in these tests, as a kill would."""


def index(encoder: Encoder, images: Path, kill_at: int = 0) -> BuildReport:
    def on_progress(now: BuildProgress) -> None:
        if now.stage == "Encoding" and now.done == kill_at:
            raise KilledError

    return build(BuildJob("mine", SourceSpec("folder", str(images))), encoder, on_progress)


def ids() -> list[str]:
    return [str(id_) for id_ in open_folder("mine").table["id"].to_pylist()]


def test_a_resumed_build_knows_what_every_receipt_says(encoder: Encoder, tmp_path: Path) -> None:
    """Also where the folder has changed meanwhile, so that no chunk has the same images again."""
    images = tiny_images(tmp_path / "images", 8)
    with pytest.raises(KilledError):
        index(encoder, images, kill_at=7)
    assert len(list(read_chunks(folder_of("mine")))) == 3
    shutil.move(images / "07.png", images / "00a.png")
    (images / "03.png").unlink()
    report = index(encoder, images)
    assert (report.kept, report.added, report.dropped) == (5, 2, 0)
    assert sorted(ids()) == sorted(path.name for path in images.iterdir())


def test_an_image_that_changed_after_its_chunk_is_encoded_again(
    encoder: Encoder, tmp_path: Path
) -> None:
    images = tiny_images(tmp_path / "images", 4)
    with pytest.raises(KilledError):
        index(encoder, images, kill_at=3)
    shutil.move(tiny_images(tmp_path / "others", 1, first=9) / "09.png", images / "01.png")
    report = index(encoder, images)
    assert (report.kept, report.added) == (1, 3)
    found = open_folder("mine")
    shutil.rmtree(folder_of("mine"))
    index(encoder, images)
    assert (found.vectors(["01.png"]) == open_folder("mine").vectors(["01.png"])).all()


def test_a_chunk_without_a_receipt_counts_for_nothing_and_is_removed(
    encoder: Encoder, tmp_path: Path
) -> None:
    images = tiny_images(tmp_path / "images", 4)
    with pytest.raises(KilledError):
        index(encoder, images, kill_at=3)
    [receipt] = folder_of("mine").glob("chunk-*.receipt")
    receipt.rename(receipt.with_name(f".{receipt.name}.x.draft"))
    assert index(encoder, images).added == 4
    assert not [*folder_of("mine").glob("*chunk-*")]


def test_what_failed_is_tried_once_in_a_build_and_again_in_the_next(
    encoder: Encoder, tmp_path: Path
) -> None:
    images = tiny_images(tmp_path / "images", 4)
    (images / "00.png").write_bytes(b"no image")
    status = (images / "00.png").stat()
    with pytest.raises(KilledError):
        index(encoder, images, kill_at=3)
    whole = (tiny_images(tmp_path / "others", 1) / "00.png").read_bytes()
    report = index(encoder, images)
    assert (report.skipped, report.kept, report.added) == (1, 1, 2)
    (images / "00.png").write_bytes(whole)
    os.utime(images / "00.png", ns=(status.st_atime_ns, status.st_mtime_ns))
    assert index(encoder, images).skipped == 0


def test_rows_are_in_the_order_of_the_source(encoder: Encoder, tmp_path: Path) -> None:
    images = tiny_images(tmp_path / "images", 6)
    with pytest.raises(KilledError):
        index(encoder, images, kill_at=5)
    first, _ = sorted(folder_of("mine").glob("chunk-*.receipt"), key=os.path.getmtime)
    first.unlink()  # the images of the second chunk come before those that are encoded now
    index(encoder, images)
    assert ids() == [f"{number:02}.png" for number in range(6)]


def items(count: int, signature: str = "1") -> Iterator[Item | Skipped]:
    for number in range(count):
        yield Item(f"{number}", source_of(b"", f"{number}"), signature, "")


def test_a_listing_says_what_is_new(tmp_path: Path) -> None:
    listing = Listing(tmp_path)
    listing.read(items(5))
    listing.fail("3", "1", "3 is broken.")
    listing.fail("4", "0", "4 was broken before it changed.")
    assert [item.id for item in listing.new(items(9))] == ["0", "1", "2", "4"]
    assert listing.counts() == (5, 1, 1)
    assert {item.signature for item in listing.new(items(5, "2"))} == {"1"}  # as it was listed
    listing.close()
    assert not [*tmp_path.iterdir()]


def test_a_name_that_is_not_text_is_named(tmp_path: Path) -> None:
    listing = Listing(tmp_path)
    listing.read([Item("\udce9.jpg", source_of(b"", "\udce9.jpg"), "1", "")])
    [reason] = listing.failures()["reason"].to_pylist()
    assert reason == "?.jpg: its name is not valid Unicode. Rename it to index it."


def test_a_listing_on_a_full_disk_is_a_sentence(tmp_path: Path) -> None:
    listing = Listing(tmp_path)
    listing._run("PRAGMA max_page_count = 10")
    with pytest.raises(CollectionError, match="No space left on device"):
        listing.read(items(100_000))


def test_masks_are_of_every_part(tmp_path: Path) -> None:
    listing = Listing(tmp_path)
    assert [mask.tolist() for mask in listing.masks([2, 0])] == [[False, False], []]
    assert all(mask.dtype == np.bool_ for mask in listing.masks([1]))
