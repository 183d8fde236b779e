"""The Search page over a collection on a Milvus server, and without the server."""

import threading
import time
from pathlib import Path

import pytest

from components.collection.build import BuildJob, build
from components.collection.milvus.address import connect
from components.collection.milvus.publish import publish, withdraw
from components.collection.milvus.reader import MilvusCollection
from components.collection.opening import open_collection
from components.collection.sources.source import SourceSpec
from components.encoder import load
from tests.app.helpers import open_page, tiles
from tests.scale.milvus_server import MilvusServer

NAME = "samples"


def test_the_page_shows_what_the_folder_shows_and_says_when_the_server_is_gone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CAPTIONLENS_DATA", str(tmp_path / "data"))
    build(BuildJob(NAME, SourceSpec("samples")), load("pocket"))
    query = {"search_q": "a hot drink", "search_f_orientation": "landscape"}
    expected = tiles(open_page("search.py", **query), "search_grid")
    with MilvusServer(tmp_path / "server") as server:
        monkeypatch.setenv("CAPTIONLENS_MILVUS", server.address)
        assert publish(NAME, connect(server.address), lambda now: None, threading.Event())
        assert isinstance(open_collection(NAME), MilvusCollection)
        page = open_page("search.py", **query)
        assert tiles(page, "search_grid") == expected
        assert len(tiles(open_page("search.py"), "search_grid")) == 24
        began = time.monotonic()
        server.kill()
        shown = " ".join(warning.value for warning in page.run().warning).replace("\\", "")
        assert not page.exception
        assert "The Milvus server does not answer." in shown
        assert "19530" not in shown
        assert time.monotonic() - began < 15  # with the page's own run
        server.start()
        again: list[str] = []
        until = time.monotonic() + 60
        while not again and time.monotonic() < until:  # it is loading the collection
            again = tiles(open_page("search.py", **query), "search_grid")
        assert again == expected
        withdraw(NAME, connect(server.address))
