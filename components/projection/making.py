"""Computes the map of a collection, or updates the one that is kept of an earlier state."""

import threading
from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from components.check.findings.duplicates import twins
from components.check.findings.images import image_facts
from components.collection.manifest import CollectionError
from components.collection.store import FolderCollection
from components.encoder import Encoder
from components.projection.clusters import clusters, names
from components.projection.neighbours import Near, Progress, neighbours
from components.projection.projection import FITTED, NEIGHBOURS, fit, place
from components.projection.stored import (
    Cluster,
    CollectionMap,
    Kept,
    Numbers,
    digests,
    ids_of,
    maker_of,
    read_kept,
    vectors_of,
    write_kept,
)
from components.scores import Floats

MOST = 250_000  # images: their vectors are held in memory, twice
_NEAREST = 10  # images that an outlier is far from
_REFIT = 0.2  # of all images: where more are new since everything was fitted, it is again
_ALIKE = 0.8  # cosine from which on two images are compared by their thumbnails
_SOME = 256  # thumbnails between two reports of progress


class MapStopped(CollectionError):  # noqa: N818 - named for what the person did
    """The computation of a map was stopped; what was kept before stays."""


class MapTooLarge(CollectionError):  # noqa: N818 - named for what the person decides
    """A collection with more images than a map is computed of."""


def make_map(
    collection: FolderCollection,
    encoder: Encoder,
    progress: Progress = lambda share, of: None,
    stop: threading.Event | None = None,
) -> CollectionMap:
    """Compute the map of a collection, keep it with it, and return it.

    Images that the map of an earlier state has keep their places. ``encoder`` is of the
    collection's model; ``progress`` takes the share that is done, of what. Raises MapStopped,
    MapTooLarge, Damaged, and CollectionError where the map cannot be kept.
    """
    name = collection.manifest.name
    if len(collection) > MOST:
        raise MapTooLarge(
            f"{name} has more than {MOST:,} images, too many for a map. Use the grid."
        )

    def checked(share: float, of: str) -> None:
        if stop and stop.is_set():
            raise MapStopped(f"The map of {name} was stopped. Compute it again when you need it.")
        progress(share, of)

    vectors = vectors_of(collection)
    near = neighbours(vectors, NEIGHBOURS if len(vectors) <= FITTED else _NEAREST, checked)
    xy, added = _points(collection, vectors, near, checked)
    cosines = near[1][:, :_NEAREST]
    groups = _twins(collection, vectors, cosines, checked)
    checked(0.0, "Naming clusters")
    cluster = clusters(xy)
    found = CollectionMap(
        key=collection.key,
        ids=ids_of(collection),
        xy=xy,
        cluster=cluster,
        clusters=_named(vectors, cluster, encoder),
        outlierness=1 - cosines.mean(axis=1) if cosines.size else np.zeros(len(xy), np.float32),
        twins=groups,
        exact=True,
    )
    checked(1.0, "Naming clusters")
    kept = Kept(found, maker_of(collection.manifest), tuple(digests(collection)), added)
    write_kept(collection, kept)
    return found


def _points(
    collection: FolderCollection, vectors: Floats, near: Near, progress: Progress
) -> tuple[Floats, NDArray[np.bool_]]:
    """Return (n, 2) points, and (n,) which were placed among others since all were fitted."""
    kept = read_kept(collection)
    if kept and kept.maker == maker_of(collection.manifest):
        rows = _rows_before(collection, kept)
        known = rows >= 0
        added = ~known
        added[known] = kept.added[rows[known]]
        if len(rows) and added.mean() <= _REFIT:
            return _updated(vectors, kept.map.xy[rows[known]], known, progress), added
    return fit(vectors, progress, near), np.zeros(len(vectors), dtype=np.bool_)


def _rows_before(collection: FolderCollection, kept: Kept) -> NDArray[np.int64]:
    """Return (n,): the row of each image in an earlier map, -1 where it is new or has changed."""
    before = {image: row for row, image in enumerate(zip(kept.map.ids, kept.digests, strict=True))}
    images = zip(ids_of(collection), digests(collection), strict=True)
    return np.array([before.get(image, -1) for image in images], dtype=np.int64)


def _updated(
    vectors: Floats, points: Floats, known: NDArray[np.bool_], progress: Progress
) -> Floats:
    """Return (n, 2): ``points`` for the rows that are ``known``, the others placed among them."""
    xy = np.zeros((len(vectors), 2), dtype=np.float32)
    xy[known] = points
    if not known.all():
        xy[~known] = place(vectors[~known], vectors[known], points, progress)
    return xy


def _named(vectors: Floats, numbers: Numbers, encoder: Encoder) -> tuple[Cluster, ...]:
    sizes = np.bincount(numbers[numbers >= 0]).tolist()
    named = names(vectors, numbers, encoder)
    return tuple(Cluster(name, size) for name, size in zip(named, sizes, strict=True))


def _twins(
    collection: FolderCollection, vectors: Floats, cosines: Floats, progress: Progress
) -> Numbers:
    """Return (n,): the number of each image's group of those that show the same picture, or -1."""
    numbers = np.full(len(vectors), -1, dtype=np.int32)
    alike = np.flatnonzero(cosines[:, :1] >= _ALIKE)
    if not len(alike):
        return numbers
    facts = image_facts(_thumbnails(collection, alike.tolist(), progress))
    files = collection.table["digest"].take(alike).to_pylist()
    groups = twins(
        files, facts, vectors[alike], lambda share: progress(share, "Finding duplicates")
    )
    for number, group in enumerate(groups):
        numbers[alike[group]] = number
    return numbers


def _thumbnails(
    collection: FolderCollection, rows: list[int], progress: Progress
) -> Iterator[bytes]:
    for done, row in enumerate(rows):
        if done % _SOME == 0:
            progress(done / len(rows), "Looking at images")
        yield collection.thumbnail_at(row)
