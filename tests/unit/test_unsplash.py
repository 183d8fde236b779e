"""Unsplash Lite and tables, from a server of our own to a collection."""

import csv
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from components.collection.build import BuildJob, BuildReport, build
from components.collection.sources import unsplash
from components.collection.sources.remote import Fetcher
from components.collection.sources.source import Item, SourceSpec
from components.collection.sources.table import Table
from components.collection.sources.unsplash import Unsplash, UnsplashError, with_query
from components.collection.store import open_folder
from components.datasets.table import TableError
from components.encoder import Encoder, Skipped, load
from components.errors import CaptionLensError
from components.settings import ROOT
from tests.photo_server import (
    KEYWORD_COLUMNS,
    PHOTO_COLUMNS,
    PhotoServer,
    Trouble,
    jpeg,
    lite_zip,
    photo,
    tsv,
)

pytestmark = pytest.mark.slow  # converts or trains a model

SAMPLES = ROOT / "sample_images"
COUNT = 30


@pytest.fixture(scope="module")
def encoder() -> Encoder:
    return load("pocket")


@pytest.fixture(autouse=True)
def around(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CAPTIONLENS_DATA", str(tmp_path / "data"))
    monkeypatch.setenv("CAPTIONLENS_PRIVATE_ADDRESSES", "1")


@pytest.fixture
def fetcher() -> Fetcher:
    return Fetcher(rate=1000, backoff=0.01)


@pytest.fixture
def server() -> Iterator[PhotoServer]:
    """A Lite-shaped zip among other files, 30 photographs, and a large member that is not read."""
    with PhotoServer({f"/photo-{n}": jpeg(n) for n in range(COUNT)}) as running:
        rows = [photo(n, running.url) for n in range(COUNT)]
        keywords = [
            {"photo_id": "photo-3", "keyword": "dog", "ai_service_1_confidence": "97.5"},
            {"photo_id": "photo-3", "keyword": "unsure", "ai_service_1_confidence": "12"},
            {"photo_id": "photo-3", "keyword": "mine", "suggested_by_user": "t"},
            {"photo_id": "elsewhere", "keyword": "cat", "ai_service_1_confidence": "99"},
        ]
        noise = np.random.default_rng(0).bytes(9_000_000)  # does not compress
        running.files["/lite.zip"] = lite_zip(
            {
                "photos.tsv000": tsv(PHOTO_COLUMNS, rows[:20]),
                "conversions.tsv000": noise,
                "keywords.tsv000": tsv(KEYWORD_COLUMNS, keywords),
                "photos.tsv001": tsv(PHOTO_COLUMNS, rows[20:]),
                "TERMS.md": "terms",
            }
        )
        yield running


def ids(source: Unsplash) -> list[str]:
    return [item.id for item in source.items() if isinstance(item, Item)]


def index(encoder: Encoder, source: Unsplash, name: str = "unsplash") -> BuildReport:
    spec = SourceSpec("unsplash", source.location, limit=source.limit)
    return build(BuildJob(name, spec), encoder, images=source)


def test_it_reads_two_tables_of_the_zip_and_no_more(server: PhotoServer, fetcher: Fetcher) -> None:
    source = Unsplash(f"{server.url}/lite.zip", 0, fetcher)
    assert sorted(ids(source)) == sorted(f"photo-{n}" for n in range(COUNT))
    asked = server.asked_for("/lite.zip")
    assert asked
    assert all(request.range for request in asked)
    read = sum(request.range[1] - request.range[0] + 1 for request in asked if request.range)
    assert read < len(server.files["/lite.zip"]) / 2


def test_metadata_of_a_photograph(server: PhotoServer, fetcher: Fetcher) -> None:
    source = Unsplash(f"{server.url}/lite.zip", 0, fetcher)
    item = next(item for item in source.items() if isinstance(item, Item) and item.id == "photo-3")
    assert item.metadata == {
        "photographer": "Zoë Doe 0",
        "photographer_url": (
            "https://unsplash.com/@user0?utm_source=captionlens&utm_medium=referral"
        ),
        "page_url": (
            "https://unsplash.com/photos/photo-3?utm_source=captionlens&utm_medium=referral"
        ),
        "description": 'a "image"\tof 3\nin two lines',
        "place": "Oslo, Norway",
        "country": "Norway",
        "city": "Oslo",
        "latitude": 59.91,
        "longitude": 10.75,
        "camera": "Canon EOS 5D",
        "width": 4000,
        "height": 3000,
        "year": 2013,
        "keywords": ["mine", "dog"],
        "blurhash": "LEHV6nWB2yk8pyo0adR*.7kCMdnj",
    }
    assert item.location == f"{server.url}/photo-3"


def test_a_larger_limit_includes_the_smaller_one(server: PhotoServer, fetcher: Fetcher) -> None:
    place = f"{server.url}/lite.zip"
    few, many = (ids(Unsplash(place, number, fetcher)) for number in (5, 20))
    assert len(few) == 5
    assert many[:5] == few
    assert few == ids(Unsplash(place, 5, fetcher))
    assert few != [f"photo-{n}" for n in range(5)]  # spread over the dataset


def test_a_collection_with_dead_slow_and_broken_links(
    server: PhotoServer, fetcher: Fetcher, encoder: Encoder
) -> None:
    server.troubles["/photo-1"] = Trouble(404)
    server.troubles["/photo-2"] = Trouble(cut_after=2000)
    server.troubles["/photo-4"] = Trouble(429, times=2)
    server.troubles["/photo-5"] = Trouble(pause=0.05)
    server.files["/photo-6"] = b"no image"
    report = index(encoder, Unsplash(f"{server.url}/lite.zip", 0, fetcher))
    collection = open_folder("unsplash")
    skipped = {row["id"]: row["reason"] for row in collection.skipped()}
    assert (report.manifest.rows, set(skipped)) == (27, {"photo-1", "photo-2", "photo-6"})
    assert "answered with status 404" in skipped["photo-1"]
    assert "ended before it was complete" in skipped["photo-2"]
    assert {request.query for request in server.asked_for("/photo-0")} == {"w=640&q=80&fm=jpg"}
    record = collection.records(["photo-3"])[0]
    assert (record["width"], record["orientation"]) == (4000, "landscape")
    assert record["keywords"] == ["mine", "dog"]


def test_an_update_fetches_no_photograph_again(
    server: PhotoServer, fetcher: Fetcher, encoder: Encoder
) -> None:
    index(encoder, Unsplash(f"{server.url}/lite.zip", 8, fetcher))
    server.requests.clear()
    report = index(encoder, Unsplash(f"{server.url}/lite.zip", 12, fetcher))
    assert (report.added, report.kept) == (4, 8)
    assert len([request for request in server.requests if "photo" in request.path]) == 4


@pytest.mark.parametrize("prefix", ["", "unsplash-research-dataset-lite/"])
@pytest.mark.parametrize("suffix", ["tsv000", "csv000", "tsv", "csv"])
def test_every_release_and_a_folder_are_read(
    server: PhotoServer, tmp_path: Path, suffix: str, prefix: str
) -> None:
    table = tsv(PHOTO_COLUMNS, [photo(n, server.url) for n in range(3)])
    archive, folder = tmp_path / "lite.zip", tmp_path / "folder"
    archive.write_bytes(lite_zip({f"{prefix}photos.{suffix}": table}))
    (folder / prefix).mkdir(parents=True)
    (folder / prefix / f"photos.{suffix}").write_text(table, encoding="utf-8")
    assert ids(Unsplash(str(archive))) == ids(Unsplash(str(folder)))
    assert len(ids(Unsplash(str(folder)))) == 3


def test_rows_without_a_valid_address_are_skipped(tmp_path: Path) -> None:
    rows = [
        photo(1, "https://images.example"),
        photo(2, "x", photo_image_url=""),
        photo(3, "x", photo_image_url="not an address"),
        photo(4, "x", photo_id="../../etc/passwd"),
    ]
    (tmp_path / "photos.tsv000").write_text(tsv(PHOTO_COLUMNS, rows), encoding="utf-8")
    items = [*Unsplash(str(tmp_path)).items()]
    assert sorted(type(item).__name__ for item in items) == [
        "Item",
        "Skipped",
        "Skipped",
        "Skipped",
    ]
    reasons = [item.reason for item in items if isinstance(item, Skipped)]
    assert (len(items), len(reasons)) == (4, 3)
    assert any("photo-2 has no valid address" in reason for reason in reasons)


def test_without_a_network_it_is_one_sentence(fetcher: Fetcher) -> None:
    with pytest.raises(UnsplashError, match=r"cannot be fetched: .* zip or folder"):
        [*Unsplash("http://nowhere.invalid/lite", 5, fetcher).items()]


def test_damaged_datasets_are_one_sentence(tmp_path: Path) -> None:
    whole = lite_zip({"photos.tsv000": tsv(PHOTO_COLUMNS, [photo(n, "x") for n in range(99)])})
    for name, data in {"cut": whole[:-200], "noise": b"noise" * 99, "empty": b""}.items():
        (tmp_path / name).write_bytes(data)
        with pytest.raises(UnsplashError, match="is damaged"):
            [*Unsplash(str(tmp_path / name)).items()]
    (tmp_path / "other.zip").write_bytes(lite_zip({"a.txt": "hello"}))
    with pytest.raises(UnsplashError, match="has no photographs"):
        [*Unsplash(str(tmp_path / "other.zip")).items()]
    with pytest.raises(UnsplashError, match=r"^gone\.zip does not exist"):
        [*Unsplash(str(tmp_path / "gone.zip")).items()]


def test_a_zip_bomb_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(unsplash, "_MAX_BYTES", 1_000_000)
    (tmp_path / "bomb.zip").write_bytes(lite_zip({"photos.tsv000": b"photo_id\n" * 1_000_000}))
    with pytest.raises(UnsplashError, match="is too large when unpacked"):
        [*Unsplash(str(tmp_path / "bomb.zip")).items()]


def test_query_values_replace_those_of_the_same_name() -> None:
    assert with_query("https://a.org/b?w=1&x=2", {"w": "640"}) == "https://a.org/b?x=2&w=640"


def table(tmp_path: Path, header: list[str], rows: list[list[object]]) -> Path:
    file = tmp_path / "table.csv"
    with file.open("w", encoding="utf-8", newline="") as sink:
        csv.writer(sink).writerows([header, *rows])
    return file


def items(file: Path, images: str = "", fetcher: Fetcher | None = None) -> list[Item | Skipped]:
    return [*Table(str(file), images, (fetcher or Fetcher()).get).items()]


def test_rows_of_one_image_are_one_item_with_its_captions(tmp_path: Path) -> None:
    file = table(
        tmp_path,
        ["image", "caption", "split", "stars"],
        [["a.jpg", "one, two", "train", 3], ["b.jpg", "x", "test", 4], ["a.jpg", "three", "", ""]],
    )
    first, second = items(file)
    assert isinstance(first, Item)
    assert first.metadata == {"split": "train", "stars": 3, "captions": ["one, two", "three"]}
    assert second.source.name == "b.jpg"


def test_an_image_listed_by_its_absolute_path_is_named_within_the_folder(tmp_path: Path) -> None:
    rows: list[list[object]] = [[str(tmp_path / "sub" / "a.jpg"), "one"], ["sub/a.jpg", "two"]]
    (item,) = items(table(tmp_path, ["image", "caption"], rows))
    assert isinstance(item, Item)
    assert (item.id, item.source.name) == ("sub/a.jpg", "sub/a.jpg")
    assert item.metadata["captions"] == ["one", "two"]


def test_a_table_becomes_a_collection(
    tmp_path: Path, encoder: Encoder, server: PhotoServer
) -> None:
    file = table(
        tmp_path,
        ["path", "title", "country"],
        [
            ["chelsea.jpg", "my cat", "Norway"],
            ["horse.jpg", "", "Spain"],
            ["gone.jpg", "", ""],
            ["../pyproject.toml", "", ""],
            ["/etc/passwd", "", ""],
            [f"{server.url}/photo-7", "from afar", ""],
        ],
    )
    report = build(BuildJob("t", SourceSpec("table", str(file), str(SAMPLES))), encoder)
    collection = open_folder("t")
    assert sorted(collection.table["id"].to_pylist()) == [
        "chelsea.jpg",
        "horse.jpg",
        f"{server.url}/photo-7",
    ]
    assert report.skipped == 3
    reasons = [row["reason"] for row in collection.skipped()]
    assert any("../pyproject.toml is not in sample_images" in reason for reason in reasons)
    record = collection.records(["chelsea.jpg"])[0]
    assert (record["captions"], record["country"]) == (["my cat"], "Norway")


def test_parquet_and_tabs_are_tables_too(tmp_path: Path) -> None:
    pq.write_table(
        pa.table({"url": ["https://a.org/b.jpg"], "tags": [["x", "y"]]}), tmp_path / "t.parquet"
    )
    (tmp_path / "t.tsv").write_text("file\tcaption\na.jpg\thello, you\n", encoding="utf-8")
    (one,), (two,) = items(tmp_path / "t.parquet"), items(tmp_path / "t.tsv")
    assert isinstance(one, Item)
    assert isinstance(two, Item)
    assert (one.id, one.metadata["tags"]) == ("https://a.org/b.jpg", ["x", "y"])
    assert two.metadata["captions"] == ["hello, you"]


def test_files_that_are_not_tables(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text("name,caption\nx,y\n", encoding="utf-8")
    (tmp_path / "b.csv").write_bytes(b"image\n\xff\xfe\xff")
    (tmp_path / "c.parquet").write_bytes(b"not parquet")
    for name, reason in {"a.csv": "no column of images", "b.csv": "cannot be read"}.items():
        with pytest.raises(TableError, match=f"{name} .*{reason}"):
            items(tmp_path / name)
    with pytest.raises(TableError, match="cannot be read as a table"):
        items(tmp_path / "c.parquet")
    with pytest.raises(CaptionLensError, match=r"d\.csv does not exist"):
        items(tmp_path / "d.csv")
