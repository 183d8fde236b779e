"""A dataset's list is written again in its own format: with columns added, or cleaned."""

import csv
import io
import json
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from PIL import Image

from components.check.caption_set import CaptionSet
from components.check.decisions import Decision, Decisions
from components.datasets.captioned import read
from components.datasets.pairs import read_pairs
from components.errors import CaptionLensError
from components.output.checked.verdict import Verdict, Verdicts
from components.output.checked_table import checked_bytes, cleaned_csv, write_checked

DROP, KEEP = Decision("drop"), Decision("keep")
# What the lists below hold: two images, and four captions.
DOG, AGAIN = ("a.jpg", "A dog , running"), ("a.jpg", "Again a dog")
CAT, TREE = ("b.jpg", "A cat"), ("b.jpg", "=A tree")
VERDICTS = Verdicts(
    {
        DOG: Verdict(0.98765432, ("Wrong caption", "Markup"), DROP),
        AGAIN: Verdict(0.1, (), KEEP),
        CAT: Verdict(0.7, ("Wrong caption",), Decision("rewrite", " @a sleeping; grey,  cat")),
        TREE: Verdict(0.9, (), Decision("move", image="a.jpg")),
    }
)
CLEANED = {"a.jpg": ["Again a dog", "=A tree"], "b.jpg": ["@a sleeping; grey, cat"]}
CSV_FILE = (
    "\ufeffid; image ;license;caption;split\r\n"
    '7;"a.jpg";;"A dog  , running";train\r\n'
    "007; b.jpg;'x;A cat;test\r\n"
    "\r\n"
    ';c.jpg;"an image; ""missing""";Nobody;\r\n'
    "1e5;a.jpg\r\n"
    '+1;a.jpg;=SUM(1);"Again\na dog";train;beyond the header\r\n'
    ';b.jpg;;"=A tree'
)
TEXTS = {
    "captions.txt": 'image,caption\na.jpg,"A dog , running"\na.jpg,Again a dog\n\nb.jpg,A cat\n'
    "b.jpg,=A tree\n",
    "Flickr8k.token.txt": "a.jpg#0\tA dog , running\r\na.jpg#1\tAgain a dog\r\nb.jpg#0\tA cat\r\n"
    "b.jpg#1\t=A tree\r\n",
    "results.csv": "image_name| comment_number| comment\na.jpg| 0| A dog , running\n"
    "a.jpg| 1   Again a dog\nb.jpg| 0| A cat\nb.jpg| 1| =A tree\n",
}


@pytest.fixture
def place(tmp_path: Path) -> Path:
    for name in ("a.jpg", "b.jpg"):
        Image.new("RGB", (8, 8)).save(tmp_path / name)
    (tmp_path / "out").mkdir()
    return tmp_path


def write(folder: Path, name: str, text: str) -> Path:
    file = folder / name
    file.write_bytes(text.encode())
    return file


def captions(file: Path, folder: Path) -> dict[str, list[str]]:
    return {example.image.name: sorted(example.captions) for example in read(file, folder).examples}


def test_csv_keeps_every_character_and_gains_columns(place: Path) -> None:
    file, out = write(place, "x.csv", CSV_FILE), place / "out" / "x.csv"
    write_checked(file, out, VERDICTS, cleaned=False)
    lines = CSV_FILE.split("\r\n")
    added = [
        *(";;wrong_probability;findings;decision;new_caption;new_image",),
        *(';;0.9877;"Wrong caption; Markup";drop;;',),
        *(""";;0.7;Wrong caption;rewrite;"'@a sleeping; grey, cat";""", "", ";;;;;;"),
        *(";;;;;;;;;", ";0.1;;keep;;", '";;;0.9;;move;;a.jpg'),
    ]
    expected = "\r\n".join(line + more for line, more in zip(lines, added, strict=True))
    assert out.read_bytes().decode() == expected
    assert read(out, place).examples == read(file, place).examples
    assert file.read_bytes().decode() == CSV_FILE


