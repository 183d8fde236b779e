"""Collections in a shared place: published and read in a folder and in S3, by one set of tests."""

import errno
import os
import shutil
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import fsspec  # type: ignore[import-untyped] # has no types
import numpy as np
import pytest
from moto.server import ThreadedMotoServer

from components.collection.build import BuildJob, build
from components.collection.manifest import (
    CollectionError,
    File,
    Manifest,
    folder_of,
    write_manifest,
)
from components.collection.milvus.publication import (
    SHARED,
    Column,
    Publication,
    alias_of,
    kept_states,
    sharing,
    write_publication,
)
from components.collection.milvus.rows import columns_of
from components.collection.shared import cache as local
from components.collection.shared import (
    forget,
    lock,
    publish,
    reading,
    shared_publication,
    thumbnails,
)
from components.collection.shared.place import Place, open_place, shown_address
from components.collection.shared.thumbnails import SharedThumbnails
from components.collection.sources.source import SourceSpec
from components.collection.store import (
    CollectionBusy,
    FolderCollection,
    collections,
    open_folder,
    published,
    remove,
    verify,
)
from components.settings import ROOT
from tests.standin import stand_in, tiny_images
from tests.unit.helpers import run

S3_ENVIRONMENT = {
    "AWS_ACCESS_KEY_ID": "test",
    "AWS_SECRET_ACCESS_KEY": "a secret",
    "AWS_DEFAULT_REGION": "us-east-1",
}


@pytest.fixture(scope="module")
def server() -> Iterator[str]:
    """Serve S3 on the loopback address; return its address."""
    server = ThreadedMotoServer("127.0.0.1", 0, verbose=False)
    server.start()
    yield "http://{}:{}".format(*server.get_host_and_port())
    server.stop()


