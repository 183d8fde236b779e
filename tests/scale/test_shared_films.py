"""Films of a shared place, with a Milvus server and without, on a computer that has no films."""

import shutil
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from components.collection.build import BuildJob, build
from components.collection.milvus.address import connect
from components.collection.milvus.publish import publish
from components.collection.milvus.reader import MilvusCollection
from components.collection.opening import open_collection
from components.collection.shared import publish as share
from components.collection.shared.reading import SharedCollection
from components.collection.sources.source import SourceSpec
from components.encoder import load
from components.films.moment import film_of
from tests.app.helpers import components, open_page, texts, tiles
from tests.films import make_film

QUERY = {"search_in": "films", "search_q": "a cat"}


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Path, list[str]]]:
    """Return a folder with a shared place and a server's file, and what the builder's page finds.

    The films are gone.
    """
    folder = tmp_path_factory.mktemp("shared films")
    make_film(folder / "films" / "a.mp4", [("coffee.jpg", 4), ("chelsea.jpg", 4)])
    make_film(folder / "films" / "deep" / "b.mkv", [("rocket.jpg", 4), ("chelsea.jpg", 3)])
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("CAPTIONLENS_DATA", str(folder / "builder"))
        build(BuildJob("films", SourceSpec("videos", str(folder / "films"))), load("pocket"))
        found = tiles(open_page("search.py", **QUERY), "search_grid")
        server = connect(str(folder / "archive.db"))
        assert publish("films", server, lambda now: None, threading.Event())
        (folder / "place").mkdir()
        share("films", str(folder / "place"))
    shutil.rmtree(folder / "films")
    yield folder, found


@pytest.mark.parametrize("served", [True, False], ids=["with a server", "without"])
def test_moments_are_found_and_shown_where_no_films_are(
    place: tuple[Path, list[str]], served: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder, found = place
    monkeypatch.setenv("CAPTIONLENS_DATA", str(tmp_path))
    monkeypatch.setenv("CAPTIONLENS_SHARED_COLLECTIONS", str(folder / "place"))
    if served:
        monkeypatch.setenv("CAPTIONLENS_MILVUS", str(folder / "archive.db"))
    opened = open_collection("films")
    assert isinstance(opened, MilvusCollection if served else SharedCollection)
    assert tiles(open_page("search.py", **QUERY), "search_grid") == found
    film, seconds = film_of(found[0]) or ("", 0.0)
    assert (film, seconds >= 4) in {("a.mp4", True), ("deep/b.mkv", True)}  # the cat's shots
    page = open_page("search.py", **QUERY, search_photo=found[0])
    stage = components(page, "search_stage")[0]
    assert stage["film"] is None
    assert stage["src"].startswith("data:image/jpeg")
    assert f"Thumbnail shown instead. {film} is " in texts(page).replace("\\", "")
    assert tiles(page, "film_grid")  # the film's moments, with their thumbnails
    assert (tmp_path / "cache").exists() == (not served)  # the server has the vectors