def test_clean_csv_changes_only_what_was_decided(place: Path) -> None:
    file, out = write(place, "x.csv", CSV_FILE), place / "out" / "x.csv"
    write_checked(file, out, VERDICTS, cleaned=True)
    lines = CSV_FILE.split("\r\n")
    del lines[1]
    lines[1] = '007;b.jpg;\'x;"@a sleeping; grey, cat";test'
    lines[-1] = "7;a.jpg;;=A tree;train\n"  # a copy of its new image's first row
    assert out.read_bytes().decode() == "\r\n".join(lines)
    assert captions(out, place) == {name: sorted(texts) for name, texts in CLEANED.items()}


@pytest.mark.parametrize("name", TEXTS)
def test_text_lists_become_csv_when_marked_and_stay_when_cleaned(place: Path, name: str) -> None:
    file = write(place, name, TEXTS[name])
    marked, cleaned = place / "out" / "marked.csv", place / "out" / name
    write_checked(file, marked, VERDICTS, cleaned=False)
    write_checked(file, cleaned, VERDICTS, cleaned=True)
    rows = list(csv.DictReader(io.StringIO(marked.read_text())))
    assert [row["image"] for row in rows] == ["a.jpg", "a.jpg", "b.jpg", "b.jpg"]
    assert [row["decision"] for row in rows] == ["drop", "keep", "rewrite", "move"]
    assert [row["caption"] for row in rows][3] == "=A tree"
    assert read(marked, place).examples == read(file, place).examples
    assert captions(cleaned, place) == {image: sorted(texts) for image, texts in CLEANED.items()}
    kept = TEXTS[name].splitlines(keepends=True)
    assert cleaned.read_bytes().decode().startswith(kept[0] if "image" in kept[0] else kept[1])


@pytest.mark.parametrize("name", [*TEXTS, "x.csv"])
def test_without_decisions_cleaning_changes_no_byte(place: Path, name: str) -> None:
    file, out = write(place, name, TEXTS.get(name, CSV_FILE)), place / "out" / name
    write_checked(file, out, Verdicts({}), cleaned=True)
    assert out.read_bytes() == file.read_bytes()


def test_a_moved_caption_gets_the_next_number_of_its_image(place: Path) -> None:
    for name in ("Flickr8k.token.txt", "results.csv"):
        file, out = write(place, name, TEXTS[name]), place / "out" / name
        write_checked(file, out, VERDICTS, cleaned=True)
        last = {"results.csv": "a.jpg| 2| =A tree\n"}.get(name, "a.jpg#2\t=A tree\r\n")
        assert out.read_bytes().decode().endswith(last)


def test_coco_keeps_all_else(place: Path) -> None:
    notes = [
        {"id": 4, "image_id": 2, "caption": "=A  tree\n", "decision": 1.5},
        {"id": 1, "image_id": 1, "caption": DOG[1], "more": {"deep": [None, "\ud800"]}},
        {"id": 2, "image_id": 1, "caption": AGAIN[1]},
        {"id": 3, "image_id": 2, "caption": CAT[1]},
    ]
    names = [{"id": 1, "file_name": "a.jpg", "w": 3}, {"id": 2, "file_name": "b.jpg"}]
    content = {"info": {"ü": 1e400}, "images": names, "annotations": notes}
    file, out = write(place, "captions_val2017.json", json.dumps(content)), place / "out" / "x.json"
    write_checked(file, out, VERDICTS, cleaned=False)
    marked = json.loads(out.read_text())
    assert {**marked, "annotations": notes} == content
    for old, new in zip(notes, marked["annotations"], strict=True):
        assert new | old == new
    assert marked["annotations"][0]["decision_2"] == "move"
    assert marked["annotations"][1]["wrong_probability"] == 0.9877
    write_checked(file, out, VERDICTS, cleaned=True)
    rewritten = {**notes[3], "caption": "@a sleeping; grey, cat"}
    clean = [{**notes[0], "image_id": 1}, notes[2], rewritten]
    assert json.loads(out.read_text()) == {**content, "annotations": clean}


def parquet(file: Path, kind: Any, group: int = 2) -> pa.Table:
    columns = {
        "image": pa.array(["a.jpg", "b.jpg", "a.jpg", None, "b.jpg"], kind),
        "caption": pa.array([[DOG[1], AGAIN[1]], [CAT[1]], None, ["x"], [TREE[1]]], pa.list_(kind)),
        "text": pa.array([None, TREE[1], "", "y", ""], kind),
        "picture": pa.array([b"\xff\x01", b"\xff\x02", None, b"", b""]),
        "taken": pa.array([1, 2, 3, 4, 5], pa.timestamp("ms", "Europe/Rome")),
        "findings": pa.array([1.5, None, 2.5, 3.5, 4.5], pa.float32()),
    }
    table = pa.table(columns).replace_schema_metadata({"huggingface": "{}"})
    pq.write_table(table, file, row_group_size=group, compression="zstd")
    return table


