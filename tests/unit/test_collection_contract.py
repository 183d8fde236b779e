"""A collection in a folder keeps the contract of all collections."""

import pytest

from components.collection.collection import Collection
from components.collection.opening import open_collection
from tests.collection_contract import NAME, Contract, data, folder

__all__ = ["data", "folder"]  # fixtures


@pytest.fixture(scope="module")
def opened(data: object) -> Collection:
    """Return the collection as it is searched without a server."""
    return open_collection(NAME)


class TestFolder(Contract):
    """Its files, and FAISS."""
