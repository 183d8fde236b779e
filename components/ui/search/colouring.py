"""What the points of a map are coloured by: a query, clusters, near-duplicates, metadata."""

from collections import Counter
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
import streamlit as st
from numpy.typing import NDArray

from components.collection.filters import is_list, is_number
from components.collection.store import FolderCollection
from components.encoder import Encoder
from components.projection.stored import CollectionMap
from components.scores import Floats
from components.ui.map import Colouring, Label, Parts, Scale
from components.ui.vectors import bank
from components.words import count

QUERY, CLUSTERS, TWINS, OUTLIERS = "Query or clusters", "Clusters", "Near-duplicates", "Outliers"
_VALUES = 24  # of a column: twelve colours in two shapes
_SAMPLE = 1000  # images that the ends of a scale are taken from
_BEST = 99.9  # percentile of everyday captions where the colours of a query end
_COLOURS, _SHAPES = 12, 4  # that points may have: see colours.js
_GROUPS = 2_000  # of near-duplicates that are told apart
_NOT_YET = "They appear once the map is computed."


@dataclass(frozen=True)
class Nearness:
    """The cosines (n,) of all images with a query, and whether that is of words alone."""

    cosines: Floats
    is_text: bool


def choices(collection: FolderCollection) -> dict[str, str]:
    """Return what a map can be coloured by: the words on the page, and the column, "" for none."""
    columns = {f.column.replace("_", " ").capitalize(): f.column for f in collection.facets()}
    return columns | dict.fromkeys((QUERY, CLUSTERS, TWINS, OUTLIERS), "")


def colouring(
    encoder: Encoder,
    collection: FolderCollection,
    found: CollectionMap,
    near: Nearness | None,
    choice: str,
) -> Colouring:
    """Return the colours of a map by one of `choices`."""
    if column := choices(collection)[choice]:
        numbers, names = _values(collection.key, column, collection)
        return Parts(choice, numbers, names, "other or none")
    if choice == TWINS:
        return _twins(found)
    if choice == OUTLIERS:
        return _outliers(found)
    if choice == CLUSTERS or near is None:
        return clusters(found)
    return _likeness(encoder, collection, near)


def _unless(found: CollectionMap, note: str = "") -> str:
    return note if found.exact else _NOT_YET


def _likeness(encoder: Encoder, collection: FolderCollection, near: Nearness) -> Scale:
    low, high = _scale(collection.key, encoder.key, near.is_text, collection, encoder)
    note = (
        "Fixed: from the median cosine of 1,000 everyday captions to their highest 0.1%."
        if near.is_text
        else "Fixed: from the median cosine of two images to that of an image with itself."
    )
    return Scale("Cosine with the query", near.cosines, low, high, note)


@st.cache_resource(max_entries=16, show_spinner=False)
def _scale(
    key: object, model: object, text: bool, _collection: FolderCollection, _encoder: Encoder
) -> tuple[float, float]:
    """Return the cosines where the colours of a query begin and end, the same for all queries."""
    rng = np.random.default_rng(0)
    size = min(len(_collection), _SAMPLE)
    vectors = _collection.matrix.rows(np.sort(rng.choice(len(_collection), size, replace=False)))
    if not text:
        return round(float(np.median(vectors @ vectors.T)), 2), 1.0
    low, high = np.percentile(bank(_encoder.key, _encoder) @ vectors.T, [50, _BEST])
    return round(float(low), 2), max(round(float(high), 2), round(float(low), 2) + 0.01)


def clusters(found: CollectionMap) -> Parts:
    """Return the clusters, each by its noun, or by its number where none fits."""
    names = tuple(each.name or f"Cluster {n}" for n, each in enumerate(found.clusters, start=1))
    return Parts("Cluster", found.cluster, names, "none", _unless(found))


def labels(found: CollectionMap) -> tuple[Label, ...]:
    """Return the names of the clusters, each in the middle of its images."""
    named = []
    for number, name in enumerate(clusters(found).names):
        rows = np.flatnonzero(found.cluster == number)
        if len(rows):
            x, y = np.median(found.xy[rows], axis=0)
            named.append(Label(name, float(x), float(y), len(rows)))
    return tuple(named)


def _twins(found: CollectionMap) -> Parts:
    """Return the groups of near-duplicates, each unlike those that are near it on the map."""
    groups = int(found.twins.max(initial=-1)) + 1
    sizes = np.bincount(found.twins[found.twins >= 0], minlength=groups)[:_GROUPS].tolist()
    names = tuple(f"group {n}, {count(size, 'image')}" for n, size in enumerate(sizes, start=1))
    others = ("another group",) if groups > _GROUPS else ()
    note = _unless(found, f"{count(groups, 'group')} of images that show the same.")
    return Parts(
        TWINS,
        np.minimum(found.twins, _GROUPS),
        (*names, *others),
        "in no group",
        note,
        together="in a group",
        looks=_looks(found.key, found.exact, len(names), found),
    )


@st.cache_resource(max_entries=4, show_spinner=False)
def _looks(
    key: tuple[str, int, str], exact: bool, groups: int, _found: CollectionMap
) -> tuple[int, ...]:
    """Return a colour for each group of near-duplicates that none of the nearest before it has.

    The shapes take turns: groups are told apart without colours, too.
    """
    middles = np.zeros((groups, 2), dtype=np.float32)
    looks = np.zeros(groups, dtype=np.int64)
    for group in range(groups):
        middles[group] = _found.xy[_found.twins == group].mean(axis=0)
        away = ((middles[:group] - middles[group]) ** 2).sum(axis=1)
        taken = looks[np.argsort(away)[: _COLOURS - 1]] % _COLOURS
        free = np.setdiff1d(np.arange(_COLOURS), taken)
        looks[group] = free[group % len(free)] + _COLOURS * (group % _SHAPES)
    return tuple(looks.tolist())


def _outliers(found: CollectionMap) -> Parts:
    if not found.exact:
        return Parts(OUTLIERS, np.full(len(found), -1, dtype=np.int32), (), "not known", _NOT_YET)
    rank = np.empty(len(found), dtype=np.int64)
    rank[np.argsort(-found.outlierness, kind="stable")] = np.arange(len(found))
    ends = [max(len(found) // 100, 1), max(len(found) // 20, 2)]
    numbers = np.digitize(rank, ends).astype(np.int32)
    numbers[numbers == len(ends)] = -1
    note = "Farthest from their ten nearest images."
    return Parts(OUTLIERS, numbers, ("farthest 1%", "next 4%"), "the other 95%", note)


@st.cache_resource(max_entries=32, show_spinner=False)
def _values(
    key: object, column: str, _collection: FolderCollection
) -> tuple[NDArray[np.int32], tuple[str, ...]]:
    """Return (n,) the number of each image's value among the most frequent ones, and these."""
    values = _first_values(_collection.table[column])
    names = [name for name, _ in Counter(filter(None, values)).most_common(_VALUES)]
    if all(map(is_number, names)):
        names.sort(key=float)
    number_of = {name: number for number, name in enumerate(names)}
    numbers = np.array([number_of.get(value, -1) for value in values], dtype=np.int32)
    return numbers, tuple(names)


def _first_values(column: pa.ChunkedArray) -> list[str]:
    """Return a column as text, "" for none; of a list, the first."""
    values = column.to_pylist()
    if is_list(column.type):
        values = [value[0] if value else None for value in values]
    return ["" if value is None else str(value) for value in values]