@pytest.mark.parametrize(
    "kind", [pa.string(), pa.large_string(), pa.dictionary(pa.int32(), pa.string())]
)
def test_parquet_keeps_types_groups_and_columns_of_bytes(place: Path, kind: Any) -> None:
    file, out = place / "x.parquet", place / "out" / "x.parquet"
    table = parquet(file, kind)
    write_checked(file, out, VERDICTS, cleaned=False)
    marked = pq.read_table(out)
    assert marked.select(table.column_names).equals(pq.read_table(file), check_metadata=True)
    assert pq.ParquetFile(out).num_row_groups == 3
    assert pq.ParquetFile(out).metadata.row_group(0).column(0).compression == "ZSTD"
    assert marked["wrong_probability"].to_pylist() == [0.9877, 0.9, None, None, 0.9]
    assert marked["findings_2"].to_pylist()[0] == "Wrong caption; Markup"
    assert marked["decision"].to_pylist() == ["drop; keep", "rewrite; move", None, None, "move"]

    write_checked(file, out, VERDICTS, cleaned=True)
    clean = pq.read_table(out)
    assert clean.schema.equals(pq.read_table(file).schema, check_metadata=True)
    assert clean.select(["image", "caption", "text", "picture"]).to_pylist() == [
        {"image": "a.jpg", "caption": ["Again a dog"], "text": None, "picture": b"\xff\x01"},
        {
            "image": "b.jpg",
            "caption": ["@a sleeping; grey, cat"],
            "text": None,
            "picture": b"\xff\x02",
        },
        {"image": "a.jpg", "caption": ["=A tree"], "text": None, "picture": b"\xff\x01"},
        {"image": "a.jpg", "caption": None, "text": "", "picture": None},
        {"image": None, "caption": ["x"], "text": "y", "picture": b""},
        {"image": "a.jpg", "caption": ["=A tree"], "text": None, "picture": b"\xff\x01"},
    ]


def test_parquet_reads_back_as_what_it_was_and_as_cleaned(place: Path) -> None:
    file, out = place / "x.parquet", place / "out" / "x.parquet"
    parquet(file, pa.string(), group=5)
    write_checked(file, out, VERDICTS, cleaned=False)
    assert read(out, place).examples == read(file, place).examples
    write_checked(file, out, VERDICTS, cleaned=True)
    clean = captions(out, place)
    assert clean["b.jpg"] == CLEANED["b.jpg"]
    assert set(clean["a.jpg"]) == set(CLEANED["a.jpg"])


def test_the_list_itself_is_never_the_output(place: Path) -> None:
    file = write(place, "x.csv", CSV_FILE)
    (place / "link.csv").symlink_to(file)
    (place / "hard.csv").hardlink_to(file)
    (place / "through").symlink_to(place, target_is_directory=True)
    for out in (file, place / "link.csv", place / "hard.csv", place / "through" / "x.csv"):
        for cleaned in (False, True):
            with pytest.raises(CaptionLensError, match="own list, which is never changed"):
                write_checked(file, out, VERDICTS, cleaned)
    write(place, "captions.csv", CSV_FILE)
    with pytest.raises(CaptionLensError, match="own list"):
        write_checked(place, place / "captions.csv", VERDICTS, cleaned=False)  # the folder's list
    assert file.read_bytes().decode() == CSV_FILE


def test_a_name_that_another_format_would_be_read_by_is_refused(place: Path) -> None:
    parquet(place / "x.parquet", pa.string())
    write(place, "x.json", '{"images": [], "annotations": []}')
    for name, text in TEXTS.items():
        write(place, name, text)
    for name, out, cleaned in (
        ("x.parquet", "y.csv", False),
        ("x.json", "y.csv", True),
        ("captions.txt", "y.txt", False),
        ("captions.txt", "y.csv", True),
        ("results.csv", "y.token", False),
    ):
        with pytest.raises(CaptionLensError, match=r"needs a name that ends in \.\w+, not y\."):
            write_checked(place / name, place / "out" / out, VERDICTS, cleaned)
    assert not list((place / "out").iterdir())


