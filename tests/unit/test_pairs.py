"""Tables of pairs, good and bad."""

import io

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from components.datasets.pairs import read_pairs
from components.datasets.table import TableError


def test_a_csv_gives_its_pairs_in_order_and_once() -> None:
    data = (
        b"\xef\xbb\xbfimage,caption,split\n"
        b'photos/dog.jpg,"a dog, running",train\n'
        b"dog.jpg,a  brown\tdog,train\n"
        b"dog.jpg,a brown dog,dev\n"
        b"cat.jpg,a cat,dev\n"
        b"none.jpg,,dev\n"
    )
    pairs = read_pairs("pairs.csv", data)
    expected = (("dog.jpg", "a dog, running"), ("dog.jpg", "a brown dog"), ("cat.jpg", "a cat"))
    assert pairs.pairs == expected
    assert pairs.captions == ("a dog, running", "a brown dog", "a cat")
    assert pairs.dropped == 0
    assert pairs.missing({"dog.jpg"}) == ["cat.jpg"]
    assert pairs.splits == {"dog.jpg": "dev", "cat.jpg": "dev"}  # the last row's


def test_a_parquet_with_lists_of_captions_does_too() -> None:
    table = pa.table({"file": ["a.jpg", "b.jpg"], "captions": [["one", "two"], ["three"]]})
    out = io.BytesIO()
    pq.write_table(table, out)
    pairs = read_pairs("pairs.parquet", out.getvalue())
    assert pairs.pairs == (("a.jpg", "one"), ("a.jpg", "two"), ("b.jpg", "three"))


def test_captions_above_the_limit_are_counted() -> None:
    rows = "".join(f"{i}.jpg,caption {i}\n" for i in range(5))
    pairs = read_pairs("pairs.csv", f"image,caption\n{rows}".encode(), limit=3)
    assert len(pairs.pairs) == 3
    assert pairs.dropped == 2


def test_a_climbing_path_counts_by_its_last_part() -> None:
    data = b"image,caption\n../../etc/passwd,x\nC:\\photos\\dog.jpg,a dog\n"
    assert read_pairs("p.csv", data).pairs == (("passwd", "x"), ("dog.jpg", "a dog"))


def test_a_caption_that_looks_like_a_comment_stays() -> None:
    assert read_pairs("p.csv", b"image,caption\na.jpg,# one\n").captions == ("one",)


@pytest.mark.parametrize(
    ("name", "data", "sentence"),
    [
        ("p.csv", b"", "p.csv has no captions"),
        ("p.csv", b"image,caption\n", "p.csv has no captions"),
        ("p.csv", b"name,words\na,b\n", "p.csv has no column of images"),
        ("p.csv", b"image,other\na.jpg,b\n", "p.csv has no captions"),
        ("p.csv", b"\xff\xfe\x00\x01image", "p.csv cannot be read as a table"),
        ("p.csv", b"image,caption\n" + b"a.jpg,b\n" * 100_001, "more than 100,000 rows"),
        ("p.parquet", b"PAR1 or not", "p.parquet cannot be read as a table"),
    ],
)
def test_a_bad_table_is_reported_by_name(name: str, data: bytes, sentence: str) -> None:
    with pytest.raises(TableError, match=sentence):
        read_pairs(name, data)
