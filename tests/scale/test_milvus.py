"""Milvus Lite and a real Milvus server keep the contract of all collections."""

import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from components.collection.collection import Collection
from components.collection.manifest import PUBLISHED, CollectionError, Manifest, folder_of
from components.collection.milvus.address import connect
from components.collection.milvus.publication import NOTED, SHARED, alias_of
from components.collection.milvus.publish import publish
from components.collection.milvus.reader import MilvusCollection
from components.collection.opening import is_on_server, open_collection, remove, searched
from components.collection.shared import publish as share
from components.collection.store import FolderCollection, collections, open_folder
from components.collection.writer import _clean
from components.settings import Settings
from tests.collection_contract import (
    LONG,
    NAME,
    Contract,
    data,
    folder,
    make,
    thumbnail_of,
    vectors_of,
)
from tests.raw_server import answers, raw_server
from tests.scale.killed_publish import STEPS
from tests.scale.milvus_server import MilvusServer

__all__ = ["data", "folder"]  # fixtures


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[MilvusServer]:
    """Start a server for the tests of this module."""
    with MilvusServer(tmp_path_factory.mktemp("milvus")) as running:
        yield running


@pytest.fixture(scope="module", params=["lite", "server"])
def opened(
    request: pytest.FixtureRequest,
    data: pytest.MonkeyPatch,
    tmp_path_factory: pytest.TempPathFactory,
) -> Collection:
    """Return the collection as it was published."""
    if request.param == "lite":
        address = str(tmp_path_factory.mktemp("lite") / "archive.db")
    else:
        address = request.getfixturevalue("server").address
    data.setenv("CAPTIONLENS_MILVUS", address)
    published = publish(NAME, connect(address), lambda now: None, threading.Event())
    assert published is not None
    opened = open_collection(NAME)
    assert isinstance(opened, MilvusCollection)
    return opened


class TestMilvus(Contract):
    """Exact search in Lite, and a graph on the server."""


SMALL = "small"
TOKEN = "root:very secret"  # noqa: S105 - of no server


@pytest.fixture(scope="module")
def small(server: MilvusServer, tmp_path_factory: pytest.TempPathFactory) -> Iterator[MilvusServer]:
    """Publish a small collection of its own to the server; remove it again."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("CAPTIONLENS_DATA", str(tmp_path_factory.mktemp("small")))
        patch.setenv("CAPTIONLENS_MILVUS", server.address)
        make(SMALL, rows=100, shards=2)
        run_publish()
        yield server
        remove(SMALL)
        assert not places()


def run_publish() -> None:
    assert publish(SMALL, connect(Settings().milvus), lambda now: None, threading.Event())


def places() -> list[str]:
    """Return the Milvus collections that hold states of the small collection."""
    every = connect(Settings().milvus).call("list_collections")
    return [place for place in every if place.startswith(alias_of(SMALL))]


def rows_seen() -> int:
    """Return the rows that a reader sees now, all of which it can search and show."""
    collection = open_collection(SMALL)
    assert isinstance(collection, MilvusCollection)
    found = collection.find(vectors_of(1, 1)[0], 1000)
    assert len(found) == len(collection) == collection.count({"rare": ["hay", "needle"]})
    for id_, record in zip(found.ids[:3], collection.records(found.ids[:3]), strict=True):
        assert collection.thumbnail(id_) == thumbnail_of(record)
    return len(found)


def test_without_the_setting_the_folder_is_searched(
    small: MilvusServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("CAPTIONLENS_MILVUS")
    assert isinstance(open_collection(SMALL), FolderCollection)


def test_a_record_that_is_too_long_keeps_what_a_result_needs(small: MilvusServer) -> None:
    id_ = open_folder(SMALL).ids(np.array([LONG]))[0]
    record, whole = (
        each.records([id_])[0] for each in (open_collection(SMALL), open_folder(SMALL))
    )
    assert record["photographer"] is None
    assert {name for name in whole if record[name] != whole[name]} == {"photographer"}
    assert open_collection(SMALL).count({"photographer": [str(whole["photographer"])]}) == 1


def test_a_server_that_is_gone_is_a_sentence_at_once_and_comes_back(
    small: MilvusServer, capfd: pytest.CaptureFixture[str]
) -> None:
    opened, query = open_collection(SMALL), vectors_of(1, 1)[0]
    sentences: list[str] = []
    searching = threading.Event()

    def search() -> None:
        while not sentences:
            try:
                assert len(opened.find(query, 10)) == 10
                searching.set()
            except CollectionError as error:
                sentences.append(str(error))

    thread = threading.Thread(target=search)
    thread.start()
    assert searching.wait(30)
    small.kill()
    began = time.monotonic()
    thread.join(30)
    assert time.monotonic() - began < 6
    began = time.monotonic()
    for ask in (lambda: opened.find(query, 10), lambda: open_collection(SMALL)):
        with pytest.raises(CollectionError) as caught:
            ask()
        sentences.append(str(caught.value))
    assert time.monotonic() - began < 1
    assert {*sentences} == {sentences[0]}
    assert sentences[0].startswith("The Milvus server does not answer.")
    small.start()
    until = time.monotonic() + 60
    while True:
        try:
            assert len(opened.find(query, 10)) == 10
            break
        except CollectionError as error:
            assert time.monotonic() < until, error
            time.sleep(0.5)
    written = "".join([*capfd.readouterr(), *sentences])
    assert "19530" not in written
    assert "Traceback" not in written


def test_readers_see_one_state_or_the_other_wherever_publishing_is_killed(
    small: MilvusServer,
) -> None:
    rows = seen = 100
    for generation, step in enumerate(STEPS, start=2):
        rows += 10
        make(SMALL, rows=rows, shards=2, generation=generation)
        assert rows_seen() == seen  # the folder has gone on
        command = [sys.executable, "-m", "tests.scale.killed_publish", SMALL, step]
        ended = subprocess.run(command, check=False, timeout=120)
        assert ended.returncode == -signal.SIGKILL, step
        seen = rows if step == "note" else seen
        assert rows_seen() == seen, step
    run_publish()
    assert len(places()) == 1  # leftovers are gone


def test_an_update_and_a_stop_keep_what_readers_of_the_publication_need(
    small: MilvusServer,
) -> None:
    folder, before = folder_of(SMALL), rows_seen()
    manifest = make(SMALL, rows=100, shards=1, generation=50)
    stop = threading.Event()
    stop.set()
    assert publish(SMALL, connect(small.address), lambda now: None, stop) is None
    keep = {PUBLISHED, *(file.name for file in manifest.files)}
    _clean(folder, keep)
    assert rows_seen() == before
    assert len(places()) == 1
    assert {file.name for file in folder.glob("*.vectors")} == {"000500.vectors"}
    assert len([*folder.glob("*.thumbnails")]) == 3
    run_publish()
    _clean(folder, keep)
    assert rows_seen() == 100
    assert {file.name for file in folder.glob("*.thumbnails")} == {"000500.thumbnails"}


def test_readers_of_a_shared_place_see_one_state_until_the_next_is_there_too(
    small: MilvusServer, tmp_path: Path
) -> None:
    def here() -> MilvusCollection:
        """Return what one opens who has the server and the shared place, and no data."""
        with pytest.MonkeyPatch.context() as patch:
            patch.setenv("CAPTIONLENS_DATA", str(tmp_path / "data"))
            patch.setenv("CAPTIONLENS_SHARED_COLLECTIONS", str(place))
            assert is_on_server(SMALL)
            opened = open_collection(SMALL)
            assert [searched(each) for each in collections() if isinstance(each, Manifest)] == [
                opened.manifest
            ]
        assert isinstance(opened, MilvusCollection)
        assert not (tmp_path / "data").exists()  # nothing was downloaded
        return opened

    place = tmp_path / "place"
    place.mkdir()
    run_publish()
    share(SMALL, str(place))
    sees_whole(here(), 100)
    make(SMALL, rows=110, shards=2, generation=60)
    told = publish(SMALL, connect(Settings().milvus), lambda now: None, threading.Event())
    assert "Readers of the shared place search the earlier state" in str(told)
    assert rows_seen() == 110
    before = here()
    sees_whole(before, 100)
    manifest = make(SMALL, rows=120, shards=2, generation=61)
    _clean(folder_of(SMALL), {PUBLISHED, *(file.name for file in manifest.files)})
    run_publish()
    sees_whole(here(), 100)
    assert len(places()) == 2
    share(SMALL, str(place))
    opened = here()
    sees_whole(opened, 120)
    assert places() == [opened.publication.place]
    with pytest.raises(CollectionError, match="is not on the Milvus server as it was published"):
        before.find(vectors_of(1, 1)[0], 10)
    (folder_of(SMALL) / SHARED).unlink()


def sees_whole(collection: MilvusCollection, rows: int) -> None:
    """Fail unless all of a collection's rows are found and shown."""
    found = collection.find(vectors_of(1, 1)[0], 1000)
    assert len(found) == len(collection) == rows
    for id_, record in zip(found.ids, collection.records(found.ids), strict=True):
        assert collection.thumbnail(id_) == thumbnail_of(record)