@pytest.mark.parametrize("name", [*TEXTS, "x.csv", "x.parquet", "x.json"])
def test_a_move_to_an_image_that_is_gone_leaves_what_was_there(place: Path, name: str) -> None:
    notes = [{"id": 1, "image_id": 1, "caption": DOG[1]}]
    content = {"images": [{"id": 1, "file_name": "a.jpg"}], "annotations": notes}
    texts = {**TEXTS, "x.csv": CSV_FILE, "x.json": json.dumps(content)}
    parquet(place / "x.parquet", pa.string())
    file = write(place, name, texts[name]) if name in texts else place / name
    out = place / "out" / name
    out.write_text("before")
    gone = Verdicts({DOG: Verdict(0.9, (), Decision("move", image="gone.jpg"))})
    with pytest.raises(CaptionLensError, match=r"moves to gone\.jpg, which the list lacks"):
        write_checked(file, out, gone, cleaned=True)
    assert [(each.name, each.read_text()) for each in (place / "out").iterdir()] == [
        (name, "before")
    ]


def test_columns_that_the_table_has_already_stay_its_own(place: Path) -> None:
    file = write(
        place, "x.csv", "image,caption,Decision , findings,findings_2\na.jpg,Again a dog\n"
    )
    out = place / "out" / "x.csv"
    write_checked(file, out, VERDICTS, cleaned=False)
    head, row = csv.reader(out.read_text().splitlines())
    assert head[5:] == [
        "wrong_probability",
        "findings_3",
        "decision_2",
        "new_caption",
        "new_image",
    ]
    assert row == ["a.jpg", "Again a dog", "", "", "", "0.1", "", "keep", "", ""]
    again = place / "out" / "again.csv"
    write_checked(out, again, Verdicts({}), cleaned=False)
    head = next(csv.reader(again.read_text().splitlines()))
    assert head[-4:] == ["wrong_probability_2", "findings_4", "decision_3", "new_caption_2"]


@pytest.mark.parametrize(
    ("name", "data", "sentence"),
    [
        ("wide.csv", b"image,caption\na.jpg," + b"," * 2000, "has 2,002 cells where the header"),
        ("latin.csv", "image,caption\na.jpg,caf\xe9\n".encode("latin-1"), "cannot be written"),
        ("x.json", b'{"images": 1}', "cannot be written again"),
        ("x.parquet", b"PAR1", "cannot be written again"),
    ],
)
def test_damage_is_one_sentence_and_no_file(
    place: Path, name: str, data: bytes, sentence: str
) -> None:
    (place / name).write_bytes(data)
    with pytest.raises(CaptionLensError, match=sentence):
        write_checked(place / name, place / "out" / name, VERDICTS, cleaned=False)
    assert not list((place / "out").iterdir())


def test_a_column_of_bytes_that_expands_a_thousandfold_is_refused(place: Path) -> None:
    file = place / "x.parquet"
    blobs = pa.DictionaryArray.from_arrays(pa.array([0] * 2000), pa.array([b"x" * 1_000_000]))
    columns = {"image": ["a.jpg"] * 2000, "caption": ["b"] * 2000, "blob": blobs}
    pq.write_table(pa.table(columns), file, store_schema=False)
    assert file.stat().st_size < 2_000_000
    with pytest.raises(CaptionLensError, match="expands to far more"):
        write_checked(file, place / "out" / "x.parquet", VERDICTS, cleaned=False)


# The four captions as an upload may write them, with folders that the page does not have.
UPLOAD = (
    "\ufeffid;path;caption;split\r\n"
    '7;photos/a.jpg;"# A dog  , running";train\r\n'
    "\r\n"
    "1;C:\\b\\b.jpg; A cat;test\r\n"
    '2; a.jpg ;"Again\na d\x07og";"odd"\r\n'
    "3;more/gone.jpg;###;\r\n"
    "4;photos/c.jpg;Nobody;\r\n"
    "5;b.jpg;##  =A tree;"
)


