"""Fuzzes the readers of tables: rows of plain values, or one sentence that names the file."""

import datetime
import io
import json
import tempfile
from collections.abc import Mapping
from decimal import Decimal
from functools import cache
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
from hypothesis import strategies as st

from components.datasets import captioned
from components.datasets.captioned import DataError
from components.datasets.pairs import read_pairs
from components.datasets.table import TableError, read_rows
from tests.trials.mutation import damaged

Named = tuple[str, bytes]  # a file's name and its bytes
_PIECES = (
    *("image", "caption", "split", "url", "a.jpg", "a dog", "\u732b", "\x00", "\ufeff", "\u2028"),
    *('"', '""', ",", ";", "\t", "|", "\n", "\r", "\r\n", "#0\t", "image_name| comment_number|"),
    *("0", "007", "1e999", "nan", "-inf", "9" * 5000, "1_0", "\u0661", "../../etc/passwd", " "),
)


def check(named: Named) -> None:
    """Raise what the readers raise but for their own errors, and where a row is not plain."""
    name, data = named
    try:
        for row in read_rows(Path(name), data):
            assert all(isinstance(column, str) for column in row)
            assert all(_is_plain(value) for value in row.values())
    except TableError as error:
        assert str(error).startswith(name)
    try:
        assert read_pairs(name, data).pairs
    except TableError as error:
        assert str(error).startswith(name)
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder, name)
        file.write_bytes(data)
        try:
            captioned.read(file)
        except DataError as error:
            assert str(error).startswith(name)


def _is_plain(value: object) -> bool:
    many = isinstance(value, list) and all(isinstance(each, str) for each in value)
    return many or value is None or isinstance(value, str | int | float)


def strategy() -> st.SearchStrategy[Named]:
    """Return damaged Parquet files, CSV files and Flickr's text files, and COCO's JSON."""
    text = st.lists(st.one_of(st.sampled_from(_PIECES), st.text(max_size=5)), max_size=30)
    return st.one_of(
        st.tuples(st.just("x.parquet"), damaged(_parquet())),
        st.tuples(
            st.sampled_from(["x.csv", "x.txt", "x.token"]),
            st.one_of(text.map(lambda pieces: "".join(pieces).encode()), st.binary(max_size=100)),
        ),
        st.tuples(st.just("captions_x.json"), _coco()),
    )


def _coco() -> st.SearchStrategy[bytes]:
    leaf = st.one_of(st.none(), st.booleans(), st.integers(), st.floats(), st.text(max_size=3))
    odd = st.recursive(leaf, lambda value: st.lists(value, max_size=2), max_leaves=3)
    image = st.fixed_dictionaries({}, optional={"id": odd, "file_name": odd})
    note = st.fixed_dictionaries({}, optional={"id": odd, "image_id": odd, "caption": odd})
    well = {"images": [{"id": 1, "file_name": "a.jpg"}], "annotations": []}
    data = st.fixed_dictionaries(
        {}, optional={"images": st.lists(image | odd), "annotations": st.lists(note | odd)}
    )
    texts = st.one_of(data, odd, st.just(well)).map(lambda value: json.dumps(value).encode())
    deep = st.integers(1, 100_000).map(lambda depth: b"[" * depth)
    return st.one_of(texts, deep, damaged({"well": json.dumps(well).encode()}))


@cache
def _parquet() -> dict[str, bytes]:
    day = datetime.date(2020, 2, 29)
    columns = {
        "captions": pa.array([["a dog", "a cat"], [], None]),
        "nested": pa.array([[["a"], []], [], None]),
        "struct": pa.array([{"path": "a", "bytes": b"\xff"}, None, {"path": None, "bytes": b""}]),
        "map": pa.array([[("a", 1)], [], None], pa.map_(pa.string(), pa.int64())),
        "day": pa.array([day, None, day]),
        "time": pa.array([1, None, 2**62], pa.timestamp("ns")),
        "span": pa.array([1, None, 2**62], pa.duration("us")),
        "price": pa.array([Decimal("1.20"), None, Decimal("-3.40")]),
        "yes": pa.array([True, None, False]),
        "size": pa.array([1.5, None, float("nan")]),
        "count": pa.array([1, None, 2**63 - 1]),
        "raw": pa.array([b"\xff", None, b""]),
        "large": pa.array(["a", None, "b"], pa.large_string()),
        "fixed": pa.array([b"ab", None, b"cd"], pa.binary(2)),
        "clock": pa.array([datetime.time(1, 2), None, datetime.time(3)], pa.time64("us")),
        "kind": pa.array(["x", None, "x"]).dictionary_encode(),
    }
    named = {"image": ["a.jpg", "b.jpg", None], "caption": ["a dog", None, "two\nlines"]}
    files = {name: _written({**named, name: column}) for name, column in columns.items()}
    for compression in ("gzip", "zstd", "brotli", "lz4"):
        files[compression] = _written(named, compression=compression)
    files["version 2"] = _written(named, data_page_version="2.0", version="2.6")
    files["plain"] = _written(named, use_dictionary=False, compression="none")
    files["all"] = _written({**named, **columns}, compression="none", store_schema=False)
    files["groups"] = _written(named, row_group_size=1, compression="none")
    return files


def _written(columns: Mapping[str, object], **options: object) -> bytes:
    out = io.BytesIO()
    pq.write_table(pa.table(columns), out, **options)
    return out.getvalue()
