"""Every page in its full, empty and broken states, without a browser."""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from streamlit.testing.v1 import AppTest

from components import models
from components.images import EXAMPLE_CAPTION, EXAMPLE_SETS, sample_captions
from components.models import disk
from components.settings import ROOT
from components.ui.grid import ROW_HEIGHTS
from components.words import shorten
from tests import checkpoints
from tests.app.helpers import components, done, groups, open_page, start, texts, tiles, uploads

COUNT = len(sample_captions())


def type_captions(app: AppTest, text: str) -> AppTest:
    return done(app.text_area(key="match_captions").set_value(text).run())


def lists(app: AppTest) -> list[dict[str, Any]]:
    """Return the lists of the page's photo grid."""
    return groups(app, "match_grid")


def names(app: AppTest) -> list[str]:
    """Return the names of the images in the page's photo grid, in its order."""
    return tiles(app, "match_grid")


@pytest.fixture
def app() -> AppTest:
    return start()


def test_match_starts_with_an_answered_example(app: AppTest) -> None:
    assert app.title[0].value == "Match"
    assert tuple(group["title"] for group in lists(app)) == EXAMPLE_SETS[0].captions
    assert names(app)[0] == "cat_mirror.jpg"
    assert "An example with sample images" in texts(app)
    assert "Cosine" in texts(app)
    first = lists(app)[0]["tiles"][0]
    assert (first["rank"], first["of"]) == (1, COUNT)
    picture = components(app, "match_grid")[0]["pictures"]["cat_mirror.jpg"]
    assert picture["alt"] == sample_captions()["cat_mirror.jpg"]


def test_match_asks_for_a_caption_when_there_is_none(app: AppTest) -> None:
    type_captions(app, "  \n# only a comment")
    assert "Type a caption to rank the images." in texts(app)
    assert not names(app)
    assert tiles(app, "match_unranked") == list(sample_captions())


def test_match_reports_merged_and_cut_captions(app: AppTest) -> None:
    type_captions(app, "a cat\na cat\n" + "word " * 600)
    assert "2 captions · longest 602 of 512 tokens · 1 duplicate merged" in texts(app)
    assert "Caption 2 has 602 tokens; the model reads the first 512" in texts(app)


