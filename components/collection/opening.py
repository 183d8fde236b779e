"""Opens and removes collections, wherever they are searched."""

from contextlib import suppress

from components.collection.collection import Collection
from components.collection.manifest import PUBLISHED, CollectionError, Manifest, folder_of
from components.collection.milvus.address import NotThere, connect
from components.collection.milvus.publication import NOTED, Publication, read_publication
from components.collection.milvus.publish import withdraw
from components.collection.milvus.reader import FolderThumbnails, Thumbnails, open_published
from components.collection.shared import forget, shared_publication
from components.collection.store import open_folder
from components.collection.store import remove as remove_folder
from components.settings import Settings


def open_collection(name: str) -> Collection:
    """Return a collection as last published: on the Milvus server that is set, or in its folder.

    One that was never published to a server is searched in its folder, or in the shared place.
    Raises CollectionError.
    """
    found = _found(name)
    if found is None:
        return open_folder(name)
    server = connect(Settings().milvus)
    try:
        return open_published(*found, server)
    except NotThere:
        forget()
        again = _found(name)
        if again is None or again[0] == found[0]:
            raise
        return open_published(*again, server)  # published in between


def searched(manifest: Manifest) -> Manifest:
    """Return the manifest of the state that is searched, which a server may have an older one of.

    Where that cannot be told, `open_collection` says why.
    """
    with suppress(CollectionError):
        publication = _publication(manifest.name)
        return publication.manifest if publication else manifest
    return manifest


def remove(name: str) -> int:
    """Remove a collection, from the Milvus server that is set too; return the bytes freed here.

    Raises CollectionError; where the server cannot be reached, nothing is removed.
    """
    if Settings().milvus and (folder_of(name) / NOTED).exists():
        withdraw(name, connect(Settings().milvus))
    return remove_folder(name)


def is_on_server(name: str) -> bool:
    """Return whether `open_collection` searches a collection on the Milvus server that is set."""
    return _publication(name) is not None


def _publication(name: str) -> Publication | None:
    found = _found(name)
    return found[0] if found else None


def _found(name: str) -> tuple[Publication, Thumbnails] | None:
    """Return the state on the Milvus server that is set, and where its thumbnails are.

    One that was published from here, then one that is shared: as a collection in a folder here
    comes before a shared one of its name.
    """
    if not Settings().milvus:
        return None
    folder = folder_of(name)
    if publication := read_publication(folder):
        return publication, FolderThumbnails(folder)
    return None if (folder / PUBLISHED).exists() else shared_publication(name)
