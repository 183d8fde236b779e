"""The Check page in its full, empty and broken states, without a browser."""

import csv
import io
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from threading import Timer

import pytest
from filelock import FileLock
from streamlit.testing.v1 import AppTest

from components.check.decisions import Decision, Decisions
from components.check.indexed import DECISIONS
from components.collection.build import BuildJob, build
from components.collection.manifest import CHECK, folder_of
from components.collection.sources.source import SourceSpec
from components.encoder import Encoder, load
from components.images import sample_captions
from components.ui.check import downloads
from components.ui.check.example import EXCHANGED
from tests.app.helpers import SAMPLES, components, done, groups, open_page, texts, tiles, uploads

COUNT = len(sample_captions())
GRID = "check_grid"
CAMERA = "camera.jpg#0"  # its caption is exchanged


@pytest.fixture(autouse=True)
def data(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    monkeypatch.setenv("CAPTIONLENS_DATA", str(tmp_path / "data"))
    yield tmp_path / "data"


@pytest.fixture(scope="module")
def encoder() -> Encoder:
    return load("pocket")


def check(**query: str) -> AppTest:
    return open_page("check.py", **query)


def shown(app: AppTest) -> str:
    return texts(app).replace("\\", "")


def click(app: AppTest, key: str) -> AppTest:
    return done(app.button(key=key).click().run())


def marks(app: AppTest) -> dict[str, str]:
    """Return the mark of each pair's tile by the pair's id, such as "Dropped"."""
    return {tile["id"]: tile["mark"] for group in groups(app, GRID) for tile in group["tiles"]}


def collection(encoder: Encoder, folder: Path, names: list[str], captions: bool = True) -> None:
    """Index sample images under the name "mine", the first two with each other's captions."""
    folder.mkdir()
    for name in names:
        shutil.copy(SAMPLES / name, folder)
    true = sample_captions()
    texts = [true[name] for name in [names[1], names[0], *names[2:]]]
    rows = [f'{name},"{text}"' for name, text in zip(names, texts, strict=True)]
    (folder / "captions.csv").write_text("\n".join(["image,caption", *rows]), encoding="utf-8")
    kind = SourceSpec("captions", str(folder / "captions.csv"))
    build(BuildJob("mine", kind if captions else SourceSpec("folder", str(folder))), encoder)


def test_it_begins_with_an_answered_example() -> None:
    app = check()
    assert f"{COUNT} pairs of {COUNT} images" in shown(app)
    assert "more likely wrong than right**; expected precision of this list" in shown(app)
    worst = {id_.partition("#")[0] for id_ in tiles(app, GRID)[:6]}
    assert set(EXCHANGED) <= worst
    first = groups(app, GRID)[0]["tiles"][0]
    assert first["score"].endswith("% likely wrong")
    better = next(line for line in first["lines"] if line["score"] == "Fits better:")
    assert better["text"] == sample_captions()[first["id"].partition("#")[0]]


def test_a_decision_opens_the_next_suspect_and_is_undone() -> None:
    app = click(check(), "check_review")
    first = app.query_params["check_pair"]
    click(app, "check_drop")
    second = app.query_params["check_pair"]
    assert second != first
    assert "1 of" in shown(app)
    assert marks(app)[first] == "Dropped"
    click(app, "check_undo_pair")
    assert app.query_params["check_pair"] == first
    assert not any(marks(app).values())


def test_after_the_last_suspect_the_page_says_so() -> None:
    app = click(check(), "check_review")
    for _ in range(10):
        if app.success:
            break
        click(app, "check_keep")
    assert "suspects decided" in app.success[0].value


def test_a_new_caption_is_scored_beside_the_old_one() -> None:
    app = click(check(check_pair=CAMERA), "check_rewrite")
    true = sample_captions()["camera.jpg"]
    done(app.text_input(key=f"check_new {CAMERA}").set_value(true).run())
    scores = next(table.value for table in app.table if "New" in table.value.columns)
    old, new = (float(scores[column].iloc[0]) for column in ("Old", "New"))
    assert new > old
    assert scores["New"].iloc[2] == f"1 of {COUNT}"
    click(app, "check_save")
    lines = [line for group in groups(app, GRID) for t in group["tiles"] for line in t["lines"]]
    assert true in [line["text"] for line in lines if line["score"] == "New:"]


def test_a_link_restores_the_view() -> None:
    app = check(check_show="Undecided", check_sort="Order of the table", check_per="12")
    assert tiles(app, GRID) == [f"{name}#0" for name in list(sample_captions())[:12]]
    app = check(check_pair=CAMERA)
    assert components(app, "check_stage")[0]["of"] == COUNT


@pytest.mark.parametrize(
    "query",
    [
        {"check_page": "-1"},
        {"check_kind": "x"},
        {"check_sort": "x"},
        {"check_from": "x"},
        {"check_split": "train"},
    ],
)
def test_a_broken_link_still_opens(query: dict[str, str]) -> None:
    assert len(tiles(check(**query), GRID)) == 24


def test_a_pair_that_is_gone_has_a_sentence() -> None:
    assert "This pair is not in the dataset" in shown(check(check_pair="gone.jpg#0"))


def test_decisions_about_a_collection_are_kept_with_it(
    encoder: Encoder, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    names = list(sample_captions())[:30]
    collection(encoder, tmp_path / "images", names)
    app = check(check_from="Collection", check_in="mine", check_pair=f"{names[0]}#0")
    assert "30 pairs of 30 images" in shown(app)
    click(app, "check_drop")
    pair = (names[0], sample_captions()[names[1]])
    kept = Decisions.load(folder_of("mine") / CHECK / DECISIONS)
    assert kept.get(pair) == Decision("drop")
    build(BuildJob("mine", SourceSpec("captions", str(tmp_path / "images/captions.csv"))), encoder)
    again = check(check_from="Collection", check_in="mine")
    assert [*marks(again).values()].count("Dropped") == 1
    monkeypatch.setenv("CAPTIONLENS_READ_ONLY", "1")
    app = check(check_from="Collection", check_in="mine", check_pair=f"{names[2]}#0")
    click(app, "check_keep")
    assert "Kept" in marks(app).values()
    assert dict(Decisions.load(folder_of("mine") / CHECK / DECISIONS).by_pair) == dict(kept.by_pair)


def test_decisions_of_two_servers_at_once_are_both_kept(encoder: Encoder, tmp_path: Path) -> None:
    names = list(sample_captions())[:30]
    collection(encoder, tmp_path / "images", names)
    app = check(check_from="Collection", check_in="mine", check_pair=f"{names[0]}#0")
    place = folder_of("mine") / CHECK / DECISIONS
    place.parent.mkdir(exist_ok=True)
    lock = FileLock(place.with_suffix(".lock"), thread_local=False)
    lock.acquire()  # as another server does that is changing the file
    theirs = (names[5], sample_captions()[names[5]])

    def finish() -> None:
        Decisions("mine").decide(theirs, Decision("drop")).save(place)
        lock.release()

    other = Timer(1, finish)
    other.start()
    click(app, "check_drop")
    other.join()
    ours = (names[0], sample_captions()[names[1]])
    kept = Decisions.load(place)
    assert [kept.get(pair) for pair in (theirs, ours)] == [Decision("drop")] * 2


def test_damaged_decisions_are_named(encoder: Encoder, tmp_path: Path) -> None:
    collection(encoder, tmp_path / "images", list(sample_captions())[:30])
    place = folder_of("mine") / CHECK / DECISIONS
    place.parent.mkdir(exist_ok=True)
    place.write_text("{")
    app = check(check_from="Collection", check_in="mine")
    assert f"{DECISIONS} does not hold the decisions of a check." in shown(app)
    assert tiles(app, GRID)


def test_a_collection_without_captions_has_a_sentence(encoder: Encoder, tmp_path: Path) -> None:
    collection(encoder, tmp_path / "images", ["coffee.jpg", "horse.jpg"], captions=False)
    app = check(check_from="Collection", check_in="mine")
    assert "The images of mine have no captions" in shown(app)
    assert "There is no collection gone" in shown(check(check_from="Collection", check_in="gone"))


def test_too_few_pairs_have_a_sentence(encoder: Encoder, tmp_path: Path) -> None:
    collection(encoder, tmp_path / "images", list(sample_captions())[:5])
    app = check(check_from="Collection", check_in="mine")
    assert "mine has 5 captions of 5 readable images. A check needs at least" in shown(app)


def table(rows: list[tuple[str, str]]) -> tuple[str, bytes, str]:
    out = io.StringIO(newline="")
    csv.writer(out).writerows([("image", "caption"), *rows])
    return "pairs.csv", out.getvalue().encode(), "text/csv"


def test_an_upload_names_what_is_missing_or_unreadable() -> None:
    names = list(sample_captions())[:24]
    app = check(check_from="Upload")
    assert "Upload a table and its images." in shown(app)
    rows = [*sample_captions().items()][:24]
    rows += [("gone.jpg", "a ghost"), ("broken.jpg", "<img src=x> ![x](http://a.example)")]
    app.file_uploader(key="check_pairs").set_value([table(rows)])
    files = [*uploads(*names), ("broken.jpg", b"not an image", "image/jpeg")]
    app = done(app.file_uploader(key="check_files").set_value(files).run())
    assert "24 pairs of 24 images" in shown(app)
    assert "1 image of the table not among the uploads: gone.jpg." in shown(app)
    assert "1 file skipped" in shown(app)
    app.query_params["check_kind"] = "Unreadable"
    done(app.run())
    assert list(app.dataframe[-1].value["Image"]) == ["broken.jpg", "gone.jpg"]


def test_the_tables_of_an_upload_keep_its_format(monkeypatch: pytest.MonkeyPatch) -> None:
    made: dict[str, Callable[[], bytes]] = {}

    def button(name: str, data: Callable[[], bytes], file: str, *_: object) -> None:
        made[file] = data

    monkeypatch.setattr(downloads, "_button", button)
    names = list(sample_captions())[:24]
    rows = [
        f"{number};photos/{name};# {sample_captions()[name]}" for number, name in enumerate(names)
    ]
    data = "\r\n".join(["\ufeffid;path;caption", *rows])
    app = check(check_from="Upload", check_pair=f"{names[0]}#0")
    app.file_uploader(key="check_pairs").set_value([("Pairs.TSV", data.encode(), "text/csv")])
    app = done(app.file_uploader(key="check_files").set_value(uploads(*names)).run())
    click(app, "check_drop")
    head, *marked = made["captionlens-checked.tsv"]().decode().split("\r\n")
    assert head == "\ufeffid;path;caption;wrong_probability;findings;decision;new_caption"
    assert all(line.startswith(row) for line, row in zip(marked, rows, strict=True))
    assert [line.split(";")[-2] for line in marked] == ["drop", *[""] * 23]
    clean = made["captionlens-cleaned.tsv"]().decode()
    assert clean.split("\r\n") == ["\ufeffid;path;caption", *rows[1:]]


def test_a_table_that_is_none_has_a_sentence() -> None:
    app = check(check_from="Upload")
    app.file_uploader(key="check_pairs").set_value([("pairs.csv", b"\xff\xfe\x00", "text/csv")])
    app = done(app.file_uploader(key="check_files").set_value(uploads("coffee.jpg")).run())
    assert "pairs.csv cannot be read as a table" in shown(app)


def test_findings_of_a_kind_are_explained_and_listed(encoder: Encoder, tmp_path: Path) -> None:
    names = list(sample_captions())[:30]
    collection(encoder, tmp_path / "images", names)
    shutil.copy(SAMPLES / names[5], tmp_path / "images/copy.jpg")
    with (tmp_path / "images/captions.csv").open("a", encoding="utf-8") as file:
        file.write(f"\ncopy.jpg,{sample_captions()[names[5]]}\n")
    build(BuildJob("mine", SourceSpec("captions", str(tmp_path / "images/captions.csv"))), encoder)
    query = {"check_from": "Collection", "check_in": "mine", "check_kind": "Exact duplicate"}
    app = check(**query)
    assert "Several image files with the same bytes." in shown(app)
    assert set(tiles(app, GRID)) == {"copy.jpg#0", f"{names[5]}#0"}
    click(check(**query, check_pair="copy.jpg#0"), "check_drop")
    assert tiles(check(**query, check_show="Undecided"), GRID) == [f"{names[5]}#0"]
