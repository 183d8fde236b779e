"""Opens collections, wherever they are searched."""

from components.collection.collection import Collection
from components.collection.store import open_folder


def open_collection(name: str) -> Collection:
    """Return a collection as last published. Raises CollectionError."""
    return open_folder(name)
