"""Filters, near-duplicates and results, on small tables and vectors made for it."""

import numpy as np
import pytest
from PIL import Image

from components.collection.filters import Facet, FilterError, facets, mask
from components.collection.records import Record, joined, table_of
from components.collection.search import near_duplicates
from components.images import colour_names
from components.scores import unit

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
    found = {facet.column: facet for facet in facets(table_of(ROWS))}
    assert found["country"] == Facet("country", ("Norway", "Spain"), (2, 1))
    assert found["keywords"].values == ("beach", "dog", "snow")
    assert set(found) == {"country", "year", "keywords", "folder"}


def test_a_column_of_the_source_is_a_facet_where_its_values_repeat() -> None:
    rows: list[Record] = [
        {"id": str(n), "split": "train" if n % 2 else "test", "note": str(n)} for n in range(9)
    ]
    assert [facet.column for facet in facets(table_of(rows))] == ["split"]


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
