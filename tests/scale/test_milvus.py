"""Milvus Lite and a real Milvus server keep the contract of all collections."""

import threading
from collections.abc import Iterator

import pytest

from components.collection.collection import Collection
from components.collection.milvus.address import connect
from components.collection.milvus.publish import publish
from components.collection.milvus.reader import MilvusCollection
from components.collection.opening import open_collection
from tests.collection_contract import NAME, Contract, data, folder
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
