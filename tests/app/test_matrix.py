"""The Matrix page in its full, empty and broken states, without a browser."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from streamlit.testing.v1 import AppTest

from components import models
from components.images import sample_captions
from components.models import disk
from tests import checkpoints
from tests.app.helpers import done, open_page, texts, uploads

COUNT = len(sample_captions())
CAT, COFFEE = "a facial photo of a tabby cat", "a cup of coffee on a saucer"


def start(**query: str) -> AppTest:
    return open_page("matrix.py", **query)


def upload(app: AppTest, *names: str) -> AppTest:
    return done(app.file_uploader(key="matrix_files").set_value(uploads(*names)).run())


def type_captions(app: AppTest, *captions: str) -> AppTest:
    return done(app.text_area(key="matrix_captions").set_value("\n".join(captions)).run())


def charts(app: AppTest) -> list[dict[str, object]]:
    return [json.loads(chart.proto.spec) for chart in app.get("vega_lite_chart")]


def grid(app: AppTest) -> dict[str, Any]:
    """What the photo grid of the selected cell shows."""
    sent = [json.loads(each.proto.json) for each in app.get("bidi_component") if each.proto.json]
    return next(data for data in sent if "groups" in data)


def tables(app: AppTest) -> str:
    return "\n".join(table.value.to_string() for table in app.table)


@pytest.fixture
def app() -> AppTest:
    return start()


def test_it_starts_with_an_answered_example(app: AppTest) -> None:
    assert app.title[0].value == "Matrix"
    shown = texts(app)
    assert "Colour: cosine, from -0.05 to 0.75, fixed." in shown
    assert "in this gallery of 10 images and 10 captions" in shown
    assert "caption to image" in tables(app)
    heat = charts(app)[0]
    assert str(heat["description"]).startswith("Heatmap of 10 captions against 10 images.")
    assert "Faithfulness check: " in shown


def test_all_samples_are_one_click_away_and_in_the_link(app: AppTest) -> None:
    done(app.segmented_control(key="matrix_samples").set_value("All").run())
    for whole in (app, start(matrix_samples="All")):
        assert f"in this gallery of {COUNT} images and {COUNT} captions" in texts(whole)
        captions = whole.text_area(key="matrix_captions").value or ""
        assert captions.count("\n") == COUNT - 1


def test_edited_captions_stay_when_all_samples_are_shown(app: AppTest) -> None:
    type_captions(app, CAT, COFFEE)
    done(app.segmented_control(key="matrix_samples").set_value("All").run())
    assert str(charts(app)[0]["description"]).startswith(f"Heatmap of 2 captions against {COUNT}")


def test_the_image_is_chosen_in_a_grid_that_reads_the_scores() -> None:
    app = start(matrix_image="red_bus.jpg")
    tiles = {tile["id"]: tile for tile in grid(app)["groups"][0]["tiles"]}
    assert len(tiles) == 10
    assert tiles["chelsea.jpg"]["rank"] == 1
    assert tiles["chelsea.jpg"]["score"].startswith(".")
    assert grid(app)["selected"] == ["red_bus.jpg"]
    assert "with red\\_bus\\.jpg" in texts(app)


def test_presenting_draws_a_large_matrix_of_the_same_cells(app: AppTest) -> None:
    usual = charts(app)[0]["height"]
    done(app.toggle(key="present").set_value(True).run())
    assert charts(app)[0]["height"] == 680 > int(str(usual))


def test_each_score_is_explained_with_its_scale() -> None:
    for score, sentence in {
        "Percentile": "from 0% to 100%, fixed",
        "Probability by row": "a softmax along the row",
        "Probability by column": "a softmax along the column",
    }.items():
        assert sentence in texts(start(matrix_score=score))


def test_order_assignment_and_cell_come_from_the_link() -> None:
    app = start(
        matrix_samples="All",
        matrix_order="Clustered",
        matrix_assign="true",
        matrix_caption=COFFEE,
        matrix_image="coffee.jpg",
        matrix_why="Which words",
    )
    assert "The one-to-one assignment." in texts(app)
    assert app.selectbox(key="matrix_caption").value == COFFEE
    assert f"1 of {COUNT}" in tables(app)
    assert "How much the cosine falls without each word" in texts(app)


@pytest.mark.parametrize(
    ("why", "sentence"),
    [
        ("Where", "For comparison, gibberish"),
        ("A versus B", "orange favours A and purple favours B"),
        ("Change the caption", "as high as the original or higher"),
        ("Change the image", "**Averaged views**"),
    ],
)
def test_every_explanation_is_drawn(why: str, sentence: str) -> None:
    assert sentence in texts(start(matrix_why=why))


def test_uploads_without_known_pairs_have_no_recall(app: AppTest) -> None:
    upload(app, "chelsea.jpg", "coffee.jpg")
    type_captions(app, "a cat", "a dog", "a hot drink")
    assert "Recall is shown if it is known" in texts(app)
    assert str(charts(app)[0]["description"]).startswith("Heatmap of 3 captions against 2")


def test_one_caption_and_one_image_make_a_matrix_too(app: AppTest) -> None:
    upload(app, "chelsea.jpg")
    type_captions(app, "猫 **b** $x$")
    done(app.segmented_control(key="matrix_order").set_value("Clustered").run())
    heat = str(charts(app)[0]["description"])
    assert heat.startswith("Heatmap of 1 caption against 1 image.")
    assert app.selectbox(key="matrix_caption").options == ["猫 **b** $x$"]
    assert tables(app).count("1 of 1") == 2  # the image's rank and the caption's
    assert tables(app).count("100.00%") == 2  # a softmax over one, by row and by column
    for why, shown in {
        "Which words": "How much the cosine falls without each word",
        "A versus B": "orange favours A",  # B is gibberish: there is no other caption
        "Change the caption": r"a photo of 猫 \*\*b\*\* \$x\$",
    }.items():
        done(app.segmented_control(key="matrix_why").set_value(why).run())
        assert shown in texts(app) + tables(app)


def test_a_removed_cell_is_replaced_by_one_that_exists() -> None:
    app = start(matrix_samples="All", matrix_image="rocket.jpg")
    assert "with rocket" in texts(app)
    upload(app, "chelsea.jpg", "coffee.jpg")
    assert "with chelsea" in texts(app)


def _pairs(app: AppTest, data: bytes, name: str = "pairs.csv") -> AppTest:
    done(app.segmented_control(key="matrix_from").set_value("CSV of pairs").run())
    return done(app.file_uploader(key="matrix_pairs").set_value((name, data, "text/csv")).run())


def test_a_csv_of_pairs_brings_captions_and_recall(app: AppTest) -> None:
    rows = f'image,caption\nchelsea.jpg,{CAT}\ncoffee.jpg,{COFFEE}\nlost.jpg,"a lost, sad dog"\n'
    upload(app, "chelsea.jpg", "coffee.jpg", "rocket.jpg")
    _pairs(app, rows.encode())
    shown = texts(app).replace("\\", "")
    assert "1 image of the table not among the images on this page: lost.jpg." in shown
    assert "100.0%" in tables(app)
    assert app.selectbox(key="matrix_caption").options == [CAT, COFFEE, "a lost, sad dog"]


def test_a_bad_csv_has_a_reason_and_nothing_breaks(app: AppTest) -> None:
    _pairs(app, b"words\nonly")
    shown = texts(app).replace("\\", "")
    assert "pairs.csv has no column of images" in shown
    assert "Type a caption to rank the images." in shown


def test_without_captions_or_images_it_asks_for_them(app: AppTest) -> None:
    type_captions(app, "# nothing")
    assert "Type a caption to rank the images." in texts(app)
    assert len(grid(app)["groups"][0]["tiles"]) == 10  # the images stay, without scores
    app = start()
    done(app.file_uploader(key="matrix_files").set_value([("x.jpg", b"x", "image/jpeg")]).run())
    assert "None of the files could be read as images." in texts(app)


@pytest.fixture(scope="module")
def tiny(model_cache: Path) -> Iterator[str]:
    """A tiny CLIP checkpoint on disk, as a download leaves it."""
    name, revision = "tiny/clip", "1" * 40
    folder = checkpoints.write("clip", disk.folder_of(name, revision))
    files = {file.name: file.stat().st_size for file in folder.iterdir()}
    disk.write_manifest(disk.DownloadManifest(name, name, revision, files))
    yield name
    models.remove(models.resolve(name))


def test_two_models_stand_side_by_side(tiny: str) -> None:
    app = start(matrix_other_model=tiny)
    headings = [header.value for header in app.header]
    assert {"Pocket", "clip", "Difference"} <= set(headings)
    shown = texts(app)
    assert "**Rank agreement**: median" in shown
    assert "**Time per image**" in shown
    assert len([c for c in charts(app) if "Heatmap" in str(c.get("description"))]) == 3
    assert "Pocket: caption to image" in tables(app)
    assert "clip: image to caption" in tables(app)


def test_attention_is_offered_for_a_transformer_alone(tiny: str, app: AppTest) -> None:
    assert "matrix_method" not in [each.key for each in app.segmented_control]
    done(app.selectbox(key="model").set_value(tiny).run())
    done(app.segmented_control(key="matrix_method").set_value("Attention").run())
    assert "Gradient-weighted attention (Chefer et al., 2021)" in texts(app)


def test_a_second_model_that_is_not_there_leaves_the_first(app: AppTest) -> None:
    other = start(matrix_other_model="openai/clip-vit-base-patch32")
    assert "download it first" in texts(other)
    assert "Colour: cosine" in texts(other)
