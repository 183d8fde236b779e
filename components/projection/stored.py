"""The map of a collection: computed once for its state, kept with it, updated when it is."""

import hashlib
import json
from contextlib import suppress
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from components.collection.manifest import MAP, CollectionError, Manifest
from components.collection.records import read_table, write_table
from components.collection.store import FolderCollection, missing_sentence, on_disk, published
from components.files import write_whole
from components.projection.projection import pca
from components.scores import Floats

Numbers = NDArray[np.int32]
_FILE = "points.parquet"  # in a collection's folder `MAP`
_FORMAT = 1
_ABOUT = b"captionlens"  # the key of the facts in the file's metadata


@dataclass(frozen=True)
class Cluster:
    """A group of images that resemble each other; ``name`` is "" where no noun fits."""

    name: str
    size: int


@dataclass(frozen=True)
class CollectionMap:
    """Every image of a collection as a point, in the order of the collection's rows.

    Of a map that is not ``exact``, only ``ids`` and ``xy`` are computed: see `first_map`.
    """

    key: tuple[str, int, str]  # the `Collection.key` that it belongs to
    ids: tuple[str, ...]
    xy: Floats  # (n, 2), centred; 99 in 100 points are within 1 of the middle
    cluster: Numbers  # (n,) number of the cluster; -1: none
    clusters: tuple[Cluster, ...]
    outlierness: Floats  # (n,) 1 - mean cosine with its ten nearest; larger: farther from all
    twins: Numbers  # (n,) number of the group that shows the same picture; -1: none
    exact: bool  # False: principal components, until the projection is computed

    def __len__(self) -> int:
        return len(self.ids)


def first_map(collection: FolderCollection) -> CollectionMap:
    """Return the principal components of a collection, at once."""
    none = np.full(len(collection), -1, dtype=np.int32)
    return CollectionMap(
        key=collection.key,
        ids=ids_of(collection),
        xy=pca(vectors_of(collection)),
        cluster=none,
        clusters=(),
        outlierness=np.zeros(len(collection), dtype=np.float32),
        twins=none,
        exact=False,
    )


def read_map(collection: FolderCollection) -> CollectionMap | None:
    """Return the map that is kept of this state of a collection, None where there is none.

    A damaged file counts as none.
    """
    kept = read_kept(collection)
    return kept.map if kept and kept.map.key == collection.key else None


def vectors_of(collection: FolderCollection) -> Floats:
    """Return (n, width): all unit vectors of a collection."""
    return collection.matrix.rows(np.arange(len(collection)))


def ids_of(collection: FolderCollection) -> tuple[str, ...]:
    """Return the ids of all images, in the order of the rows."""
    return tuple(map(str, collection.table["id"].to_pylist()))


def digests(collection: FolderCollection) -> list[str]:
    """Return the beginning of the digest of each image's file: an image that changed is new."""
    return [str(digest)[:16] for digest in collection.table["digest"].to_pylist()]


@dataclass(frozen=True)
class Kept:
    """A map with what an update of it needs.

    ``maker`` made the vectors; ``digests`` (n,) are those of the files, shortened; ``added`` (n,)
    tells the images that were placed among others since everything was last fitted.
    """

    map: CollectionMap
    maker: tuple[str, str, str]
    digests: tuple[str, ...]
    added: NDArray[np.bool_]


def maker_of(manifest: Manifest) -> tuple[str, str, str]:
    """Return which model made a collection's vectors: those of another cannot be compared."""
    return manifest.model, manifest.revision, manifest.precision


def read_kept(collection: FolderCollection) -> Kept | None:
    """Return the map that is kept of any state of a collection, None where there is none."""
    path = collection.folder / MAP / _FILE
    with suppress(OSError, ValueError, KeyError, TypeError, AttributeError, pa.ArrowException):
        table = read_table(path)
        about = json.loads(table.schema.metadata[_ABOUT])
        if about.pop("sha256") == _seal(table, about) and about["format"] == _FORMAT:
            return _kept(table, about)
    return None


def _kept(table: pa.Table, about: dict[str, Any]) -> Kept:
    collection, generation, updated = about["key"]
    columns = {name: table[name].to_numpy() for name in ("x", "y", *_NUMBERS)}
    found = CollectionMap(
        key=(collection, generation, updated),
        ids=tuple(table["id"].to_pylist()),
        xy=np.stack([columns["x"], columns["y"]], axis=1),
        clusters=tuple(Cluster(**each) for each in about["clusters"]),
        exact=True,
        **{name: columns[name] for name in ("cluster", "outlierness", "twins")},
    )
    model, revision, precision = about["maker"]
    digests = tuple(table["digest"].to_pylist())
    return Kept(found, (model, revision, precision), digests, columns["added"])


_NUMBERS = ("cluster", "outlierness", "twins", "added")


def write_kept(collection: FolderCollection, kept: Kept) -> None:
    """Keep a map in the collection's folder, whole or not at all. Raises CollectionError.

    That of a shared collection is kept where its decisions are: in the folder that the data folder
    has for its name.
    """
    table = _table(kept)
    about = {
        "format": _FORMAT,
        "key": kept.map.key,
        "maker": kept.maker,
        "clusters": [asdict(cluster) for cluster in kept.map.clusters],
    }
    sealed = json.dumps({**about, "sha256": _seal(table, about)})
    whole = table.replace_schema_metadata({_ABOUT: sealed.encode()})

    def write(draft: Path) -> None:
        write_table(whole, draft)

    name = collection.manifest.name
    if not published(name):  # removed meanwhile
        raise CollectionError(missing_sentence(name, collection.folder))
    with on_disk(name):
        folder = collection.folder / MAP
        folder.mkdir(parents=True, exist_ok=True)
        write_whole(folder / _FILE, write)


def _table(kept: Kept) -> pa.Table:
    numbers = {
        "x": kept.map.xy[:, 0],
        "y": kept.map.xy[:, 1],
        "cluster": kept.map.cluster,
        "outlierness": kept.map.outlierness,
        "twins": kept.map.twins,
        "added": kept.added,
    }
    texts = {"id": kept.map.ids, "digest": kept.digests}
    columns = {name: pa.array(values, pa.string()) for name, values in texts.items()}
    return pa.table(columns | {name: pa.array(values) for name, values in numbers.items()})


def _seal(table: pa.Table, about: dict[str, Any]) -> str:
    """Return the checksum of all columns and facts."""
    seal = hashlib.sha256(json.dumps(about, sort_keys=True).encode())
    for name in table.column_names:
        values = table[name].to_numpy()
        texts = values.dtype == object
        seal.update("\0".join(values).encode() if texts else np.ascontiguousarray(values).tobytes())
    return seal.hexdigest()