def test_an_uploaded_csv_keeps_every_character_and_gains_columns() -> None:
    known = Verdicts({**VERDICTS.by_pair, ("gone.jpg", ""): Verdict(None, ("Unreadable",))})
    marked = checked_bytes("x.csv", UPLOAD.encode(), known, cleaned=False).decode()
    added = [
        ";wrong_probability;findings;decision;new_caption;new_image",
        ';0.9877;"Wrong caption; Markup";drop;;',
        "",
        ';0.7;Wrong caption;rewrite;"\'@a sleeping; grey, cat";',
        ";0.1;;keep;;",
        ";;Unreadable;;;",
        ";;;;;",
        ";0.9;;move;;a.jpg",
    ]
    lines = [line + more for line, more in zip(UPLOAD.split("\r\n"), added, strict=True)]
    assert marked == "\r\n".join(lines)
    assert read_pairs("x.csv", marked.encode()) == read_pairs("x.csv", UPLOAD.encode())


def test_an_uploaded_csv_is_cleaned_by_the_names_and_captions_that_were_read() -> None:
    clean = checked_bytes("x.tsv", UPLOAD.encode(), VERDICTS, cleaned=True)
    lines = UPLOAD.split("\r\n")
    moved = "7;photos/a.jpg;## =A tree;train\n"  # a copy of its new image's first row
    rewritten = '1;C:\\b\\b.jpg;"@a sleeping; grey, cat";test'
    assert clean.decode() == "\r\n".join([lines[0], lines[2], rewritten, *lines[4:7], moved])
    assert checked_bytes("x.csv", UPLOAD.encode(), Verdicts({}), cleaned=True) == UPLOAD.encode()


def test_an_uploaded_parquet_keeps_its_types() -> None:
    columns = {
        "file": ["photos/a.jpg", "b.jpg", "c.jpg"],
        "captions": [["# " + DOG[1], "###", AGAIN[1]], [CAT[1], TREE[1]], ["Nobody"]],
        "taken": pa.array([1, 2, 3], pa.timestamp("ms", "Europe/Rome")),
    }
    out, table = io.BytesIO(), pa.table(columns)
    pq.write_table(table, out, compression="zstd")
    marked = pq.read_table(
        io.BytesIO(checked_bytes("x.parquet", out.getvalue(), VERDICTS, cleaned=False))
    )
    assert marked.select(table.column_names).equals(table)
    assert marked["wrong_probability"].to_pylist() == [0.9877, 0.9, None]
    assert marked["decision"].to_pylist() == ["drop; keep", "rewrite; move", None]
    clean = pq.read_table(io.BytesIO(checked_bytes("x.PQ", out.getvalue(), VERDICTS, cleaned=True)))
    assert clean.schema.equals(table.schema)
    assert clean.select(["file", "captions"]).to_pylist() == [
        {"file": "photos/a.jpg", "captions": ["###", AGAIN[1]]},
        {"file": "b.jpg", "captions": ["@a sleeping; grey, cat"]},
        {"file": "photos/a.jpg", "captions": [TREE[1]]},
        {"file": "c.jpg", "captions": ["Nobody"]},
    ]


@pytest.mark.parametrize("name", ["x.csv", "x.parquet"])
def test_damage_of_an_upload_is_one_sentence(name: str) -> None:
    with pytest.raises(CaptionLensError, match=f"{name} cannot be written again"):
        checked_bytes(name, b"PAR1\xff", VERDICTS, cleaned=False)


def test_a_dataset_without_a_list_is_cleaned_as_csv() -> None:
    pairs = list(VERDICTS.by_pair)
    owner = np.array([["a.jpg", "b.jpg"].index(image) for image, _ in pairs])
    captions = tuple(caption for _, caption in pairs)
    data = CaptionSet("x", ("a.jpg", "b.jpg"), ("train", ""), captions, owner)
    decisions = Decisions()
    for pair, verdict in VERDICTS.by_pair.items():
        decisions = decisions.decide(pair, verdict.decision)
    assert cleaned_csv(data, decisions).split("\r\n") == [
        "image,caption,split",
        "a.jpg,Again a dog,train",
        'b.jpg,"\' @a sleeping; grey,  cat",',
        "a.jpg,'=A tree,train",
        "",
    ]
