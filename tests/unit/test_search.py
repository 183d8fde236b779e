"""Filters, near-duplicates and results, on small tables and vectors made for it."""

from collections.abc import Sequence

import numpy as np
import pytest
from PIL import Image

from components.collection.collection import Found
from components.collection.filters import ALL, Facet, FilterError, Filters, facets, mask
from components.collection.records import Record, joined, table_of
from components.collection.search import folded, frames_of, near_duplicates
from components.images import colour_names
from components.scores import Floats, unit

ROWS: list[Record] = [
    {"id": "a", "country": "Norway", "year": 2015, "keywords": ["snow", "dog"], "folder": "x"},
    {"id": "b", "country": "Spain", "year": 2018, "keywords": ["beach"], "folder": "x/y"},
    {"id": "c", "country": None, "year": None, "keywords": [], "folder": "xy"},
    {"id": "d", "country": "Norway", "year": 2021, "keywords": None, "folder": None},
]


def passing(**wanted: list[str]) -> str:
    allowed = mask(table_of(ROWS), wanted)
    assert allowed is not None
    return "".join(str(row["id"]) for row, passes in zip(ROWS, allowed, strict=True) if passes)


def test_any_value_of_a_column_and_every_column() -> None:
    assert passing(country=["norway"]) == "ad"
    assert passing(country=["Norway", "Spain"]) == "abd"
    assert passing(country=["Norway"], keywords=["SNOW"]) == "a"
    assert passing(country=["Nowhere"]) == ""


def test_numbers_and_ranges() -> None:
    assert passing(year=["2018"]) == "b"
    assert passing(year=["2015..2018"]) == "ab"
    assert passing(year=["2016.."]) == "bd"
    assert passing(year=["..2016"]) == "a"
    assert passing(year=["unknown"]) == ""


def test_a_folder_includes_its_subfolders() -> None:
    assert passing(folder=["x"]) == "ab"
    assert passing(folder=["x/y"]) == "b"


def test_no_filter_lets_all_pass() -> None:
    assert mask(table_of(ROWS), {}) is None
    assert mask(table_of(ROWS), {"country": []}) is None


def test_a_column_that_is_not_there_is_named_with_those_that_are() -> None:
    with pytest.raises(FilterError, match=r"no column 'colour'.*country"):
        mask(table_of(ROWS), {"colour": ["red"]})


def test_facets_have_what_can_be_chosen() -> None:
    found = {facet.column: facet for facet in facets([table_of(ROWS)])}
    assert found["country"] == Facet("country", ("Norway", "Spain"), (2, 1))
    assert found["keywords"].values == ("beach", "dog", "snow")
    assert set(found) == {"country", "year", "keywords", "folder"}


def test_facets_are_counted_in_parts_as_in_the_whole() -> None:
    rows: list[Record] = [
        {
            "id": str(n),
            "year": None if n % 7 == 0 else 1900 + n % 90,
            "keywords": [f"k{n % 11}", "all"] if n % 3 else None,
            "split": "train" if n % 2 else "test",
            "note": str(n % 130),
            "late": None if n < 300 else f"v{n % 5}",
            "number": float("nan") if n % 10 == 0 else n % 4 + 0.5,
        }
        for n in range(600)
    ]
    whole = table_of(rows)
    found = facets([whole])
    assert {each.column for each in found} == {"year", "keywords", "split", "late", "number"}
    for size in (1, 100, 299):
        assert facets(whole.slice(low, size) for low in range(0, 600, size)) == found


def test_a_column_of_the_source_is_a_facet_where_its_values_repeat() -> None:
    rows: list[Record] = [
        {"id": str(n), "split": "train" if n % 2 else "test", "note": str(n)} for n in range(9)
    ]
    assert [facet.column for facet in facets([table_of(rows)])] == ["split"]


def test_tables_whose_columns_disagree_become_text() -> None:
    whole = joined([table_of([{"id": "a", "size": 3}]), table_of([{"id": "b", "size": "large"}])])
    assert whole["size"].to_pylist() == ["3", "large"]
    mixed = table_of([{"id": "a", "size": 3}, {"id": "b", "size": "large"}])
    assert mixed["size"].to_pylist() == ["3", "large"]


def test_near_duplicates_follow_the_better_one() -> None:
    random = np.random.default_rng(0)
    one, two = unit(random.standard_normal((2, 64)))
    rows = unit(np.stack([one, two, one + 0.02 * two, two + 0.02 * one, -one]))
    assert near_duplicates(rows, 0.99) == [[0, 2], [1, 3], [4]]
    assert near_duplicates(rows, 0.9999) == [[0], [1], [2], [3], [4]]
    assert near_duplicates(rows[:0], 0.9) == []


