"""What every kind of collection answers: the same tests for a folder and for a Milvus server.

A module has a fixture ``opened``, the collection that `make` wrote as that kind of collection, and
a class that derives from `Contract`. The truth is computed here, with numpy and `filters.mask`.
"""

import json
from dataclasses import replace
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from components.collection.chunks import Row, write_shard
from components.collection.collection import Collection
from components.collection.filters import FilterError, Filters, mask
from components.collection.manifest import (
    CollectionError,
    Manifest,
    Shard,
    folder_of,
    write_manifest,
)
from components.collection.records import Record
from components.collection.sources.source import SourceSpec
from components.collection.store import FolderCollection, open_folder
from components.collection.writer import write_index
from components.scores import Floats, unit

NAME = 'Été 2026 - "wild"'.replace('"', "")  # letters that Milvus does not allow in a name
ROWS, WIDTH = 2000, 64
CLUSTERS = 40
LONG = 42  # the row whose record is longer than Milvus takes
HOSTILE = (
    *('" or draw >= 0 or "', "'; drop", "\\", '\\"', "a\nb", "%", "_", "{}", "${x}", "c7 in [1]"),
    *("null", "true", "\u202e", "\U0001f43e", "\x00", "x" * 70_000, "--", "/*", "] or id != ["),
)


def records_of(rows: int, first: int = 0) -> list[Record]:
    """Return records with columns of every kind: mixed case, gaps, lists, folders, many columns."""
    return [_record(n) for n in range(first, first + rows)]


def _record(n: int) -> Record:
    odd = HOSTILE[n % len(HOSTILE)] if n % 50 == 7 else None
    record: Record = {
        "id": f"{HOSTILE[n % 10]}/{n}" if n % 97 == 0 else f"Album {n // 500}/{n:05}.jpg",
        "image": f"{n:05}.jpg",
        "location": f"/images/{n:05}.jpg",
        "signature": f"{n}-{n}",
        "width": 4000 + n % 3,
        "height": 3000,
        "folder": (None, "Trips", "Trips/2015", "trips/2015/Oslo", "Tripsy", "A//b", "/x")[n % 7],
        "year": None if n % 11 == 0 else 2000 + n % 26,
        "latitude": None if n % 5 else round((n % 180) - 89.5, 3),
        "colours": [["Blue", "green"], ["blue"], [], ["RED", "blue", "grey"]][n % 4],
        "keywords": None if n % 9 == 0 else ([odd, "Dog"] if odd else ["dog", f"K{n % 300}"]),
        "country": (None, "Norway", "NORWAY", "Spain", "İstanbul", "ΟΔΟΣ", "Straße")[n % 7],
        "photographer": "x" * 70_000 if n == LONG else odd or f"Person {n % 400}",
        "rare": "Needle" if n % 1000 == 3 else "hay",  # 0.1% pass
        "side": "far" if n % 2 else "near",
        "mixed": n if n % 2 else f"Text {n % 10}",
        "thumbnail_bytes": 5 + n % 4,
    }
    # More columns than the schema has fields.
    return {**record, **{f"extra {k}": _extra(n, k) for k in range(45)}}


def _extra(n: int, k: int) -> Any:
    if k % 3 == 0:
        return None if (n + k) % 4 == 0 else (n + k) % 8 + 0.5
    if k % 3 == 1:
        return None if n % 6 == 0 else f"Value {(n * k) % 5}"
    return [f"One {n % 3}", f"two {k}"] if n % 2 else None


def vectors_of(rows: int, seed: int) -> Floats:
    """Return (rows, WIDTH) unit vectors in clusters that are the same for every seed."""
    centres = np.random.default_rng(0).standard_normal((CLUSTERS, WIDTH), dtype=np.float32)
    rng = np.random.default_rng(seed)
    noise = rng.standard_normal((rows, WIDTH), dtype=np.float32)
    vectors = unit(centres[rng.integers(0, CLUSTERS, rows)] + 0.7 * noise)
    vectors[:, 0] = np.abs(vectors[:, 0]) * np.where(np.arange(rows) % 2, -1, 1)  # near and far
    return vectors


def thumbnail_of(record: Record) -> bytes:
    """Return the bytes that stand for an image's thumbnail."""
    return f"{record['location']}".encode()[-5 - int(str(record["location"])[-8:-4]) % 4 :]


