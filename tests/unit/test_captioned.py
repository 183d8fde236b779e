"""Datasets in the formats of the field, with their faults."""

import json
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from PIL import Image

from components.datasets.captioned import DataError, Example, read
from components.datasets.table import read_rows


def images(folder: Path, *names: str) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    for name in names:
        Image.new("RGB", (8, 8)).save(folder / name)
    return folder


def test_flickr30ks_malformed_row_is_repaired(tmp_path: Path) -> None:
    folder = images(tmp_path / "flickr30k_images", "1.jpg", "2199200615.jpg")
    (tmp_path / "results.csv").write_text(
        "image_name| comment_number| comment\n"
        "1.jpg| 0| Two men , one with a hat .\n"
        "1.jpg| 1| Two men | talk .\n"
        "2199200615.jpg| 3| A dog .\n"
        "2199200615.jpg| 4   A dog runs across the grass .\n"
        "lost.jpg| 0| Nobody .\n"
    )
    data = read(tmp_path)
    assert data.examples == (
        Example(folder / "1.jpg", ("Two men , one with a hat .", "Two men | talk .")),
        Example(folder / "2199200615.jpg", ("A dog .", "A dog runs across the grass .")),
    )
    assert data.missing == ("lost.jpg",)


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("captions.txt", 'image,caption\na.jpg,A dog , running\nb.jpg,"Two, three"\na.jpg,Again'),
        ("Flickr8k.token.txt", "a.jpg#0\tA dog , running\nb.jpg#0\tTwo, three\na.jpg#1\tAgain\n"),
        (
            "captions.csv",
            'image,caption\na.jpg,"A dog , running"\nb.jpg,"Two, three"\na.jpg,Again\n',
        ),
    ],
)
def test_flickr8ks_formats_say_the_same(tmp_path: Path, name: str, text: str) -> None:
    folder = images(tmp_path / "Images", "a.jpg", "b.jpg")
    (tmp_path / name).write_text(text)
    assert read(tmp_path).examples == (
        Example(folder / "a.jpg", ("A dog , running", "Again")),
        Example(folder / "b.jpg", ("Two, three",)),
    )


def test_splits_are_read_and_selected(tmp_path: Path) -> None:
    images(tmp_path, "a.jpg", "b.jpg")
    file = tmp_path / "pairs.csv"
    file.write_text("image,caption,split\na.jpg,one,train\nb.jpg,two,test\n")
    data = read(file)
    assert [example.captions for example in data.split("test")] == [("two",)]
    with pytest.raises(DataError, match=r"no split 'dev'; its splits are test, train\."):
        data.split("dev")


@pytest.mark.parametrize("year", ["2014", "2017"])
@pytest.mark.parametrize("named", ["2014", "2017"])
def test_coco_joins_by_id_whatever_the_year_of_names(tmp_path: Path, year: str, named: str) -> None:
    bare = "000000000042.jpg"
    stored = f"COCO_val2014_{bare}" if year == "2014" else bare
    folder = images(tmp_path / f"val{year}", stored)
    (tmp_path / "annotations").mkdir()
    notes = [
        {"id": 9, "image_id": 42, "caption": "second\n"},
        {"id": 3, "image_id": 42, "caption": "first  caption"},
        {"id": 4, "image_id": 7, "caption": "of an image that the list lacks"},
    ]
    name = f"COCO_val2014_{bare}" if named == "2014" else bare
    content = {"images": [{"id": 42, "file_name": name}], "annotations": notes}
    (tmp_path / "annotations" / f"captions_val{named}.json").write_text(json.dumps(content))
    data = read(tmp_path)
    assert data.examples == (Example(folder / stored, ("first caption", "second"), "val"),)


def test_images_may_be_elsewhere_but_paths_stay_inside(tmp_path: Path) -> None:
    folder = images(tmp_path / "elsewhere", "a.jpg")
    images(tmp_path, "secret.jpg")
    (tmp_path / "list").mkdir()
    file = tmp_path / "list" / "x.csv"
    file.write_text("image,caption\na.jpg,one\n../secret.jpg,two\n")
    data = read(file, folder)
    assert [example.image for example in data.examples] == [folder / "a.jpg"]
    assert data.missing == ("../secret.jpg",)


@pytest.mark.parametrize(
    ("name", "content", "sentence"),
    [
        ("x.json", "{", "x.json cannot be read as images with captions"),
        ("x.json", '{"images": []}', "x.json cannot be read"),
        ("x.json", "[]", "x.json cannot be read"),
        ("x.json", "[" * 100_000, "x.json cannot be read"),
        ("x.json", '{"images": [], "annotations": [{"id": Infinity}]}', "x.json cannot be read"),
        ("x.csv", "name,text\n", "x.csv has no captions"),
        ("x.csv", "words,other\n1,2\n", "x.csv has no column of images"),
        ("x.txt", "nothing\n", "x.txt has no captions"),
        ("y.csv", None, "y.csv cannot be read"),
    ],
)
def test_bad_lists_are_reported_by_name(
    tmp_path: Path, name: str, content: str | None, sentence: str
) -> None:
    if content is not None:
        (tmp_path / name).write_text(content)
    with pytest.raises(DataError, match=sentence):
        read(tmp_path / name)


def test_a_folder_without_a_list_says_what_it_looked_for(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"contains none of captions\.csv"):
        read(tmp_path)


def test_names_that_no_system_allows_are_missing(tmp_path: Path) -> None:
    images(tmp_path, "a.jpg")
    (tmp_path / "round.jpg").symlink_to(tmp_path / "round.jpg")
    names = ["x" * 300 + ".jpg", "null\0byte.jpg", "round.jpg"]
    lines = "".join(f"{name}\ta dog\n" for name in names)
    (tmp_path / "captions.txt").write_text("a.jpg\ta cat\n" + lines)
    data = read(tmp_path)
    assert [example.image.name for example in data.examples] == ["a.jpg"]
    assert data.missing == tuple(names)


def test_lists_in_row_groups_of_any_size_are_read(tmp_path: Path) -> None:
    table = pa.table({"image": [f"{n}.jpg" for n in range(3000)], "captions": [["a", "b"]] * 3000})
    pq.write_table(table, tmp_path / "captions.parquet", row_group_size=700)
    assert len(list(read_rows(tmp_path / "captions.parquet"))) == 3000
