"""The Train page in its empty, broken and full states, and what it trains on the other pages."""

import json
import shutil
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from filelock import FileLock
from streamlit.testing.v1 import AppTest

from components import models
from components.collection.build import BuildJob, build
from components.collection.sources.source import SourceSpec
from components.encoder import load
from components.encoder.matchers import vocabulary
from components.encoder.matchers.saved import save_matcher
from components.images import sample_captions
from components.settings import Settings
from components.training import densenet_lstm, pair_matcher
from components.training.finished import write_comparison
from components.training.loop import LOCK
from components.training.run import Comparison, Figures
from components.ui.train.runs import Run, discard
from tests.app.helpers import SHELL, done
from tests.app.helpers import texts as escaped
from tests.pairs import write_pairs

CAT, COFFEE = "a facial photo of a tabby cat", "a cup of coffee on a saucer"


def texts(app: AppTest) -> str:
    return escaped(app).replace("\\", "")


def grids(app: AppTest) -> list[dict[str, Any]]:
    """What each photo grid of the page shows."""
    sent = [json.loads(each.proto.json) for each in app.get("bidi_component") if each.proto.json]
    return [data for data in sent if "groups" in data]


def start(page: str = "train", model: str = "") -> AppTest:
    app = done(AppTest.from_file(SHELL, default_timeout=300).run())
    done(app.switch_page(f"../../../pages/{page}.py").run())
    return done(app.selectbox(key="model").set_value(model).run()) if model else app


@pytest.fixture(scope="module")
def pairs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_pairs(tmp_path_factory.mktemp("pairs"))


@pytest.fixture
def trained() -> Iterator[Path]:
    """The folder of trained models, empty before and after."""
    folder = Settings().model_cache / "trained"
    shutil.rmtree(folder, ignore_errors=True)
    yield folder
    shutil.rmtree(folder, ignore_errors=True)


def upload(app: AppTest, folder: Path, table: str | None = None) -> AppTest:
    text = table or (folder / "captions.csv").read_text(encoding="utf-8")
    app.file_uploader(key="train_pairs").set_value([("captions.csv", text.encode(), "text/csv")])
    files = [(file.name, file.read_bytes(), "image/jpeg") for file in sorted(folder.glob("*.jpg"))]
    return done(app.file_uploader(key="train_files").set_value(files).run())


def test_the_first_screen_asks_for_pairs() -> None:
    app = start()
    assert app.title[0].value == "Train"
    assert "Upload a table and its images." in texts(app)
    assert not [button for button in app.button if button.key == "train_start"]


def test_the_first_screen_shows_the_samples_and_what_training_does() -> None:
    app = start()
    assert "Images that are held out show whether the model has improved." in texts(app)
    tiles = grids(app)[0]["groups"][0]["tiles"]
    assert tiles[0]["lines"][0]["text"] == CAT


def test_one_click_fills_in_a_run_on_the_samples() -> None:
    app = start()
    done(app.button(key="train_try").click().run())
    assert app.segmented_control(key="train_from").value == "Samples"
    assert app.selectbox(key="train_method").value == "Projections only"
    assert f"{len(sample_captions())} sample images, each with one caption." in texts(app)
    assert "38 images to train on, 19 images held out for evaluation" in texts(app)
    assert app.number_input(key="train_epochs").value == 4
    assert app.number_input(key="train_rate_0.0001").value == 1e-5
    assert [button for button in app.button if button.key == "train_estimate"]
    assert not [button for button in app.button if button.key == "train_try"]
    (learn, _), *_ = app.session_state["train_split"].values()
    done(app.number_input(key="train_epochs").set_value(5).run())
    (again, _), *_ = app.session_state["train_split"].values()
    assert again.pixels is learn.pixels  # not copied at each click
    done(app.number_input(key="train_seed").set_value(1).run())
    assert len(app.session_state["train_split"]) == 1


def test_the_last_finished_run_is_shown_from_disk(trained: Path) -> None:
    folder = trained / "mine"
    folder.mkdir(parents=True)
    lines = ["step,epoch,loss,rate,seconds,dev", "1,0,2.5,0.1,1,", "2,0,1.5,0.1,1,", "2,0,,,,61"]
    (folder / "log.csv").write_text("\n".join(lines))
    before, after = (Figures((share,) * 3, (share,) * 3, (1.0,) * 4) for share in (0.25, 0.75))
    write_comparison(folder, Comparison(before, after))
    app = start()
    assert "Last finished run: mine" in texts(app)
    assert "On 4 held-out images" in texts(app)
    assert "25.0 → 75.0" in "\n".join(table.value.to_string() for table in app.table)
    assert len(app.get("vega_lite_chart")) == 2
    (folder / "log.csv").write_text("unreadable")
    assert "Last finished run" not in texts(done(app.run()))


def test_a_read_only_installation_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CAPTIONLENS_READ_ONLY", "1")
    app = start()
    assert "This installation is read-only" in texts(app)
    assert grids(app)
    assert not app.segmented_control


def test_a_table_without_captions_or_images_is_named(pairs: Path) -> None:
    app = upload(start(), pairs, "image,size\ncat.jpg,3\n")
    assert "captions.csv has no captions" in texts(app)
    app = upload(start(), pairs, "image,caption\nnone.jpg,a cat\n")
    told = texts(app)
    assert "1 image of the table not among the uploads: none.jpg" in told
    assert "No image that can be read has a caption." in told


def test_two_images_are_too_few(pairs: Path) -> None:
    table = "image,caption\nchelsea.jpg,a cat\ncoffee.jpg,a coffee\n"
    assert "at least three images" in texts(upload(start(), pairs, table))


