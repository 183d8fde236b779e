"""The Search page in its full, empty and broken states, without a browser."""

import csv
import json
import shutil
import threading
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from streamlit.testing.v1 import AppTest

from components.collection.build import BuildJob, build
from components.collection.manifest import folder_of
from components.collection.search import hits
from components.collection.sources.source import SourceSpec
from components.collection.store import locked, open_folder
from components.encoder import Encoder, load
from components.images import sample_captions, sample_sources
from components.settings import ROOT
from components.ui.search import builds
from components.ui.search.results import shareable
from components.ui.tasks import Task
from tests import checkpoints
from tests.app.helpers import SAMPLES, components, done, groups, open_page, texts, tiles

COUNT = len(sample_captions())
PAGE = 24  # images of the first page


@pytest.fixture(autouse=True)
def data(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    monkeypatch.setenv("CAPTIONLENS_DATA", str(tmp_path / "data"))
    yield tmp_path / "data"


@pytest.fixture(scope="module")
def encoder() -> Encoder:
    return load("pocket")


def search(**query: str) -> AppTest:
    return open_page("search.py", **query)


def results(app: AppTest) -> list[str]:
    """Return the ids of the images in the photo grid, in the page's order."""
    return tiles(app, "search_grid")


def ask(app: AppTest, text: str) -> AppTest:
    return done(app.text_input(key="search_q").set_value(text).run())


def shown(app: AppTest) -> str:
    return texts(app).replace("\\", "")


def test_it_begins_with_the_samples_in_random_order() -> None:
    app = search()
    assert len(results(app)) == PAGE
    assert f"{COUNT} images in random order" in shown(app)
    assert f"{COUNT} images · indexed with pocket (f32) ·" in shown(app)
    assert results(search()) == results(app)  # the same link, the same order
    assert results(search(search_seed="2")) != results(app)


def test_words_find_and_negative_terms_lead_away() -> None:
    app = ask(search(), "a tabby cat")
    assert results(app)[0] == "chelsea.jpg"
    assert "ranked by cosine" in shown(app)
    assert results(ask(app, "an animal, -2*a cat"))[0] != "chelsea.jpg"


def test_an_example_is_a_click_away() -> None:
    app = search()
    done(app.pills(key="search_example").set_value("1.5*horses, mountains").run())
    assert results(app)[0] == "mountain_horses.jpg"


def test_a_link_restores_everything() -> None:
    app = search(
        search_q="a hot drink",
        search_per="48",
        search_min="0.05",
        search_fold="1.0",
        search_scores="true",
        search_f_orientation="landscape",
    )
    assert results(app)[0] == "coffee.jpg"
    assert app.slider(key="search_min").value == 0.05
    assert app.multiselect(key="search_f_orientation").value == ["landscape"]
    assert 0 < len(results(app)) < COUNT
    like = search(search_like="coffee.jpg")
    assert results(like)[0] == "coffee.jpg"
    assert "Similar to **coffee.jpg**" in shown(like)


def test_no_results_have_a_sentence() -> None:
    app = search(search_q="a cat", search_min="0.99")
    assert not results(app)
    assert "No results. Lower the minimum cosine or remove a filter." in shown(app)


def test_terms_that_cancel_out_have_a_sentence() -> None:
    app = ask(search(), "a cat, -a cat")
    assert "The terms cancel each other out" in shown(app)
    assert len(results(app)) == PAGE


@pytest.mark.parametrize(
    "query",
    [
        {"search_page": "-1"},
        {"search_page": "x-y"},
        {"search_seed": "x"},
        {"search_min": "much"},
        {"search_per": "7"},
        {"search_f_orientation": "diagonal"},
        {"search_fold": "0"},
    ],
)
def test_a_broken_link_still_opens(query: dict[str, str]) -> None:
    assert results(search(search_q="a cat", **query))[0] == "cat_mirror.jpg"


def test_a_page_too_far_is_the_last_page() -> None:
    listed = search(search_q="a cat").session_state["search_listed"]
    assert len(results(search(search_q="a cat", search_page=f"99-{listed}"))) == COUNT % PAGE


def test_a_page_of_another_list_is_the_first_page() -> None:
    assert results(search(search_q="a cat", search_page="2-0"))[0] == "cat_mirror.jpg"


def test_results_have_rank_score_and_band() -> None:
    shown = groups(search(search_q="a cat"), "search_grid")[0]["tiles"]
    assert [tile["rank"] for tile in shown] == [*range(1, PAGE + 1)]
    assert all(tile["of"] == COUNT and tile["band"] for tile in shown)
    scores = [float(tile["score"]) for tile in shown]
    assert scores == sorted(scores, reverse=True)
    lines = groups(search(search_q="a cat, -a dog", search_scores="true"), "search_grid")[0]
    assert {len(tile["lines"]) for tile in lines["tiles"]} == {2}


def test_a_link_opens_an_image() -> None:
    app = search(search_q="a cat", search_photo="cat_mirror.jpg")
    assert components(app, "search_stage")[0]["at"] == 1
    assert len(tiles(app, "similar_grid")) == 6
    assert "CC BY" in shown(app)


def test_samples_of_an_earlier_version_are_indexed_again(
    encoder: Encoder, monkeypatch: pytest.MonkeyPatch
) -> None:
    fewer = sample_sources()[:5]
    with monkeypatch.context() as patch:
        patch.setattr("components.collection.sources.samples.sample_sources", lambda: fewer)
        build(BuildJob("samples", SourceSpec("samples")), encoder)
    assert f"{COUNT} images in random order" in shown(search())


def test_samples_of_an_earlier_revision_of_the_model_are_indexed_again(encoder: Encoder) -> None:
    build(BuildJob("samples", SourceSpec("samples")), replace(encoder, revision="earlier"))
    app = search()
    assert len(results(app)) == PAGE
    assert open_folder("samples").manifest.revision == encoder.revision
    assert not app.get("progress")  # it is over


def test_a_missing_image_has_a_sentence() -> None:
    app = search(search_like="gone.jpg")
    assert "samples has no image 'gone.jpg'" in shown(app)
    assert "samples has no image 'gone.jpg'" in shown(search(search_photo="gone.jpg"))


def test_a_missing_collection_has_a_sentence_and_a_way_out() -> None:
    app = search(search_in="holiday")
    assert "There is no collection holiday" in shown(app)
    next(b for b in app.button if b.label == "Go to the samples").click()
    assert len(results(done(app.run()))) == PAGE


def test_a_collection_removed_under_the_open_page(encoder: Encoder, tmp_path: Path) -> None:
    images = tmp_path / "images"
    images.mkdir()
    shutil.copy(SAMPLES / "coffee.jpg", images)
    build(BuildJob("mine", SourceSpec("folder", str(images))), encoder)
    app = search(search_in="mine")
    assert results(app) == ["coffee.jpg"]
    shutil.rmtree(folder_of("mine"))
    done(app.run())
    assert "There is no collection mine" in shown(app)
    assert not results(app)


def test_another_model_has_a_sentence_and_both_ways_out(encoder: Encoder, tmp_path: Path) -> None:
    build(BuildJob("samples", SourceSpec("samples")), encoder)
    tiny = str(checkpoints.write("clip", tmp_path / "tiny"))
    app = AppTest.from_file(str(ROOT / "pages/search.py"), default_timeout=180)
    app.query_params["model"] = tiny
    done(app.run())
    assert "samples was indexed with pocket, but the model in use is" in shown(app)
    labels = [button.label for button in app.button]
    assert "Use pocket" in labels
    assert any(label.startswith("Rebuild with") for label in labels)


@pytest.mark.parametrize("file", ["000001.vectors", "000001.parquet", "manifest.json"])
def test_a_damaged_collection_has_a_sentence_and_is_mended_by_a_click(
    encoder: Encoder, file: str
) -> None:
    build(BuildJob("samples", SourceSpec("samples")), encoder)
    place = folder_of("samples") / file
    middle = place.stat().st_size // 2
    data = place.read_bytes()
    place.write_bytes(b"short" if file.endswith("vectors") else data[:middle] + b"~" * middle)
    app = search()
    assert f"damaged {file}" in shown(app) or f"samples is damaged: {file}" in shown(app)
    next(b for b in app.button if b.label == "Index it again").click()
    wait_for_results(done(app.run()), PAGE)


def wait_for_results(app: AppTest, number: int) -> None:
    """Run a page until it has so many results, for ten seconds at most."""
    deadline = time.monotonic() + 10
    while len(results(app)) != number and time.monotonic() < deadline:
        time.sleep(0.1)
        done(app.run())
    assert len(results(app)) == number


def test_a_first_visitor_waits_until_another_process_has_indexed_the_samples(
    encoder: Encoder,
) -> None:
    """The page opens the samples by itself: it once said that they are being written."""
    begun = threading.Event()

    def index_slowly() -> None:
        with locked(folder_of("samples")):
            begun.set()
            time.sleep(1)
        build(BuildJob("samples", SourceSpec("samples")), encoder)

    other = threading.Thread(target=index_slowly)
    other.start()
    begun.wait()
    app = search()
    other.join()
    assert len(results(app)) == PAGE


def test_a_stopped_rebuild_is_resumed_without_encoding_again(
    encoder: Encoder, monkeypatch: pytest.MonkeyPatch
) -> None:
    jobs: list[BuildJob] = []
    source = SourceSpec("samples")
    report = build(BuildJob("samples", source), encoder)
    stopped = replace(report, manifest=replace(report.manifest, complete=False))
    task = Task((BuildJob("samples", source, rebuild=True), encoder), lambda *_: None)
    task.ended, task.result = True, stopped
    with monkeypatch.context() as patch:
        patch.setattr(builds, "running", lambda: {"samples": task})
        patch.setattr(builds, "start", lambda job, encoder: jobs.append(job))
        app = search()
        app.button(key="resume samples").click()
        app.run()
    assert jobs == [BuildJob("samples", source)]


def test_a_read_only_installation_makes_no_collections(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CAPTIONLENS_READ_ONLY", "1")
    app = search()
    app.button(key="collections_manage").click()
    done(app.run())
    assert "This installation is read-only" in shown(app)


def test_a_strangers_table_makes_no_browser_call_out(encoder: Encoder, tmp_path: Path) -> None:
    shutil.copy(SAMPLES / "coffee.jpg", tmp_path)
    shutil.copy(SAMPLES / "horse.jpg", tmp_path)
    column, page = "![c](http://host.example/x.png)", "https://a.example/p) ![x](//b.example/y.png"
    with (tmp_path / "t.csv").open("w", encoding="utf-8", newline="") as file:
        rows = [["image", "caption", column, "page_url", "photographer"]]
        rows += [[f"{name}.jpg", "a cup", "value", page, column] for name in ("coffee", "horse")]
        csv.writer(file).writerows(rows)
    build(BuildJob("mine", SourceSpec("table", str(tmp_path / "t.csv"))), encoder)
    app = search(search_in="mine", search_photo="coffee.jpg")
    written = [*app.markdown, *app.caption, *app.info]
    sentences = [str(element.value) for element in written]
    sentences += [str(widget.label) for widget in app.multiselect]
    sentences += [str(cell) for table in app.table for cell in table.value.to_numpy().ravel()]
    assert any("host" in sentence for sentence in sentences)
    assert not any("![" in sentence.replace("\\!\\[", "") for sentence in sentences)
    assert any("(https://a.example/p%29" in sentence for sentence in sentences)


def test_no_path_of_the_server_is_exported_to_who_may_not_read_it(encoder: Encoder) -> None:
    build(BuildJob("samples", SourceSpec("samples")), encoder)
    collection = open_folder("samples")
    row = hits(collection, collection.ids(np.array([0])), [0.5])[0].flat()
    assert shareable(row, paths=True)["location"]
    assert str(ROOT) not in json.dumps(shareable(row, paths=False), default=str)
