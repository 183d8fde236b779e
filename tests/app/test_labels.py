"""The labels of the Check page, without a browser: the part alone, on a page of its own."""

import csv
import io
from collections.abc import Iterator
from pathlib import Path

import pytest
from streamlit.testing.v1 import AppTest

from components.collection.build import BuildJob, build
from components.collection.sources.source import SourceSpec
from components.encoder import load
from components.images import sample_captions
from components.labels.labelled import rows
from tests.app.helpers import SAMPLES, done, groups, texts, uploads

GRID = "labels_grid"


@pytest.fixture(autouse=True)
def data(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    monkeypatch.setenv("CAPTIONLENS_DATA", str(tmp_path / "data"))
    yield tmp_path / "data"


def _page() -> None:
    from components.ui.check.labels import show
    from components.ui.model_picker import pick_encoder

    show(pick_encoder())


def labels(**query: str) -> AppTest:
    app = AppTest.from_function(_page, default_timeout=120)
    for name, value in query.items():
        app.query_params[name] = value
    return done(app.run())


def lists(app: AppTest) -> dict[str, list[str]]:
    """Return the ids of the images in each list, by the list's title."""
    return {group["title"]: [tile["id"] for tile in group["tiles"]] for group in groups(app, GRID)}


def images_of(app: AppTest, label: str) -> list[str]:
    return next(ids for title, ids in lists(app).items() if title.startswith(f"{label}: "))


def test_the_first_screen_is_an_answered_example() -> None:
    app = labels()
    assert "chelsea.jpg" in images_of(app, "cat")
    assert "dogs_window.jpg" in images_of(app, "dog")
    assert {"red_bus.jpg", "green_bus.jpg"} == set(images_of(app, "bus"))
    assert [*lists(app)][-1].startswith("None of these")
    assert f"{len(sample_captions())} images" in texts(app)


def test_labels_are_typed_and_one_list_is_opened() -> None:
    app = labels(labels_show="1")
    assert len(lists(app)) == 1
    done(app.text_area(key="labels_list").set_value("an elephant\n<b>an octopus</b>").run())
    assert images_of(app, "an elephant")[0] == "man_elephant.jpg"
    done(app.button(key="labels_all").click().run())
    assert [*lists(app)][-1].startswith("None of these")
    done(app.text_area(key="labels_list").set_value("# nothing").run())
    assert "Type a label" in texts(app)


def test_a_phrase_without_a_place_for_the_label_is_reported() -> None:
    app = labels(labels_phrases="a photo")
    assert "must contain" in texts(app)


def test_uploads_take_the_place_of_the_samples() -> None:
    app = labels(labels_from="Upload")
    assert "Upload images to label them" in texts(app)
    app.file_uploader(key="labels_files").set_value(uploads("chelsea.jpg", "coffee.jpg"))
    app = done(app.run())
    assert images_of(app, "cat") == ["chelsea.jpg"]


def test_given_labels_of_a_collection_are_checked(tmp_path: Path) -> None:
    given = {"chelsea.jpg": "dog", "cat_mirror.jpg": "cat", "red_bus.jpg": "bus"}
    table = io.StringIO()
    csv.writer(table).writerows([("image", "label"), *given.items()])
    (tmp_path / "table.csv").write_text(table.getvalue(), encoding="utf-8")
    spec = SourceSpec("table", str(tmp_path / "table.csv"), str(SAMPLES))
    build(BuildJob("given", spec), load("pocket"))
    app = labels(labels_from="Collection", check_in="given")
    first, *_ = groups(app, GRID)
    assert first["title"] == "Suspicious given labels: 1 image"
    assert [line["text"] for line in first["tiles"][0]["lines"]] == ["given: dog", "rather: cat"]
    result = next(iter(app.session_state["labels_results"].values()))
    table_rows = rows(result.labelled, result.images.given)
    assert (table_rows[0]["image"], table_rows[0]["suspicious"]) == ("chelsea.jpg", True)


def test_an_image_opens_large_with_its_labels() -> None:
    app = labels(labels_photo="chelsea.jpg")
    assert any("chelsea" in str(part.value) for part in app.markdown)
    assert not app.exception
