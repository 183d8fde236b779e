"""The map of the Search page, without a browser."""

import base64
import shutil
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from starlette.applications import Starlette
from starlette.testclient import TestClient
from streamlit.testing.v1 import AppTest

from components.collection.build import BuildJob, build
from components.collection.manifest import MAP
from components.collection.shared import forget, publish
from components.collection.sources.source import SourceSpec
from components.collection.store import FolderCollection, open_folder
from components.encoder import Encoder, load
from components.images import sample_captions
from components.projection.stored import CollectionMap, first_map
from components.scores import Floats
from components.server.media import ROUTES
from components.ui.map import Scale
from components.ui.search import collection_picker, colouring, maps
from components.ui.tasks import Task
from tests.app.helpers import components, done, open_page, texts, tiles
from tests.maps import FIRST, TWINS, keep_known_map

COUNT = len(sample_captions())


@pytest.fixture(autouse=True)
def data(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    monkeypatch.setenv("CAPTIONLENS_DATA", str(tmp_path / "data"))
    maps._known().clear()
    maps.running().clear()
    collection_picker._folder.clear()
    yield tmp_path / "data"


@pytest.fixture(scope="module")
def encoder() -> Encoder:
    return load("pocket")


@pytest.fixture(scope="module")
def indexed(encoder: Encoder, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A data folder with the samples."""
    folder = tmp_path_factory.mktemp("data")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("CAPTIONLENS_DATA", str(folder))
        build(BuildJob("samples", SourceSpec("samples")), encoder)
    return folder


@pytest.fixture
def unmapped(indexed: Path, data: Path) -> FolderCollection:
    """The samples, of which no map is computed yet."""
    shutil.copytree(indexed, data)
    return open_folder("samples")


@pytest.fixture
def samples(unmapped: FolderCollection) -> FolderCollection:
    """The samples, with a map that the tests know."""
    keep_known_map(unmapped)
    return unmapped


def search(**query: str) -> AppTest:
    return open_page("search.py", search_view="Map", **query)


def plot(app: AppTest) -> dict[str, Any]:
    return components(app, "search_map")[0]


def values(app: AppTest) -> NDArray[np.uint16]:
    return np.frombuffer(base64.b64decode(plot(app)["colouring"]["values"]), "<u2")


def bits(text: str) -> list[int]:
    """Return the rows of a mask that the page sends."""
    unpacked = np.unpackbits(np.frombuffer(base64.b64decode(text), np.uint8), bitorder="little")
    return np.flatnonzero(unpacked).tolist()


def known_map_of(xy: Floats, twins: NDArray[np.int64]) -> CollectionMap:
    """Return a map with these places and groups of near-duplicates."""
    none = np.full(len(xy), -1, dtype=np.int32)
    return CollectionMap(
        key=("groups", 1, ""),
        ids=tuple(map(str, range(len(xy)))),
        xy=xy,
        cluster=none,
        clusters=(),
        outlierness=np.zeros(len(xy), dtype=np.float32),
        twins=twins.astype(np.int32),
        exact=True,
    )


def shown(app: AppTest) -> str:
    return texts(app).replace("\\", "")


def test_a_map_shows_every_image_and_its_clusters(samples: FolderCollection) -> None:
    app = search()
    data = plot(app)
    assert data["count"] == COUNT
    assert data["colouring"]["names"] == ["cat", "Cluster 2"]
    assert data["colouring"]["counts"] == [FIRST, FIRST, COUNT - 2 * FIRST]
    assert [label["text"] for label in data["labels"]] == ["cat", "Cluster 2"]
    assert not data["selected"]
    assert not data["passing"]
    assert len(tiles(app, "search_grid")) == 24


def test_a_query_colours_the_map_on_a_scale_that_it_does_not_change(
    samples: FolderCollection,
) -> None:
    app = search(search_q="a tabby cat")
    before = plot(app)["colouring"]
    row = samples.table["id"].to_pylist().index("chelsea.jpg")
    assert int(values(app).argmax()) == row
    assert "everyday captions" in before["note"]
    done(app.text_input(key="search_q").set_value("a hot drink").run())
    after = plot(app)["colouring"]
    assert after["values"] != before["values"]
    assert (after["low"], after["high"]) == (before["low"], before["high"])
    assert -1 < after["low"] < after["high"] < 1


def test_the_scale_of_an_image_ends_at_the_image_itself(
    samples: FolderCollection,
) -> None:
    data = plot(search(search_like="coffee.jpg"))["colouring"]
    assert data["high"] == 1.0
    assert data["low"] < 1.0


def test_an_area_of_the_link_becomes_the_grid(samples: FolderCollection) -> None:
    area = "m-200000_-10000_-70000_-10000_-70000_10000_-200000_10000"  # the left of the line
    app = search(search_area=area)
    selected = bits(plot(app)["selected"])
    ids = samples.table["id"].to_pylist()
    assert selected == [row for row in range(COUNT) if row / COUNT * 2 - 1 < -0.7]
    assert {*tiles(app, "search_grid")} == {ids[row] for row in selected}
    assert f"{len(selected)} images selected" in shown(app)
    labels = {button.label for button in app.button}
    assert {"Add to tray", "Clear selection", "Label"} <= labels
    next(b for b in app.button if b.label == "Clear selection").click()
    assert not plot(done(app.run()))["selected"]
    assert "search_area" not in app.query_params


def test_a_selection_is_ranked_by_the_query_and_obeys_the_filters(
    samples: FolderCollection,
) -> None:
    app = search(search_colour="Clusters", search_part="cat", search_q="a cat")
    listed = tiles(app, "search_grid")
    cosines = samples.matrix.cosines(load("pocket").texts(["a cat"])[0])[:FIRST]
    ids = samples.table["id"].to_pylist()[:FIRST]
    assert listed == [ids[row] for row in np.argsort(-cosines)]
    few = search(search_part="cat", search_f_orientation="portrait")
    portraits = [
        row
        for row, orientation in enumerate(samples.table["orientation"].to_pylist())
        if orientation == "portrait"
    ]
    assert bits(plot(few)["passing"]) == portraits
    assert {*tiles(few, "search_grid")} == {ids[row] for row in portraits if row < FIRST}


def test_near_duplicates_and_outliers_are_views_of_the_map(samples: FolderCollection) -> None:
    ids = samples.table["id"].to_pylist()
    twins = search(search_colour="Near-duplicates", search_part="in a group")
    assert tiles(twins, "search_grid") == [ids[row] for row in TWINS]
    colours = plot(twins)["colouring"]
    assert (colours["together"], colours["names"]) == ("in a group", ["group 1, 2 images"])
    assert colours["note"] == "1 group of images that show the same."
    one = search(search_colour="Near-duplicates", search_part="group 1, 2 images")
    assert tiles(one, "search_grid") == [ids[row] for row in TWINS]
    far = search(search_colour="Outliers", search_part="next 4%")
    assert tiles(far, "search_grid") == [ids[-2]]


def test_groups_that_are_near_each_other_differ_in_colour_and_shape() -> None:
    rng = np.random.default_rng(0)
    rows = np.arange(600)
    sketch = known_map_of(rng.normal(0, 0.4, (600, 2)).astype(np.float32), rows // 3)
    looks = np.array(colouring._twins(sketch).looks)
    assert set(looks) <= set(range(48))
    middles = sketch.xy.reshape(200, 3, 2).mean(axis=1)
    away = np.linalg.norm(middles[:, None] - middles, axis=2) + 9 * np.eye(200)
    nearest = away.argmin(axis=1)
    assert (looks % 12 != looks[nearest] % 12).all()


def test_metadata_colours_the_map(samples: FolderCollection) -> None:
    app = search(search_colour="Orientation", search_part="portrait")
    orientations = samples.table["orientation"].to_pylist()
    names = plot(app)["colouring"]["names"]
    assert [names[number] for number in values(app)] == orientations
    assert len(bits(plot(app)["selected"])) == orientations.count("portrait")


def test_what_the_map_shows_is_a_table_too(samples: FolderCollection) -> None:
    table = search(search_q="a cat").table[0].value
    assert table["Cluster"].tolist() == ["cat", "Cluster 2", "none"]
    assert table["Images"].tolist() == [str(FIRST), str(FIRST), str(COUNT - 2 * FIRST)]


@pytest.mark.parametrize(
    "query",
    [
        {"search_area": "m1_2"},
        {"search_area": "s-100000_-10000_100000_-10000_100000_10000"},  # of the first sketch
        {"search_part": "dragons"},
        {"search_at": "1_2"},
        {"search_colour": "Taste"},
    ],
)
def test_a_broken_link_still_shows_the_map(
    samples: FolderCollection, query: dict[str, str]
) -> None:
    app = search(**query)
    assert plot(app)["count"] == COUNT
    assert not plot(app)["selected"]


def test_an_area_without_images_has_a_sentence(samples: FolderCollection) -> None:
    app = search(search_area="m800000_0_900000_0_900000_100")
    assert "No results." in shown(app)
    assert not tiles(app, "search_grid")


def test_a_selection_is_checked(samples: FolderCollection) -> None:
    area = "m-200000_-10000_20000_-10000_20000_10000_-200000_10000"
    app = search(search_area=area, search_f_orientation="landscape")
    rows = {*bits(plot(app)["selected"])} & {*bits(plot(app)["passing"])}
    chosen = {samples.table["id"][row].as_py() for row in rows}
    assert f"{len(chosen)} images selected" in shown(app)
    assert not next(b for b in app.button if b.key == "map_check").disabled
    check = open_page(
        "check.py",
        check_from="Collection",
        check_in="samples",
        check_map_area=area,
        check_map_f_orientation="landscape",
    )
    assert f"{len(chosen)} images selected on the map of samples" in shown(check)
    assert {id_.partition("#")[0] for id_ in tiles(check, "check_grid")} <= chosen
    assert f"{len(chosen)} pairs of {len(chosen)} images" in shown(check)
    check.button(key="check_whole").click()
    assert f"{COUNT} pairs of {COUNT} images" in shown(done(check.run()))
    assert "check_map_area" not in check.query_params


@pytest.mark.parametrize(
    ("link", "sentence"),
    [
        ({"check_map_part": "dragons"}, "Select images on the map again."),
        ({"check_map_part": "cat"}, "at least 20 captions of 10 images"),
    ],
)
def test_a_selection_that_cannot_be_checked_has_a_sentence(
    samples: FolderCollection, link: dict[str, str], sentence: str
) -> None:
    check = open_page("check.py", check_from="Collection", check_in="samples", **link)
    assert sentence in shown(check)
    assert "Check the whole collection" in {button.label for button in check.button}


def test_what_a_minimum_cosine_selects_cannot_be_checked(samples: FolderCollection) -> None:
    app = search(search_colour="Clusters", search_part="cat", search_q="a cat", search_min="0")
    assert next(b for b in app.button if b.key == "map_check").disabled


def test_addresses_serve_the_map_and_nothing_else(samples: FolderCollection) -> None:
    address = plot(search())["address"]
    with TestClient(Starlette(routes=ROUTES)) as client:
        places = np.frombuffer(client.get(f"/{address}/xy").content, "<f4")
        assert places.shape == (2 * COUNT,)
        assert client.get(f"/{address}/thumb/0").content == samples.thumbnail_at(0)
        about = client.get(f"/{address}/about/0").json()
        assert about["name"] == samples.table["image"][0].as_py()
        for wrong in ("thumb/-1", f"thumb/{COUNT}", "thumb/x", "about/", "", "manifest.json"):
            assert client.get(f"/{address}/{wrong}").status_code == 404
        other = address.rpartition("/")[0]
        assert client.get(f"/{other}/another-state/xy").status_code == 404


def test_a_first_sketch_is_shown_at_once_and_the_map_as_soon_as_it_is_computed(
    unmapped: FolderCollection,
) -> None:
    app = search()
    assert plot(app)["count"] == COUNT
    sketch = plot(app)["address"]
    deadline = time.monotonic() + 90
    while plot(app)["address"] == sketch and time.monotonic() < deadline:
        time.sleep(0.5)
        done(app.run())
    assert plot(app)["address"] != sketch
    assert plot(app)["colouring"]["title"] == "Cluster"
    assert "sketch" not in shown(app)


def test_a_stopped_computation_can_be_started_again(unmapped: FolderCollection) -> None:
    task = Task(unmapped.key, lambda *_: None)
    task.ended = True
    maps.running()["samples"] = task
    app = search()
    assert "The map was not computed" in shown(app)
    assert app.button(key="map_compute").label == "Compute the map"
    assert maps.running()["samples"] is task  # a page that is opened does not start it again


def await_map(name: str) -> None:
    """Wait until the computation of a map has ended."""
    deadline = time.monotonic() + 90
    while not maps.running()[name].ended and time.monotonic() < deadline:
        time.sleep(0.1)


@pytest.fixture
def mine(encoder: Encoder, tmp_path: Path) -> None:
    """A collection of three images, "mine"."""
    images = tmp_path / "images"
    images.mkdir()
    for name in ("coffee", "horse", "chelsea"):
        (images / f"{name}.jpg").write_bytes((Path("sample_images") / f"{name}.jpg").read_bytes())
    build(BuildJob("mine", SourceSpec("folder", str(images))), encoder)


@pytest.mark.usefixtures("mine")
def test_a_shared_collection_has_a_map_that_is_kept_here(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    publish("mine", str(tmp_path / "shared"))
    monkeypatch.setenv("CAPTIONLENS_DATA", str(tmp_path / "reader"))
    monkeypatch.setenv("CAPTIONLENS_SHARED_COLLECTIONS", str(tmp_path / "shared"))
    forget()
    app = search(search_in="mine")
    assert plot(app)["count"] == 3
    await_map("mine")
    assert "sketch" not in shown(done(app.run()))
    assert (tmp_path / "reader" / "collections" / "mine" / MAP).is_dir()
    assert plot(search(search_in="mine", search_q="a cat"))["colouring"]["title"] == (
        "Cosine with the query"
    )


@pytest.mark.usefixtures("mine")
def test_a_viewer_sees_the_sketch_and_starts_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CAPTIONLENS_READ_ONLY", "1")
    app = search(search_in="mine")
    assert plot(app)["count"] == 3
    assert "A first sketch of the map" in shown(app)
    assert not maps.running()


def test_a_sketch_has_no_clusters_yet(samples: FolderCollection, encoder: Encoder) -> None:
    sketch = first_map(samples)
    for choice in (colouring.QUERY, colouring.CLUSTERS, colouring.TWINS, colouring.OUTLIERS):
        colours = colouring.colouring(encoder, samples, sketch, None, choice)
        assert not isinstance(colours, Scale)
        assert colours.note == "They appear once the map is computed."