def test_match_leaves_out_captions_above_the_limit(
    app: AppTest, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CAPTIONLENS_MAX_CAPTIONS", "2")
    type_captions(app, "a\nb\nc")
    assert "1 caption above the limit of 2 left out" in texts(app)


@pytest.mark.parametrize(
    ("caption", "heading"),
    [
        ("🐈 🐕", "🐈 🐕"),
        ("قطة", "قطة"),
        ("x" * 5000, shorten("x" * 5000, 120)),
        ("**a** [b](c) $x$ :red[d]", "**a** [b](c) $x$ :red[d]"),
        ("<script>alert(1)</script>", "<script>alert(1)</script>"),
    ],
    ids=["emoji", "Arabic", "long", "Markdown", "HTML"],
)
def test_match_takes_any_caption(app: AppTest, caption: str, heading: str) -> None:
    type_captions(app, caption)
    assert [group["title"] for group in lists(app)] == [heading]
    done(app.select_slider(key="match_top").set_value(96).run())
    assert sorted(names(app)) == sorted(sample_captions())
    shown = lists(app)[0]["tiles"]
    assert [tile["rank"] for tile in shown] == [*range(1, COUNT + 1)]
    cosines = [float(tile["score"]) for tile in shown]
    assert cosines == sorted(cosines, reverse=True)
    assert len(set(cosines)) > 10  # ranked by this caption, not a constant


def test_match_says_when_nothing_reaches_the_minimum(app: AppTest) -> None:
    done(app.slider(key="match_min").set_value(0.9).run())
    type_captions(app, "a tabby cat")
    notice = lists(app)[0]["notice"]
    assert "No image reaches the minimum score of 0.900; the best has 0.6" in notice
    assert not names(app)


def test_match_sorts_and_pages(app: AppTest) -> None:
    type_captions(app, "a tabby cat")
    done(app.selectbox(key="match_sort").set_value("File name").run())
    assert names(app) == sorted(names(app))
    done(app.selectbox(key="match_sort").set_value("Worst first").run())
    assert "chelsea.jpg" not in names(app)  # on the last page
    done(app.selectbox(key="match_sort").set_value("Best first").run())
    assert names(app)[0] == "chelsea.jpg"
    done(app.select_slider(key="match_top").set_value(6).run())
    assert len(names(app)) == 6


def test_several_captions_have_a_row_each_and_one_can_be_opened() -> None:
    app = start(match_captions="a cat\na bus")
    assert [group["title"] for group in lists(app)] == ["a cat", "a bus"]
    assert all(group["one_row"] for group in lists(app))
    assert all(group["more"] == f"Show all {COUNT}" for group in lists(app))
    app = start(match_captions="a cat\na bus", match_show="2")
    assert [(group["title"], group["one_row"]) for group in lists(app)] == [("a bus", False)]
    next(button for button in app.button if button.label == "All captions").click()
    assert len(lists(done(app.run()))) == 2
    assert len(lists(start(match_captions="a cat\na bus", match_show="9"))) == 2


def test_an_example_is_a_click_away(app: AppTest) -> None:
    example = EXAMPLE_SETS[3]
    done(app.pills(key="match_example").set_value(example.title).run())
    assert tuple(group["title"] for group in lists(app)) == example.captions
    assert example.note in texts(app)
    type_captions(app, "something else")
    assert app.pills(key="match_example").value is None


def test_a_link_opens_an_image() -> None:
    app = start(match_captions="a cat", match_photo="cat_mirror.jpg")
    stage = components(app, "match_stage")[0]
    assert (stage["at"], stage["of"]) == (1, 24)
    assert stage["src"].startswith("data:image/jpeg;base64,")
    assert "Photo: " in texts(app)
    assert "CC BY 2\\.0" in texts(app)
    app = start(match_photo="gone.jpg")
    assert "This image is no longer on the page." in texts(app)
    assert names(app)


def test_a_file_name_is_only_text(app: AppTest) -> None:
    hostile = "<img src=x onerror=alert(1)>.jpg"
    file = ("x/" + hostile, uploads("chelsea.jpg")[0][1], "image/jpeg")
    done(app.file_uploader(key="match_files").set_value([file]).run())
    assert set(names(app)) == {"x/" + hostile}


def test_a_presented_page_keeps_its_inputs(app: AppTest) -> None:
    done(app.toggle(key="present").set_value(True).run())
    assert app.text_area(key="match_captions").value
    assert components(app, "match_grid")[0]["height"] == ROW_HEIGHTS["Large"]


def test_probability_of_one_caption_is_explained() -> None:
    app = start(match_score="Probability", match_captions="a cat")
    assert "With one caption it is always 100%" in texts(app)
    type_captions(app, "a cat\na cup of coffee")
    assert "With one caption" not in texts(app)


def test_a_link_brings_captions_direction_and_score() -> None:
    app = start(match_captions="a cat\na rocket", match_by="Captions", match_score="Probability")
    assert app.text_area(key="match_captions").value == "a cat\na rocket"
    assert len(names(app)) == 24
    assert {len(tile["lines"]) for tile in lists(app)[0]["tiles"]} == {2}
    assert lists(app)[0]["tiles"][0]["lines"][0]["score"].endswith("%")


@pytest.mark.parametrize(
    "query", [{"match_by": "nonsense"}, {"match_min": "much"}, {"match_top": "7"}, {"x": "y"}]
)
def test_a_broken_link_still_opens(query: dict[str, str]) -> None:
    assert names(start(**query))[0] == "cat_mirror.jpg"


@pytest.mark.parametrize(
    ("model", "sentence"),
    [("openai/clip-vit-base-patch32", "download it first"), ("../etc", "is not a model")],
)
def test_a_missing_model_has_a_reason_and_what_to_do(model: str, sentence: str) -> None:
    app = start(model=model)
    assert sentence in texts(app).replace("\\", "")
    assert not names(app)


def test_uploads_take_the_samples_place_and_bad_ones_are_named(app: AppTest) -> None:
    bad = [("broken.jpg", b"Dear reader,", "image/jpeg"), ("empty.jpg", b"", "image/jpeg")]
    upload = app.file_uploader(key="match_files")
    done(upload.set_value([*uploads("chelsea.jpg", "coffee.jpg"), *bad]).run())
    assert set(names(app)) == {"chelsea.jpg", "coffee.jpg"}
    shown = texts(app).replace("\\", "")
    assert "2 files skipped; the others are ranked." in shown
    assert "broken.jpg is not an image" in shown
    assert "empty.jpg is empty." in shown


def test_only_bad_uploads_ask_for_others(app: AppTest) -> None:
    done(app.file_uploader(key="match_files").set_value([("x.jpg", b"x", "image/jpeg")]).run())
    assert "None of the files could be read as images. Add other files." in texts(app)


def test_uploads_above_the_limit_are_named(app: AppTest, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CAPTIONLENS_MAX_FILES", "1")
    upload = app.file_uploader(key="match_files")
    done(upload.set_value(uploads("chelsea.jpg", "coffee.jpg")).run())
    assert set(names(app)) == {"chelsea.jpg"}
    shown = texts(app).replace("\\", "")
    assert "1 image above the limit of 1 left out: coffee.jpg." in shown


def test_two_files_of_one_name_are_told_apart(app: AppTest) -> None:
    first, second = uploads("chelsea.jpg", "coffee.jpg")
    same = (first[0], second[1], second[2])
    done(app.file_uploader(key="match_files").set_value([first, same]).run())
    assert set(names(app)) == {"chelsea.jpg", "chelsea.jpg (2)"}


class _Counting:
    """Counts what goes through a runtime."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        from components.encoder.runtimes.openvino import OpenVinoRuntime

        self.images = self.captions = 0
        images, words = OpenVinoRuntime.images, OpenVinoRuntime.texts

        def count_images(runtime: OpenVinoRuntime, *inputs: "object") -> object:
            self.images += len(inputs[0])  # type: ignore[arg-type]
            return images(runtime, *inputs)  # type: ignore[arg-type]

        def count_texts(runtime: OpenVinoRuntime, ids: "object", mask: "object") -> object:
            self.captions += len(ids)  # type: ignore[arg-type]
            return words(runtime, ids, mask)  # type: ignore[arg-type]

        monkeypatch.setattr(OpenVinoRuntime, "images", count_images)
        monkeypatch.setattr(OpenVinoRuntime, "texts", count_texts)


def test_only_what_changed_is_encoded(app: AppTest, monkeypatch: pytest.MonkeyPatch) -> None:
    counting = _Counting(monkeypatch)
    upload = app.file_uploader(key="match_files")
    done(upload.set_value(uploads("chelsea.jpg", "coffee.jpg")).run())
    assert (counting.images, counting.captions) == (2, 0)
    type_captions(app, f"{EXAMPLE_CAPTION}\na dog")
    assert (counting.images, counting.captions) == (2, 1)
    done(app.segmented_control(key="match_by").set_value("Captions").run())
    assert (counting.images, counting.captions) == (2, 1)


@pytest.fixture
def downloaded() -> Iterator[str]:
    """A tiny SigLIP 2 checkpoint on disk, as a download leaves it."""
    name, revision = "tiny/siglip2", "0" * 40
    folder = checkpoints.write("siglip2", disk.folder_of(name, revision))
    files = {file.name: file.stat().st_size for file in folder.iterdir()}
    disk.write_manifest(disk.DownloadManifest(name, name, revision, files))
    yield name
    models.remove(models.resolve(name))


def test_the_two_models_used_last_keep_their_vectors(
    downloaded: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    app = start()
    done(app.file_uploader(key="match_files").set_value(uploads("chelsea.jpg")).run())
    done(app.selectbox(key="model").set_value(downloaded).run())
    assert "It runs on PyTorch, more slowly." in texts(app)
    assert set(names(app)) == {"chelsea.jpg"}
    done(app.segmented_control(key="match_score").set_value("Probability").run())
    assert "each pair on its own" in texts(app)
    counting = _Counting(monkeypatch)
    done(app.selectbox(key="model").set_value("pocket").run())
    assert (counting.images, counting.captions) == (0, 0)
    assert set(names(app)) == {"chelsea.jpg"}


def test_scores_read_as_bands_and_no_good_match_is_said(app: AppTest) -> None:
    type_captions(app, "a red motorcycle standing in a garage")
    first = lists(app)[0]["tiles"][0]
    assert (first["id"], first["band"], first["best"]) == ("motorcycle_right.jpg", "strong", True)
    assert re.fullmatch(r"[\d.]+%, z [\d.]+", first["detail"])
    assert not lists(app)[0]["notice"]
    type_captions(app, "a bar chart of sales by month")
    assert lists(app)[0]["notice"].startswith("No good match. The best image is ")
    assert not any(tile["best"] for tile in lists(app)[0]["tiles"])
    done(app.segmented_control(key="match_score").set_value("Percentile").run())
    assert "1,000 everyday captions" in texts(app)


def test_models_lists_the_table_and_describes_a_choice() -> None:
    app = done(AppTest.from_file(str(ROOT / "pages/models.py"), default_timeout=60).run())
    table = app.dataframe[0].value
    assert table["Model"][0] == "Pocket"
    assert table["On disk"][0] == "Yes"
    assert len(table) == 6
    recalls = table.filter(like=" to ")
    assert list(recalls.loc[0]) == ["–"] * 4  # noqa: RUF001 - no published result
    assert list(recalls.loc[2]) == ["58.8", "78.9", "30.4", "50.1"]


def test_models_says_what_is_not_a_model() -> None:
    app = AppTest.from_file(str(ROOT / "pages/models.py"), default_timeout=60)
    app.query_params["models_id"] = "../no"
    assert "is not a model" in texts(done(app.run()))


@pytest.fixture
def own_model(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """A trained model in a model cache of its own."""
    monkeypatch.setenv("CAPTIONLENS_MODEL_CACHE", str(tmp_path / "cache"))
    folder = checkpoints.write("clip", tmp_path / "made")
    return models.keep_trained(folder, "my cats").id


def models_page(model: str) -> AppTest:
    return open_page("models.py", models_id=model)


def test_removing_a_model_asks_first(own_model: str) -> None:
    app = models_page(own_model)
    done(next(button for button in app.button if button.label == "Remove…").click().run())
    assert models.is_on_disk(models.resolve(own_model))
    assert "it cannot be downloaded again" in texts(app)


def test_a_read_only_installation_keeps_its_models(
    own_model: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CAPTIONLENS_READ_ONLY", "1")
    for model in (own_model, "openai/clip-vit-base-patch32"):
        app = models_page(model)
        assert not {"Remove…", "Download…"} & {button.label for button in app.button}
        assert "This installation is read-only" in texts(app)
    sentences = [texts(models_page(str(place))) for place in (tmp_path, tmp_path / "no", "~")]
    assert all("is not a model" in sentence for sentence in sentences)
    assert "is not a model" in texts(start(model=str(tmp_path / "made")))
    monkeypatch.setenv("CAPTIONLENS_MODEL_FOLDERS", str(tmp_path))
    assert names(start(model=str(tmp_path / "made")))
