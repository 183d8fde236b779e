"""Search over a collection of films, without a browser."""

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from streamlit.testing.v1 import AppTest

from components.collection.build import BuildJob, build
from components.collection.records import Record
from components.collection.sources.source import Item, SourceSpec
from components.encoder import load
from components.films.moment import clock, frame_id
from components.images import source_of
from components.settings import ROOT
from components.ui.search import film
from tests.app.helpers import components, groups, open_page, texts, tiles

CAT = frame_id("pets/holiday.mp4", 12.0)


class _Frames:
    """An ImageSource: frames of films of which only the names are there."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def items(self) -> Iterator[Item]:
        shots = ["coffee.jpg"] * 10 + ["chelsea.jpg"] * 10
        films = (("pets/holiday.mp4", 20.0), ("long.mkv", 4000.0))
        for number, (name, film_seconds) in enumerate(films):
            for second, shot in enumerate(shots):
                with Image.open(ROOT / "sample_images" / shot) as opened:
                    pixels = opened.convert("RGB").crop((second, number, 300, 200))
                file = self._folder / f"{name.replace('/', '-')}-{second}.png"
                pixels.save(file)
                about: Record = {
                    "film": name,
                    "seconds": float(second),
                    "film_seconds": film_seconds,
                }
                source = source_of(file.read_bytes(), f"{name} {clock(second)}")
                location = str(self._folder / name)
                yield Item(frame_id(name, second), source, "1", location, about)


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A data folder with a collection of two films, one of which is there."""
    folder = tmp_path_factory.mktemp("films")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("CAPTIONLENS_DATA", str(folder / "data"))
        (folder / "pets").mkdir()
        (folder / "pets" / "holiday.mp4").write_bytes(b"a film")
        source = _Frames(folder)
        build(BuildJob("films", SourceSpec("videos", str(folder))), load("pocket"), images=source)
    return folder / "data"


@pytest.fixture(autouse=True)
def environment(data: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CAPTIONLENS_DATA", str(data))


def search(**query: str) -> AppTest:
    return open_page("search.py", search_in="films", **query)


def shown(app: AppTest) -> str:
    return texts(app).replace("\\", "")


def test_tiles_are_moments_with_film_and_time() -> None:
    app = search(search_q="a tabby cat", search_fold="1.0")
    found = groups(app, "search_grid")[0]["tiles"]
    assert {tile["lines"][0]["text"] for tile in found} == {"pets/holiday.mp4", "long.mkv"}
    assert all(tile["lines"][0]["score"].startswith("0:00:") for tile in found)
    assert any("frames" in tile["detail"] for tile in found)
    assert f"{len(found)} moments of 40 frames" in shown(app)
    every = search(search_q="a tabby cat", search_fold="1.0", search_within="0", search_per="48")
    assert len(tiles(every, "search_grid")) == 40


def test_without_a_query_frames_are_browsed() -> None:
    assert "40 frames in random order" in shown(search())


def test_films_and_times_are_filtered() -> None:
    app = search(search_q="a cat", search_f_film="long.mkv", search_time="0:05-0:09")
    found = tiles(app, "search_grid")
    assert found
    assert all(id_.startswith("long.mkv#t=") and 5 <= float(id_[11:]) <= 9 for id_ in found)
    assert "Write the time as from-to" in shown(search(search_time="soon"))


@pytest.mark.parametrize(
    ("text", "span"),
    [
        ("0:30-2:00", "30.0..120.0"),
        ("1:00:00 -", "3600.0.."),
        ("-90", "..90.0"),
        ("1.5..2.5", "1.5..2.5"),
    ],
)
def test_times_are_written_as_people_do(text: str, span: str) -> None:
    match = film._SPAN.fullmatch(text.replace(" ", ""))
    assert match
    assert f"{film._seconds(match[1])}..{film._seconds(match[2])}" == span


def test_a_moment_opens_its_film_with_the_score_along_it() -> None:
    app = search(search_q="a tabby cat", search_photo=CAT)
    stage = components(app, "search_stage")[0]
    assert stage["film"]["start"] == 12.0
    assert stage["film"]["address"].startswith("files/")
    assert stage["alt"] == "pets/holiday.mp4 at 0:00:12"
    assert "At 0:00:12 of 0:00:20" in shown(app)
    assert "Cosine of each frame with the query" in shown(app)
    assert len(app.get("vega_lite_chart")) == 1
    strip = tiles(app, "film_grid")
    assert strip
    assert all(id_.startswith("pets/holiday.mp4#t=") for id_ in strip)


def test_without_a_query_a_film_shows_moments_in_the_order_of_time() -> None:
    app = search(search_photo=CAT)
    strip = tiles(app, "film_grid")
    assert strip == sorted(strip, key=lambda id_: float(id_.partition("=")[2]))
    assert "Cosine of each frame" not in shown(app)


def test_a_film_that_is_gone_has_a_sentence_and_its_thumbnail() -> None:
    app = search(search_q="a tabby cat", search_photo=frame_id("long.mkv", 12.0))
    sentence = "long.mkv is not in its folder on this computer. Put it there to play it"
    assert f"Thumbnail shown instead. {sentence}" in shown(app)
    stage = components(app, "search_stage")[0]
    assert stage["film"] is None
    assert stage["src"].startswith("data:image/jpeg")


def test_only_films_are_handed_out(tmp_path: Path) -> None:
    secret = tmp_path / "secret.txt"
    secret.write_text("key")
    link = tmp_path / "film.mp4"
    link.symlink_to(secret)
    for path in (secret, link, tmp_path / "gone.mp4", tmp_path, Path("a\0.mp4")):
        with pytest.raises(film.FilmMissing):
            film._there(path, path.name)


def test_a_long_film_is_drawn_with_the_best_of_neighbours() -> None:
    from components.ui.search.timeline import _best

    cosines = np.zeros(5000, dtype=np.float32)
    cosines[1234] = 1.0
    places = _best(cosines)
    assert len(places) == 600
    assert 1234 in places
