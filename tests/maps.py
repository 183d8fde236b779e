"""A map for tests: places, clusters and near-duplicates that a test can count on."""

from dataclasses import replace

import numpy as np

from components.collection.chunks import Row, write_shard
from components.collection.manifest import folder_of, new_manifest, write_manifest
from components.collection.records import Record
from components.collection.sources.source import SourceSpec
from components.collection.store import FolderCollection, open_folder
from components.collection.writer import write_index
from components.encoder import Encoder
from components.images import enlarge, sample_sources
from components.projection.stored import (
    Cluster,
    CollectionMap,
    Kept,
    digests,
    ids_of,
    maker_of,
    write_kept,
)
from components.scores import unit

FIRST = 10  # rows of the first cluster, called "cat"; the second one, of as many, has no name
TWINS = (3, 4)  # rows that show the same


def known_map(collection: FolderCollection) -> CollectionMap:
    """Return a map with the images in a line from left to right, the last one farthest away."""
    rows = np.arange(len(collection))
    cluster = np.where(rows < FIRST, 0, np.where(rows < 2 * FIRST, 1, -1)).astype(np.int32)
    return CollectionMap(
        key=collection.key,
        ids=ids_of(collection),
        xy=np.stack([rows / len(rows) * 2 - 1, np.zeros(len(rows))], axis=1).astype(np.float32),
        cluster=cluster,
        clusters=(Cluster("cat", FIRST), Cluster("", FIRST)),
        outlierness=(rows / len(rows)).astype(np.float32),
        twins=np.where(np.isin(rows, TWINS), 0, -1).astype(np.int32),
        exact=True,
    )


def keep_known_map(collection: FolderCollection) -> CollectionMap:
    """Keep this map with the collection, as if it had been computed."""
    return _keep(collection, known_map(collection))


def _keep(collection: FolderCollection, found: CollectionMap) -> CollectionMap:
    none = np.zeros(len(found), dtype=np.bool_)
    kept = Kept(found, maker_of(collection.manifest), tuple(digests(collection)), none)
    write_kept(collection, kept)
    return found


def large_collection(name: str, rows: int, encoder: Encoder) -> FolderCollection:
    """Write a collection of random vectors with a map of their own; return it."""
    folder = folder_of(name)
    folder.mkdir(parents=True)
    rng = np.random.default_rng(0)
    jpeg = enlarge(sample_sources()[0], 96)
    vectors = unit(rng.standard_normal((rows, encoder.recipe.width), dtype=np.float32))
    stored = [Row(_record(row, len(jpeg)), vectors[row], jpeg) for row in range(rows)]
    shards = (write_shard(folder / "000001", stored, 1),)
    facts = write_index(folder, "index.faiss", shards, encoder.recipe.width, lambda: vectors[:10])
    manifest = replace(
        new_manifest(name, SourceSpec("folder", name), encoder), shards=shards, index=facts
    )
    write_manifest(folder, replace(manifest, complete=True, generation=1))
    collection = open_folder(name)
    xy = rng.normal(0, 0.4, (rows, 2)).astype(np.float32)
    _keep(collection, replace(known_map(collection), xy=xy))
    return collection


def _record(row: int, thumbnail_bytes: int) -> Record:
    return {
        "id": f"{row:06}.jpg",
        "image": f"{row:06}.jpg",
        "location": f"/images/{row:06}.jpg",
        "digest": f"{row:064x}",
        "signature": f"{row}-{row}",
        "width": 4000,
        "height": 3000,
        "file_type": "JPEG",
        "folder": f"album {row // 5000}",
        "thumbnail_bytes": thumbnail_bytes,
        "orientation": "landscape",
    }