def test_a_split_column_says_what_is_held_out(pairs: Path, tmp_path: Path) -> None:
    assert "4 images held out for evaluation: a tenth, drawn at random." in texts(
        upload(start(), pairs)
    )
    app = upload(start(), write_pairs(tmp_path / "split", splits=True))
    assert "24 images to train on, 8 images held out for evaluation: its split dev." in texts(app)
    assert app.number_input(key="train_batch").max == 24


def test_images_that_cannot_be_read_are_named_and_counted(pairs: Path, tmp_path: Path) -> None:
    folder = tmp_path / "broken"
    shutil.copytree(pairs, folder)
    for file in sorted(folder.glob("*.jpg"))[:7]:
        file.write_bytes(b"no image")
    app = upload(start(), folder)
    told = texts(app)
    assert "7 images skipped; the others are used." in told
    assert "- and 2 more" in told
    assert "22 images to train on, 3 images held out" in told
    assert app.number_input(key="train_batch").value == 22  # all, though the table names more


def test_an_invalid_or_taken_name_is_refused(pairs: Path, trained: Path) -> None:
    app = upload(start(), pairs)
    done(app.text_input(key="train_name_0").set_value("../out").run())
    assert "is not a valid name" in texts(app)
    (trained / "mine").mkdir(parents=True)
    done(app.text_input(key="train_name_0").set_value("mine").run())
    assert "A model named 'mine' already exists" in texts(app)


def test_a_run_is_estimated_started_stopped_resumed_and_compared(
    pairs: Path, trained: Path
) -> None:
    app = upload(start(), pairs)
    assert "28 images to train on, 4 images held out" in texts(app)
    done(app.text_input(key="train_name_0").set_value("my images").run())
    done(app.number_input(key="train_batch").set_value(14).run())
    done(app.number_input(key="train_epochs").set_value(6).run())
    done(app.button(key="train_estimate").click().run())
    assert "12 steps, as measured on this computer" in texts(app)
    app.button(key="train_start").click().run()
    _wait_for(app, "step ")
    assert "only one run at a time" in texts(app)
    app.button(key="stop my images").click().run()
    _wait_for(app, "its progress is kept")
    app.button(key="resume my images").click().run()
    _wait_for(app, "my images is trained")
    assert app.text_input(key="train_name_1").value == "Pocket tuned 1"
    told = texts(app)
    assert "Largest changes in rank" in told or "No held-out image changed its rank." in told
    assert "caption to image" in "\n".join(table.value.to_string() for table in app.table)
    assert (trained / "my images" / "log.csv").is_file()
    assert not (Settings().model_cache / "training" / "my images").exists()
    app.button(key="close my images").click().run()
    other = start("match", "trained:my images")
    assert other.selectbox(key="model").value == "trained:my images"


def _wait_for(app: AppTest, sentence: str) -> None:
    deadline = time.monotonic() + 240
    while sentence not in _all(app):
        assert time.monotonic() < deadline, _all(app)
        time.sleep(0.5)
        app.run()
    assert not app.exception


def _all(app: AppTest) -> str:
    done = [str(each.value) for each in app.success]
    bars = [str(bar.proto.text) for bar in app.get("progress")]
    return "\n".join([texts(app), *done, *bars]).replace("\\", "")


@pytest.fixture
def older(trained: Path) -> None:
    """An untrained pair matcher and DenseNet + LSTM: what the pages do does not depend on skill."""
    tokenizer = vocabulary.learn([CAT, COFFEE], min_count=1)
    save_matcher(trained / "pairs", *pair_matcher.blank(tokenizer, 0), tokenizer)
    network, config = densenet_lstm.blank(tokenizer, 0)
    save_matcher(trained / "dense", network.eval(), config, tokenizer, 20.0)


@pytest.mark.usefixtures("older")
def test_the_older_matchers_are_in_every_picker() -> None:
    app = start("match")
    options = app.selectbox(key="model").options
    assert {"pairs", "dense"} <= set(options)
    assert {spec.name for spec in models.on_disk()} >= {"pairs", "dense"}


@pytest.mark.usefixtures("older")
def test_the_pair_matcher_ranks_on_match_without_a_cosine() -> None:
    app = start("match", "trained:pairs")
    told = texts(app)
    assert "Ranked by each pair's probability." in told
    scores = app.segmented_control(key="match_pair_score")
    assert scores.options == ["Probability", "Percentile"]
    assert not app.exception


@pytest.mark.usefixtures("older")
@pytest.mark.parametrize("page", ["search", "matrix", "train"])
def test_pages_that_need_vectors_say_so(page: str, pairs: Path) -> None:
    app = start(page)
    if page == "train":
        upload(app, pairs)
    key = "train_base" if page == "train" else "model"
    done(app.selectbox(key=key).set_value("trained:pairs").run())
    assert "has no vectors, which this page needs. Choose another model" in texts(app)


@pytest.mark.usefixtures("older")
def test_the_densenet_lstm_ranks_by_cosine() -> None:
    app = start("match", "trained:dense")
    assert "Ranked by cosine." in texts(app)
    assert not app.exception


def test_a_collection_with_captions_gives_pairs(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CAPTIONLENS_DATA", str(tmp_path))
    app = start()
    done(app.segmented_control(key="train_from").set_value("Collection").run())
    assert "There is no collection yet" in texts(app)
    spec = SourceSpec("samples")
    build(BuildJob("samples", spec), load("pocket"))
    done(app.run())
    told = texts(app)
    assert "Training uses its thumbnails" in told
    assert "51 images to train on, 6 images held out" in told


def test_discarding_a_run_leaves_the_one_of_another_server_that_has_its_name() -> None:
    anything: Any = None
    run = Run("of both", anything, anything)
    with FileLock(run.folder / LOCK):
        discard(run.name, run)
        assert run.folder.is_dir()
    discard(run.name, run)
    assert not run.folder.exists()