def test_what_the_server_lost_is_a_sentence(small: MilvusServer) -> None:
    opened, query = open_collection(SMALL), vectors_of(1, 1)[0]
    expected = f"{SMALL} is not on the Milvus server.*`index publish {SMALL}`"
    connect(small.address).call("delete", places()[0], filter="draw < 0.5")
    time.sleep(6)  # readers may be five seconds behind
    with pytest.raises(CollectionError, match=expected):
        open_collection(SMALL)
    connect(small.address).call("drop_collection", places()[0])
    for ask in (lambda: open_collection(SMALL), lambda: opened.find(query, 10)):
        with pytest.raises(CollectionError, match=expected):
            ask()


def test_what_grpc_logs_is_not_shown() -> None:
    """A server that closes the connection is an error in gRPC's log, with the address."""
    settings, goaway = b"\0\0\0\4\0\0\0\0\0", b"\0\0\x16\7\0\0\0\0\0"
    reason = b"\0\0\0\0\0\0\0\x0btoo_many_pings"  # the last stream, ENHANCE_YOUR_CALM
    with raw_server(answers(settings + goaway + reason)) as server:
        asked = f"connect('{server}').call('list_collections', timeout=5)"
        code = f"from components.collection.milvus.address import connect; {asked}"
        ended = subprocess.run([sys.executable, "-c", code], check=False, stderr=subprocess.PIPE)
    assert b"The Milvus server does not answer" in ended.stderr
    assert b"too_many_pings" not in ended.stderr
    assert b"127.0.0.1" not in ended.stderr


def test_the_command_publishes_and_names_no_address(
    small: MilvusServer, capfd: pytest.CaptureFixture[str]
) -> None:
    command = [sys.executable, "cli.py", "index", "publish", SMALL, "--to", small.address]
    secret = {**os.environ, "CAPTIONLENS_MILVUS_TOKEN": TOKEN}
    ended = subprocess.run(command, check=False, env=secret, timeout=120)
    output = "".join(capfd.readouterr())
    assert ended.returncode == 0, output
    assert f"Published {SMALL}: {len(open_folder(SMALL))} images." in output
    noted = (folder_of(SMALL) / NOTED).read_text(encoding="utf-8")
    for secret_text in ("19530", "127.0.0.1", TOKEN):
        assert secret_text not in output + noted