@pytest.fixture(params=["folder", "s3"])
def place(
    request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[str]:
    """Return the address of an empty place."""
    monkeypatch.setattr(reading, "LISTED", 1e-6)  # every listing is a new one
    if request.param == "folder":
        (tmp_path / "place").mkdir()
        yield str(tmp_path / "place")
        return
    monkeypatch.setenv("AWS_ENDPOINT_URL", request.getfixturevalue("server"))
    for name, value in S3_ENVIRONMENT.items():
        monkeypatch.setenv(name, value)
    bucket = f"b{time.time_ns()}"
    system = fsspec.filesystem("s3", use_listings_cache=False)
    system.mkdir(bucket)
    yield f"s3://{bucket}/collections"
    reading._place.cache_clear()


@pytest.fixture
def images(tmp_path: Path) -> Path:
    folder = tiny_images(tmp_path / "images", 12)
    (folder / "broken.png").write_bytes(b"not an image")
    return folder


@pytest.fixture(autouse=True)
def builder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Be the computer that builds."""
    monkeypatch.setenv("CAPTIONLENS_DATA", str(tmp_path / "builder"))


def built(images: Path, name: str = "mine") -> Manifest:
    return build(BuildJob(name, SourceSpec("folder", str(images))), stand_in()).manifest


class Reader:
    """A computer that only reads a place, once it is switched on: then this process is it."""

    def __init__(self, patch: pytest.MonkeyPatch, data: Path, place: str) -> None:
        self.patch, self.data, self.place = patch, data, place

    def on(self) -> None:
        self.patch.setenv("CAPTIONLENS_DATA", str(self.data))
        self.patch.setenv("CAPTIONLENS_SHARED_COLLECTIONS", self.place)

    def off(self) -> None:
        self.patch.undo()

    def cached(self) -> set[str]:
        return {file.name for file in (self.data / "cache").iterdir() if len(file.name) == 64}


@pytest.fixture
def reader(tmp_path: Path, place: str) -> Iterator[Reader]:
    with pytest.MonkeyPatch.context() as patch:
        yield Reader(patch, tmp_path / "reader", place)


def contents(collection: FolderCollection) -> dict[str, tuple[bytes, bytes]]:
    """Return the vector and the thumbnail of each id."""
    ids = collection.ids(np.arange(len(collection)))
    vectors = collection.vectors(ids)
    return {
        id_: (vector.tobytes(), collection.thumbnail(id_))
        for id_, vector in zip(ids, vectors, strict=True)
    }


def objects(place: str, name: str = "mine") -> set[str]:
    """Return the names of all files of a collection in the place."""
    system, root = fsspec.core.url_to_fs(place, use_listings_cache=False)
    return {path.rpartition(f"/{name}/")[2] for path in system.find(f"{root}/{name}", refresh=True)}


def needed(*manifests: Manifest) -> set[str]:
    return {f"files/{file.sha256}" for manifest in manifests for file in manifest.files}


def spoil(place: str, digest: str, how: str) -> None:
    system, root = fsspec.core.url_to_fs(place, use_listings_cache=False)
    path = f"{root}/mine/files/{digest}"
    data = system.cat_file(path)
    if how == "missing":
        system.rm_file(path)
    else:
        system.pipe_file(path, data[:-1] if how == "cut" else bytes([data[0] ^ 1]) + data[1:])


def test_a_reader_finds_what_the_builder_finds(images: Path, place: str, reader: Reader) -> None:
    manifest = built(images)
    own = open_folder("mine")
    expected = contents(own)
    told: list[str] = []
    assert "Published mine, 12 images" in publish("mine", place, told.append)
    assert told[-1].endswith("copied")
    assert objects(place) == {"manifest.json", *needed(manifest)}
    reader.on()
    shared = open_folder("mine")
    assert shared.manifest == manifest and shared.key == own.key
    assert contents(shared) == expected
    assert shared.skipped() == own.skipped() != []
    assert shared.columns == own.columns
    query = stand_in().texts(["a cat"])[0]
    found, of_own = (each.find(query, 5, {"file_type": ["png"]}) for each in (shared, own))
    assert found.ids == of_own.ids and np.array_equal(found.cosines, of_own.cosines)
    assert shared.records(found.ids) == own.records(found.ids)
    assert shared.facets() == own.facets()
    assert shared.browse(3) == own.browse(3)
    assert np.array_equal(shared.score_sample(query), own.score_sample(query))
    assert [each.name for each in collections() if isinstance(each, Manifest)] == ["mine"]
    assert published("mine") == manifest
    assert verify("mine") == []


def test_an_unknown_name_is_a_sentence(place: str, images: Path, reader: Reader) -> None:
    built(images)
    publish("mine", place)
    reader.on()
    with pytest.raises(CollectionError, match="There is no collection other"):
        open_folder("other")
    assert published("other") is None
    with pytest.raises(CollectionError, match="There is no collection other"):
        publish("other", place)


def test_only_what_is_not_there_is_copied(images: Path, place: str) -> None:
    built(images)
    publish("mine", place)
    assert "0 files copied" in publish("mine", place)


def test_the_state_before_stays_readable_and_the_one_before_it_goes(
    images: Path, place: str, reader: Reader
) -> None:
    states = [built(images)]
    publish("mine", place)
    reader.on()
    opened = open_folder("mine")
    first = contents(open_folder("mine"))
    for number in (1, 2):
        reader.off()
        (images / f"0{number}.png").unlink()
        states.append(built(images))
        publish("mine", place)
        publish("mine", place)  # a second time changes nothing
        both = needed(*states[-2:])
        assert objects(place) == {"manifest.json", "previous.json", *both}
        reader.on()
        if number == 1:
            assert contents(opened) == first  # thumbnails too, which are read now
            assert len(open_folder("mine")) == 11
    late = replace_memory(opened)
    with pytest.raises(CollectionError, match=r"mine was published again.* Reload the page"):
        late.thumbnail("00.png")
    assert len(open_folder("mine")) == 10


def replace_memory(collection: FolderCollection) -> FolderCollection:
    """Return an opened collection that has read no thumbnail yet."""
    assert isinstance(collection, reading.SharedCollection)
    collection.thumbnails._blocks.clear()
    return collection


def test_a_shared_collection_is_not_changed_here(
    images: Path, place: str, tmp_path: Path, reader: Reader
) -> None:
    built(images)
    publish("mine", place)
    reader.on()
    for change in (
        lambda: built(images),
        lambda: build(BuildJob("mine", SourceSpec("folder", str(images)), True), stand_in()),
        lambda: remove("mine"),
    ):
        with pytest.raises(CollectionError, match="mine is a shared collection"):
            change()
    assert len(built(images, "own").shards) == 1
    shutil.copytree(tmp_path / "builder" / "collections" / "mine", folder_of("mine"))
    assert type(open_folder("mine")) is FolderCollection  # one of this name here is preferred
    assert [each.name for each in collections() if isinstance(each, Manifest)] == ["mine", "own"]
    assert built(images).rows == 12


@pytest.mark.parametrize("kind", ["vectors", "metadata", "faiss"])
@pytest.mark.parametrize("how", ["flipped", "cut", "missing"])
def test_a_damaged_object_is_named_and_mended(
    images: Path,
    place: str,
    reader: Reader,
    kind: str,
    how: str,
) -> None:
    manifest = built(images)
    expected = contents(open_folder("mine"))
    publish("mine", place)
    file = manifest.index.file if kind == "faiss" else getattr(manifest.shards[0], kind)  # type: ignore[union-attr]
    spoil(place, file.sha256, how)
    reader.on()
    with pytest.raises(CollectionError, match="mine"):
        open_folder("mine")
    assert any(file.name in sentence for sentence in verify("mine"))
    assert not local.path_of(file).exists()
    reader.off()
    if how == "flipped":
        spoil(place, file.sha256, "missing")  # as the sentence says
    publish("mine", place)
    reader.on()
    assert contents(open_folder("mine")) == expected


def test_a_damaged_file_in_the_cache_is_downloaded_again(
    images: Path, place: str, reader: Reader
) -> None:
    manifest = built(images)
    publish("mine", place)
    reader.on()
    expected = contents(open_folder("mine"))
    shard = manifest.shards[0]
    flipped = local.path_of(shard.metadata).read_bytes()
    local.path_of(shard.metadata).write_bytes(flipped[:-9] + b"x" + flipped[-8:])
    local.path_of(shard.vectors).write_bytes(b"short")
    assert contents(open_folder("mine")) == expected


def test_damage_here_is_not_published(images: Path, place: str) -> None:
    manifest = built(images)
    file = folder_of("mine") / manifest.shards[0].thumbnails.name
    file.write_bytes(b"x" + file.read_bytes()[1:])
    with pytest.raises(CollectionError, match=r"mine is damaged: 000001\.thumbnails"):
        publish("mine", place)
    assert "manifest.json" not in objects(place)


@pytest.mark.parametrize(
    "text",
    [b"", b"{", b"[]", b'{"format": 99}', b'{"format": 1, "shards": 3}', b"\xff" * 9],
)
def test_a_manifest_that_cannot_be_used_is_a_sentence(
    images: Path,
    place: str,
    reader: Reader,
    text: bytes,
) -> None:
    built(images)
    publish("mine", place)
    system, root = fsspec.core.url_to_fs(place, use_listings_cache=False)
    system.pipe_file(f"{root}/mine/manifest.json", text)
    reader.on()
    with pytest.raises(CollectionError, match="mine"):
        open_folder("mine")
    assert "mine" in str(collections()[0])
    reader.off()
    publish("mine", place)
    reader.on()
    assert len(open_folder("mine")) == 12


def test_digests_of_a_manifest_are_not_paths(
    images: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    manifest = built(images)
    assert manifest.skipped
    hostile = replace(manifest, skipped=replace(manifest.skipped, sha256="../../escaped"))
    (tmp_path / "place" / "mine").mkdir(parents=True)
    write_manifest(tmp_path / "place" / "mine", hostile)
    Reader(monkeypatch, tmp_path / "reader", str(tmp_path / "place")).on()
    with pytest.raises(CollectionError, match=r"mine has a damaged manifest\.json"):
        open_folder("mine")


def test_two_readers_open_it_at_once_and_download_each_file_once(
    images: Path,
    place: str,
    reader: Reader,
) -> None:
    manifest = built(images)
    expected = contents(open_folder("mine"))
    publish("mine", place)
    reader.on()
    taken: list[str] = []
    take = Place.take

    def counted(self: Place, name: str, file: File, draft: Path) -> None:
        taken.append(file.sha256)
        time.sleep(0.05)
        take(self, name, file, draft)

    reader.patch.setattr(Place, "take", counted)
    with ThreadPoolExecutor(4) as pool:
        opened = list(pool.map(lambda _: open_folder("mine"), range(4)))
    assert all(contents(each) == expected for each in opened)
    assert len(taken) == len(set(taken)) == len(manifest.files) - 1  # all but the thumbnails
    assert not list((reader.data / "cache").glob("*.draft"))


def test_neighbours_are_read_in_one_request_and_memory_is_bounded(
    images: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    manifest = built(images)
    (tmp_path / "place").mkdir()
    publish("mine", str(tmp_path / "place"))
    [shard] = manifest.shards
    file, data = shard.thumbnails, (folder_of("mine") / shard.thumbnails.name).read_bytes()
    read_range, ranges = Place.read_range, []

    def counted(self: Place, name: str, file: File, start: int, size: int) -> bytes:
        ranges.append((start, size))
        return read_range(self, name, file, start, size)

    monkeypatch.setattr(Place, "read_range", counted)
    there = SharedThumbnails("mine", open_place(str(tmp_path / "place")))
    sizes = open_folder("mine").table["thumbnail_bytes"].to_pylist()
    starts = np.cumsum([0, *sizes[:-1]]).tolist()
    every = list(zip(starts, sizes, strict=True))
    for start, size in every:
        there.ahead(file, start, size)
    assert all(there.read(file, s, n) == data[s : s + n] for s, n in every)
    assert ranges == [(0, len(data))]
    monkeypatch.setattr(thumbnails, "_BLOCK", 100)
    monkeypatch.setattr(thumbnails, "_KEPT", 3)
    there = SharedThumbnails("mine", open_place(str(tmp_path / "place")))
    assert all(there.read(file, s, n) == data[s : s + n] for s, n in every)
    assert len(there._blocks) == 3
    with pytest.raises(CollectionError, match="mine is damaged in the shared place"):
        there.read(file, len(data) - 5, 6)


def test_the_cache_is_bounded_and_keeps_what_is_open(
    images: Path, place: str, reader: Reader
) -> None:
    files: dict[str, set[str]] = {}
    sizes: dict[str, int] = {}
    for number, name in enumerate("abc"):
        (images / f"0{number}.png").unlink()
        manifest = built(images, name)
        kept = set(manifest.files) - {shard.thumbnails for shard in manifest.shards}
        files[name] = {file.sha256 for file in kept}
        sizes |= {file.sha256: file.bytes for file in kept}
        publish(name, place)
    reader.on()

    def bound(names: str) -> None:
        digests = set().union(*(files[name] for name in names))
        reader.patch.setattr(local, "_GIGABYTE", sum(sizes[digest] for digest in digests))
        reader.patch.setenv("CAPTIONLENS_CACHE_GB", "1")

    bound("abc")
    first: FolderCollection | None = open_folder("a")
    open_folder("b")
    open_folder("c")
    assert reader.cached() == files["a"] | files["b"] | files["c"]
    bound("ac")
    open_folder("c")
    assert reader.cached() == files["a"] | files["c"]  # b is the least recently used; a is open
    bound("a")
    with pytest.raises(CollectionError, match=r"b needs .* Raise CAPTIONLENS_CACHE_GB"):
        open_folder("b")
    assert first is not None and len(contents(first)) == 11
    del first
    open_folder("a")
    bound("b")
    open_folder("b")
    assert reader.cached() == files["b"]


def _cached_bytes(manifest: Manifest) -> int:
    """Return the size of what is cached of a collection: all but its thumbnails."""
    read_by_ranges = {shard.thumbnails for shard in manifest.shards}
    return sum(file.bytes for file in set(manifest.files) - read_by_ranges)


def test_another_process_keeps_what_it_has_open(
    images: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    place = str(tmp_path / "place")
    manifests = {}
    for number, name in enumerate("ab"):
        (images / f"0{number}.png").unlink()
        manifests[name] = built(images, name)
        publish(name, place)
    reader = Reader(monkeypatch, tmp_path / "reader", place)
    reader.on()
    code = (
        "import sys; from components.collection.store import open_folder; it = open_folder('a');"
        "print('open', flush=True); sys.stdin.read(); print(len(it.table))"
    )
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE}
    with subprocess.Popen([sys.executable, "-c", code], cwd=ROOT, text=True, **pipes) as other:  # type: ignore[call-overload]
        assert other.stdout.readline() == "open\n"
        monkeypatch.setenv("CAPTIONLENS_CACHE_GB", "1")
        monkeypatch.setattr(local, "_GIGABYTE", _cached_bytes(manifests["b"]))
        with pytest.raises(CollectionError, match="in use"):
            open_folder("b")
        other.kill()  # the kernel releases its lease
    assert len(open_folder("b")) == 10
    gone = {file.sha256 for file in set(manifests["a"].files) - set(manifests["b"].files)}
    assert not reader.cached() & gone


def test_a_place_that_is_gone_is_a_sentence_at_once(
    images: Path, place: str, reader: Reader
) -> None:
    built(images)
    publish("mine", place)
    reader.on()
    opened = open_folder("mine")
    if place.startswith("s3://"):
        reader.patch.setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:9")
        reading._place.cache_clear()
        fsspec.get_filesystem_class("s3").clear_instance_cache()
        there = SharedThumbnails("mine", open_place(place))
        opened = replace(opened, thumbnails=there)  # type: ignore[call-arg]
    else:
        shutil.rmtree(place)
    started = time.monotonic()
    with pytest.raises(CollectionError, match=r"^mine cannot be read from the shared place: ") as e:
        open_folder("mine")
    assert "http" not in str(e.value) and "secret" not in str(e.value)
    assert [str(each) for each in collections()] != []
    with pytest.raises(CollectionError, match="mine"):
        opened.thumbnail("00.png")
    assert len(opened.find(stand_in().texts(["a cat"])[0], 3)) == 3  # served from the cache
    assert time.monotonic() - started < 5
    fsspec.get_filesystem_class("s3").clear_instance_cache()


def test_refused_credentials_are_a_sentence(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, server: str
) -> None:
    monkeypatch.setenv("AWS_ENDPOINT_URL", server)
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    for name in (*S3_ENVIRONMENT, "AWS_PROFILE"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("HOME", str(tmp_path))
    Reader(monkeypatch, tmp_path / "reader", "s3://somewhere/x").on()
    fsspec.get_filesystem_class("s3").clear_instance_cache()
    reading._place.cache_clear()
    with pytest.raises(CollectionError, match="check the credentials in the environment"):
        open_folder("mine")
    fsspec.get_filesystem_class("s3").clear_instance_cache()


@pytest.mark.parametrize(
    "address", ["nosuch://u:secret@host/x?key=secret", "ftp://u:secret@127.0.0.1:9/x"]
)
def test_no_sentence_holds_credentials(
    images: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, address: str
) -> None:
    built(images)
    with pytest.raises(CollectionError) as error:
        publish("mine", address)
    assert "secret" not in str(error.value)
    Reader(monkeypatch, tmp_path / "reader", address).on()
    with pytest.raises(CollectionError) as error:
        open_folder("mine")
    assert "secret" not in str(error.value)
    assert "secret" not in " ".join(map(str, collections()))


def test_addresses_are_shown_without_credentials() -> None:
    assert shown_address("s3://key:secret@bucket/a b?token=1#f") == "s3://bucket/a b"
    assert shown_address("/mnt/share/x@y") == "/mnt/share/x@y"


def test_a_collection_is_not_published_into_itself(images: Path) -> None:
    built(images)
    with pytest.raises(CollectionError, match="where mine is built"):
        publish("mine", str(folder_of("mine").parent))
    with pytest.raises(CollectionError, match="where mine is built"):
        publish("mine", f"file://{folder_of('mine').parent}")


def test_a_stopped_publication_shows_what_was_there_before(
    images: Path, place: str, reader: Reader
) -> None:
    first = built(images)
    publish("mine", place)
    (images / "00.png").unlink()
    built(images)
    stop = threading.Event()
    assert "Stopped" in publish("mine", place, lambda text: stop.set(), stop)
    reader.on()
    assert open_folder("mine").manifest == first
    reader.off()
    assert "Published mine, 11 images" in publish("mine", place)


def noted(manifest: Manifest, state: int = 1) -> Publication:
    """Note that a state was published to a Milvus server."""
    folder = open_folder(manifest.name)
    columns = columns_of(folder.schema)
    place = f"{alias_of(manifest.name)}_g{state}"
    publication = Publication(place, columns, tuple(folder.facets()), manifest)
    write_publication(folder_of(manifest.name), publication)
    return publication


def test_the_note_of_a_publication_in_milvus_travels_with_it(
    images: Path, place: str, reader: Reader
) -> None:
    publication = noted(built(images))
    publish("mine", place)
    assert "milvus.json" in objects(place)
    reader.on()
    found = shared_publication("mine")
    assert found and found[0] == publication
    assert shared_publication("other") is None
    reader.off()
    (folder_of("mine") / "milvus.json").unlink()
    publish("mine", place)
    assert "milvus.json" not in objects(place)
    reader.on()
    forget()
    assert shared_publication("mine") is None


def test_thumbnails_of_an_older_state_in_milvus_are_in_the_shared_place(
    images: Path, place: str, reader: Reader
) -> None:
    """The folder may have gone on: readers of the server see the state that it has."""
    first = built(images)
    publication = noted(first)
    expected = {row: open_folder("mine").thumbnail_at(row) for row in range(12)}
    (images / "00.png").unlink()
    second = built(images)
    assert {each.thumbnails for each in first.shards}.isdisjoint(second.files)
    publish("mine", place)
    older = {f"files/{shard.thumbnails.sha256}" for shard in first.shards}
    assert objects(place) == {"manifest.json", "milvus.json", *older, *needed(second)}
    reader.on()
    found = shared_publication("mine")
    assert found and found[0] == publication
    [shard], start = first.shards, 0
    for row, jpeg in expected.items():
        assert found[1].read(shard.thumbnails, start, len(jpeg)) == jpeg, row
        start += len(jpeg)
    assert open_folder("mine").manifest == second  # without a server
    assert verify("mine") == []
    spoil(place, shard.thumbnails.sha256, "flipped")
    assert [shard.thumbnails.name in sentence for sentence in verify("mine")] == [True]


@pytest.mark.parametrize(
    "spoiled",
    [
        b"",
        b"{}",
        {"place": "captionlens_other_0123456789abcdef_g1"},
        {"columns": (Column("year", "number", "c0) or (c1"),)},
        {"manifest": {"name": "other"}},
        {"manifest": {"digest": "../../escaped"}},
    ],
)
def test_a_note_of_a_shared_place_is_not_trusted(
    images: Path, tmp_path: Path, reader: Reader, place: str, spoiled: Any
) -> None:
    manifest = built(images)
    publication = noted(manifest)
    publish("mine", place)
    if isinstance(spoiled, bytes):
        text = spoiled
    else:
        if name := spoiled.get("manifest", {}).get("name"):
            spoiled = {"manifest": replace(manifest, name=name)}
        elif digest := spoiled.get("manifest", {}).get("digest"):
            [shard] = manifest.shards
            shard = replace(shard, thumbnails=replace(shard.thumbnails, sha256=digest))
            spoiled = {"manifest": replace(manifest, shards=(shard,))}
        write_publication(tmp_path, replace(publication, **spoiled))
        text = (tmp_path / "milvus.json").read_bytes()
    system, root = fsspec.core.url_to_fs(place, use_listings_cache=False)
    system.pipe_file(f"{root}/mine/milvus.json", text)
    reader.on()
    forget()
    with pytest.raises(CollectionError, match=r"mine has a damaged milvus\.json"):
        shared_publication("mine")


def test_states_on_a_server_that_readers_of_shared_places_search_are_known(
    images: Path, tmp_path: Path
) -> None:
    manifest, folder = built(images), folder_of("mine")
    for name in ("a", "b"):
        (tmp_path / name).mkdir()
    publish("mine", str(tmp_path / "a"))
    noted(manifest, 1)
    publish("mine", str(tmp_path / "a"))
    first = f"{alias_of('mine')}_g1"
    assert [*kept_states(folder).values()] == [[first]]
    publish("mine", str(tmp_path / "b"))
    publication = noted(manifest, 2)
    with pytest.raises(KeyboardInterrupt), sharing(folder, str(tmp_path / "a"), publication):
        assert [first, publication.place] in kept_states(folder).values()
        raise KeyboardInterrupt  # killed: either may be what readers see
    assert [first, publication.place] in kept_states(folder).values()
    publish("mine", str(tmp_path / "a"))
    assert sorted(kept_states(folder).values()) == [[first], [publication.place]]
    (images / "00.png").unlink()
    built(images)
    assert len(kept_states(folder)) == 2  # an update keeps them
    (folder / SHARED).write_bytes(b"[]")
    assert kept_states(folder) == {}


_SECOND = """
import os, sys
from components.collection.shared import publish
from components.errors import CaptionLensError
def wait(text):
    print("copying", flush=True)
    sys.stdin.readline()
try:
    print(publish("mine", sys.argv[1], wait), flush=True)
except CaptionLensError as error:
    print(error, flush=True)
"""


@contextmanager
def other_publisher(tmp_path: Path, place: str) -> Iterator[subprocess.Popen[str]]:
    """Copy the collection to a computer that publishes it in a process, and is copying now."""
    data = tmp_path / "other"
    shutil.copytree(tmp_path / "builder", data, dirs_exist_ok=True)
    with subprocess.Popen(
        [sys.executable, "-c", _SECOND, place],
        cwd=ROOT,
        text=True,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        env={**os.environ, "CAPTIONLENS_DATA": str(data)},
    ) as other:
        assert other.stdout and other.stdout.readline() == "copying\n"
        yield other
        other.kill()


def test_of_two_who_publish_at_once_the_second_is_told(
    images: Path, place: str, tmp_path: Path, reader: Reader
) -> None:
    manifest = built(images)
    with other_publisher(tmp_path, place) as other:
        with pytest.raises(CollectionBusy, match=r"mine is being published to .* by '.*'\. Wait"):
            publish("mine", place)
        said, _ = other.communicate("\n" * 9)
    assert "Published mine, 12 images" in said
    assert objects(place) == {"manifest.json", *needed(manifest)}
    assert "0 files copied" in publish("mine", place)


def test_the_lock_of_a_killed_publisher_ends_by_itself(
    images: Path, place: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    manifest = built(images)
    with other_publisher(tmp_path, place) as other:
        other.kill()
    assert "publishing.json" in objects(place)
    with pytest.raises(CollectionBusy, match=r"publish again after \d\d:\d\d:\d\d UTC"):
        publish("mine", place)
    now = time.time()
    monkeypatch.setattr(time, "time", lambda: now + lock._LASTS)
    assert "Published mine" in publish("mine", place)
    assert objects(place) == {"manifest.json", *needed(manifest)}


def test_who_lost_the_lock_shows_nothing_and_removes_nothing(
    images: Path, place: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, reader: Reader
) -> None:
    """A computer that slept while it published: another one has published since."""
    built(images)
    with other_publisher(tmp_path, place) as other:
        now = time.time()
        monkeypatch.setattr(time, "time", lambda: now + lock._LASTS)
        (images / "00.png").unlink()
        newer = built(images)
        publish("mine", place)
        said, _ = other.communicate("\n" * 9)
    assert "mine is being published to" in said
    assert "by another computer" in said
    reader.on()
    assert open_folder("mine").manifest == newer
    assert verify("mine") == []


def test_a_store_that_cannot_refuse_to_replace_an_object_still_has_one_publisher(
    images: Path, place: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    built(images)
    system = open_place(place).system
    pipe_file = system.pipe_file

    def as_an_old_store(path: str, data: bytes, mode: str = "overwrite") -> None:
        if mode == "create":
            raise OSError(errno.ENOSYS, "A header implies what is not implemented")
        pipe_file(path, data)

    monkeypatch.setattr(system, "pipe_file", as_an_old_store)
    with other_publisher(tmp_path, place) as other:
        with pytest.raises(CollectionBusy, match="mine is being published to"):
            publish("mine", place)
        other.communicate("\n" * 9)
    (images / "00.png").unlink()
    built(images)
    assert "Published mine, 11 images" in publish("mine", place)


def test_a_lock_is_renewed_and_one_that_is_no_use_is_taken_over(
    images: Path, place: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    built(images)
    system, root = fsspec.core.url_to_fs(place, use_listings_cache=False)
    path = f"{root}/mine/publishing.json"
    monkeypatch.setattr(lock, "_RENEWED", 0.01)
    texts: list[bytes] = []

    def watched(text: str) -> None:
        until = time.monotonic() + 30
        while len(set(texts)) < 3 and time.monotonic() < until:
            texts.append(system.cat_file(path))

    publish("mine", place, watched)
    assert len(set(texts)) >= 3
    assert not system.exists(path)
    endless = b'{"token": "x", "owner": "x", "host": "x", "until": 1e300}'
    for text in (b"", b"{}", b"[]", b"null", endless, endless.replace(b"1e300", b"NaN")):
        system.pipe_file(path, text)
        assert "Published mine" in publish("mine", place)


@pytest.mark.parametrize("kind", ["publish", "open"])
def test_a_kill_at_any_file_operation_is_made_good(kind: str, tmp_path: Path) -> None:
    """Readers find the old state or the new one, and doing it again leaves nothing behind."""
    command = [sys.executable, "-m", "tests.shared_points", kind, str(tmp_path)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert int(done.stdout) > 20


def test_a_killed_upload_to_s3_is_finished_by_the_next(
    images: Path,
    server: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    manifest = built(images)
    for name, value in {**S3_ENVIRONMENT, "AWS_ENDPOINT_URL": server}.items():
        monkeypatch.setenv(name, value)
    fsspec.filesystem("s3", use_listings_cache=False).mkdir("killed")
    code = (
        "import os, signal, sys; from components.collection.shared import publish, publishing;"
        "publishing._AT_ONCE = 1; kill = lambda text: os.kill(os.getpid(), signal.SIGKILL);"
        "publish('mine', 's3://killed/x', kill)"
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, check=False)
    assert done.returncode == -9
    place = "s3://killed/x"
    assert 1 <= len(objects(place)) < len(manifest.files)
    assert "manifest.json" not in objects(place)
    expected = contents(open_folder("mine"))
    publish("mine", place)
    Reader(monkeypatch, tmp_path / "reader", place).on()
    assert contents(open_folder("mine")) == expected


def test_the_command_line_publishes_lists_and_refuses(images: Path, tmp_path: Path) -> None:
    built(images)
    place = tmp_path / "place"
    done = run("index", "publish", "mine", "--to", place)
    assert f"Published mine, 12 images, to {place}: " in done.stderr
    other = {
        "CAPTIONLENS_DATA": str(tmp_path / "other"),
        "CAPTIONLENS_SHARED_COLLECTIONS": str(place),
    }
    assert "12  mine" in run("index", "list", environment=other).stdout
    assert "mine is intact" in run("index", "verify", "mine", environment=other).stderr
    for command in (("update", "mine"), ("remove", "mine", "--yes")):
        refused = run("index", *command, status=2, environment=other)
        assert "mine is a shared collection" in refused.stderr