class _Films:
    """What folding and time lines ask of a collection: vectors, and frames found by filters."""

    def __init__(self, vectors: dict[str, Floats]) -> None:
        self._vectors = vectors
        self.asked: list[Filters] = []
        self._table = table_of(
            [
                {"id": id_, "film": id_.partition("#")[0], "seconds": float(id_.partition("=")[2])}
                for id_ in vectors
            ]
        )

    def vectors(self, ids: Sequence[str]) -> Floats:
        return np.stack([self._vectors[id_] for id_ in ids])

    def find(self, vector: Floats, top: int, filters: Filters = ALL, least: float = -1.0) -> Found:
        self.asked.append(filters)
        allowed = mask(self._table, filters)
        assert allowed is not None
        ids = [id_ for id_, passes in zip(self._vectors, allowed, strict=True) if passes]
        cosines = self.vectors(ids) @ vector if ids else np.zeros(0, dtype=np.float32)
        best = np.argsort(-cosines)[:top]
        return Found(tuple(ids[n] for n in best), cosines[best])


def _frame_vectors(*ids: str) -> dict[str, Floats]:
    random = np.random.default_rng(0)
    return {id_: unit(random.standard_normal((1, 64)))[0].astype(np.float32) for id_ in ids}


def test_neighbouring_frames_are_one_moment_of_the_best() -> None:
    ids = ("a#t=20.000", "a#t=90.000", "b#t=21.000", "a#t=14.000", "a#t=29.000")
    collection = _Films(_frame_vectors(*ids))
    found = Found(ids, np.array([0.9, 0.88, 0.86, 0.8, 0.75], dtype=np.float32))
    result = folded(collection, found, None, 10.0)  # type: ignore[arg-type]
    assert result.ids == ("a#t=20.000", "a#t=90.000", "b#t=21.000")
    assert result.frames == (("a#t=14.000", "a#t=29.000"), (), ())
    assert result.folded == ((), (), ())
    assert len(folded(collection, found, None, 0.0)) == 5  # type: ignore[arg-type]
    best = result.first(2)
    assert (best.ids, best.frames) == (result.ids[:2], result.frames[:2])


def test_a_moment_lasts_as_long_as_its_frames_match_nearly_as_well() -> None:
    ids = ("a#t=4.000", "a#t=5.000", "a#t=9.000", "a#t=0.000")
    found = Found(ids, np.array([0.6, 0.55, 0.3, 0.1], dtype=np.float32))
    result = folded(_Films({}), found, None, 10.0)  # type: ignore[arg-type]
    assert (result.ids, result.frames) == (ids[:1], (ids[1:2],))


def test_a_moment_like_a_better_one_is_folded_into_it_with_its_frames() -> None:
    vectors = _frame_vectors("a#t=1.000", "b#t=1.000", "b#t=2.000", "c#t=5.000")
    vectors["b#t=1.000"] = vectors["a#t=1.000"]
    found = Found(tuple(vectors), np.array([0.9, 0.8, 0.7, 0.6], dtype=np.float32))
    result = folded(_Films(vectors), found, 0.99, 10.0)  # type: ignore[arg-type]
    assert result.ids == ("a#t=1.000", "c#t=5.000")
    assert result.folded == (("b#t=1.000", "b#t=2.000"), ())


def test_the_time_line_of_a_film_is_asked_for_by_the_hour() -> None:
    ids = [f"a#t={second}.000" for second in (0, 3600, 7199, 9000)]
    collection = _Films(_frame_vectors(*ids, "A#t=5.000"))
    vector = collection.vectors(ids[:1])[0]
    found = frames_of(collection, vector, "a", 9001.0)  # type: ignore[arg-type]
    assert sorted(found.ids) == sorted(ids)  # each once, and no other film's
    assert found.ids[0] == ids[0]
    assert list(found.cosines) == sorted(found.cosines, reverse=True)
    assert len(collection.asked) == 3
    collection.asked.clear()
    frames_of(collection, vector, "a", 60.0)  # type: ignore[arg-type]
    assert collection.asked == [{"film": ["a"], "seconds": ["0..3600"]}]  # "A" may have more
    collection.asked.clear()
    frames_of(collection, vector, "a", None)  # type: ignore[arg-type]
    assert collection.asked == [{"film": ["a"]}]


@pytest.mark.parametrize(
    ("rgb", "name"),
    [
        ((0, 0, 0), "black"),
        ((255, 255, 255), "white"),
        ((128, 128, 128), "grey"),
        ((220, 20, 30), "red"),
        ((250, 140, 10), "orange"),
        ((110, 65, 20), "brown"),
        ((250, 225, 20), "yellow"),
        ((30, 150, 50), "green"),
        ((30, 80, 200), "blue"),
        ((130, 40, 170), "purple"),
        ((250, 130, 190), "pink"),
    ],
)
def test_colours_have_the_names_that_people_use(rgb: tuple[int, int, int], name: str) -> None:
    assert colour_names(Image.new("RGB", (40, 30), rgb)) == [name]


def test_only_colours_that_fill_a_part_are_named() -> None:
    image = Image.new("RGB", (100, 100), (30, 80, 200))
    image.paste((220, 20, 30), (0, 0, 100, 40))
    image.paste((250, 225, 20), (0, 0, 10, 10))
    assert colour_names(image) == ["blue", "red"]