def make(name: str = NAME, rows: int = ROWS, shards: int = 4, generation: int = 1) -> Manifest:
    """Write a published collection in as many shards, and return its manifest."""
    folder = folder_of(name)
    folder.mkdir(parents=True, exist_ok=True)
    ends = [rows * n // shards for n in range(shards + 1)]
    made = tuple(
        _shard(folder, 10 * generation + n, records_of(high - low, low), generation)
        for n, (low, high) in enumerate(pairwise(ends))
    )
    info = write_index(folder, f"{generation:06}.faiss", made, WIDTH, lambda: vectors_of(50, 9))
    manifest = Manifest(
        name, "pocket", "1", "f32", WIDTH, SourceSpec("folder", name), made, info, complete=True
    )
    return write_manifest(folder, replace(manifest, generation=generation))


def _shard(folder: Path, number: int, records: list[Record], seed: int) -> Shard:
    thumbnails = [thumbnail_of(record) for record in records]
    for record, thumbnail in zip(records, thumbnails, strict=True):
        assert record["thumbnail_bytes"] == len(thumbnail)
    vectors = vectors_of(len(records), seed * 100 + number)
    rows = [Row(*each) for each in zip(records, vectors, thumbnails, strict=True)]
    return write_shard(folder / f"{number:06}", rows, number)


FILTERS: list[Filters] = [
    {},
    {"country": []},
    {"rare": ["needle"]},
    {"rare": ["NEEDLE", "nothing"]},
    {"country": ["norway"]},
    {"country": ["Spain", "NORWAY"], "year": ["2015..2018"]},
    {"country": ["i̇stanbul"]},
    {"country": ["İstanbul"]},
    {"country": ["ΟΔΟΣ", "straße"]},
    {"country": ["STRASSE"]},
    {"country": [""]},
    {"country": ["None"]},
    {"year": ["2015"]},
    {"year": ["2015.0", "2.003e3"]},
    {"year": ["2016.."]},
    {"year": ["..2003"]},
    {"year": [".."]},
    {"year": ["2018..2015"]},
    {"year": ["unknown"]},
    {"year": ["nan", "inf", "nan..2010", "-inf..2001", "2024..inf"]},
    {"year": ["inf.."]},
    {"latitude": ["-10.5..20"]},
    {"latitude": ["-89.5"]},
    {"folder": ["trips"]},
    {"folder": ["Trips/2015/"]},
    {"folder": ["Trips/2015", "A"]},
    {"folder": ["a/"]},
    {"folder": ["/"]},
    {"folder": [""]},
    {"folder": ["/x"]},
    {"colours": ["BLUE"]},
    {"colours": ["red", "green"]},
    {"keywords": ["dog"]},
    {"keywords": ["k7", "K8"], "colours": ["blue"]},
    {"mixed": ["text 4", "17"]},
    {"mixed": ["1..9"]},
    {"width": ["4001"], "height": ["3000"]},
    {"id": ["album 1/00512.jpg"]},
    {"location": ["/IMAGES/00007.jpg"]},
    {"photographer": list(HOSTILE)},
    {"keywords": list(HOSTILE)},
    {"photographer": [f"person {n}" for n in range(400)]},
    {"extra 0": ["2.5..5"]},
    {"extra 42": ["2.5..5"]},
    {"extra 43": ["VALUE 1", "value 2"]},
    {"extra 44": ["one 1"]},
    {"extra 31": ["Value 4"], "extra 32": ["One 2"]},
    *({"photographer": [text]} for text in HOSTILE),
]


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Any:
    """Keep the collection of these tests in a folder of their own."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("CAPTIONLENS_DATA", str(tmp_path_factory.mktemp("contract")))
        make()
        yield patch


@pytest.fixture(scope="module")
def folder(data: Any) -> FolderCollection:
    """Return the collection as its folder has it: the rows that the truth is computed from."""
    return open_folder(NAME)


def passing(folder: FolderCollection, filters: Filters) -> np.ndarray:
    allowed = mask(folder.table, filters)
    return np.arange(len(folder)) if allowed is None else np.flatnonzero(allowed)


def named(filters: Filters) -> str:
    return json.dumps(
        {name: [value[:20] for value in values[:3]] for name, values in filters.items()}
    )


class Contract:
    """The tests."""

    @pytest.mark.parametrize("filters", FILTERS, ids=named)
    def test_the_nearest_are_those_of_exact_search(
        self, opened: Collection, folder: FolderCollection, filters: Filters
    ) -> None:
        rows, every = passing(folder, filters), np.concatenate(folder.matrix.parts)
        for query in vectors_of(3, 77):
            cosines = every[rows] @ query
            best = np.argsort(-cosines)[:10]
            found = opened.find(query, 10, filters)
            assert [*found.ids] == folder.ids(rows[best])
            np.testing.assert_allclose(found.cosines, cosines[best], atol=1e-5)
        assert opened.count(filters) == len(rows)

    @pytest.mark.parametrize("filters", FILTERS, ids=named)
    def test_never_fewer_than_pass(
        self, opened: Collection, folder: FolderCollection, filters: Filters
    ) -> None:
        rows = passing(folder, filters)
        found = opened.find(vectors_of(1, 78)[0], 1000, filters)
        assert len(found) == len(set(found.ids)) == min(1000, len(rows))
        assert set(found.ids) <= set(folder.ids(rows))
        assert (np.diff(found.cosines) <= 0).all()

    def test_a_filter_that_leaves_out_the_side_of_the_query(
        self, opened: Collection, folder: FolderCollection
    ) -> None:
        query = vectors_of(1, 81)[0]
        query[0] += 1
        query /= np.linalg.norm(query)
        filters = {"side": ["far"]}
        rows = passing(folder, filters)
        cosines = folder.matrix.rows(rows) @ query
        best = np.argsort(-cosines)[:10]
        assert [*opened.find(query, 10, filters).ids] == folder.ids(rows[best])

    def test_least_is_the_lowest_cosine(self, opened: Collection) -> None:
        query = vectors_of(1, 79)[0]
        every = opened.find(query, 100)
        least = float(every.cosines[40])
        assert opened.find(query, 100, {}, least).ids == every.ids[:41]
        assert opened.find(query, 100, {}, 1.1).ids == ()

    def test_an_image_finds_itself(self, opened: Collection, folder: FolderCollection) -> None:
        for row in (0, 1, ROWS // 2, ROWS - 1):
            id_ = folder.ids(np.array([row]))[0]
            found = opened.find(opened.vectors([id_])[0], 1)
            assert found.ids == (id_,)
            assert abs(float(found.cosines[0]) - 1) < 1e-5

    def test_records_vectors_and_thumbnails(
        self, opened: Collection, folder: FolderCollection
    ) -> None:
        rows = np.array([1999, 0, 97, 8, 58, 499, 500, 1502, 8])
        ids = folder.ids(rows)
        records = opened.records(ids)
        assert records == folder.table.select(folder.columns).take(rows).to_pylist()
        assert [*records[0]] == opened.columns == folder.columns
        np.testing.assert_array_equal(opened.vectors(ids), folder.matrix.rows(rows))
        assert [opened.thumbnail(id_) for id_ in ids] == [*map(thumbnail_of, records)]
        assert opened.records([]) == []
        assert opened.vectors([]).shape == (0, WIDTH)

    def test_a_record_may_be_changed(self, opened: Collection, folder: FolderCollection) -> None:
        id_ = folder.ids(np.array([5]))[0]
        opened.records([id_])[0]["country"] = "changed"
        assert opened.records([id_])[0]["country"] != "changed"

    @pytest.mark.parametrize("unknown", ["nothing.jpg", *HOSTILE[:10]])
    def test_an_unknown_id_is_named(self, opened: Collection, unknown: str) -> None:
        for ask in (opened.records, opened.vectors):
            with pytest.raises(CollectionError, match="has no image"):
                ask([unknown])
        with pytest.raises(CollectionError, match="has no image"):
            opened.thumbnail(unknown)

    @pytest.mark.parametrize("column", ["colour", "signature", "thumbnail_bytes", '"'])
    def test_an_unknown_column_is_named(self, opened: Collection, column: str) -> None:
        asks = (
            lambda: opened.find(vectors_of(1, 1)[0], 10, {column: ["x"]}),
            lambda: opened.count({column: ["x"]}),
            lambda: opened.browse(1, {column: ["x"]}),
            lambda: opened.score_sample(vectors_of(1, 1)[0], {column: ["x"]}),
        )
        for ask in asks:
            with pytest.raises(FilterError, match=r"There is no column.*Filter by one of id, ima"):
                ask()

    def test_facets(self, opened: Collection, folder: FolderCollection) -> None:
        assert opened.facets() == folder.facets()
        assert len(opened) == ROWS

    @pytest.mark.parametrize("filters", [{}, *FILTERS[2:6], FILTERS[32]], ids=named)
    def test_browsing(self, opened: Collection, folder: FolderCollection, filters: Filters) -> None:
        every = set(folder.ids(passing(folder, filters)))
        orders = [opened.browse(seed, filters) for seed in (1, 2, 3, 1)]
        assert orders[0] == orders[3]
        for order in orders:
            assert len(order) == len(set(order)) == min(1000, len(every))
            assert set(order) <= every
        if len(every) > 50:
            assert orders[0] != orders[1]

    @pytest.mark.parametrize("filters", [{}, *FILTERS[2:6], FILTERS[17]], ids=named)
    def test_a_sample_of_cosines(
        self, opened: Collection, folder: FolderCollection, filters: Filters
    ) -> None:
        query = vectors_of(1, 80)[0]
        expected = np.sort(folder.matrix.rows(passing(folder, filters)) @ query)
        np.testing.assert_allclose(
            np.sort(opened.score_sample(query, filters)), expected, atol=1e-5
        )
