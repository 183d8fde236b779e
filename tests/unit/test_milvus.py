"""What is decided about Milvus without a server: addresses, expressions, the note, records."""

from pathlib import Path

import pyarrow as pa
import pytest

from components.collection.filters import FilterError
from components.collection.manifest import CollectionError, folder_of, read_manifest
from components.collection.milvus.address import connect, is_address, parse_address
from components.collection.milvus.expression import expression, folder_hashes, hash_of
from components.collection.milvus.publication import (
    NOTED,
    Column,
    DamagedNote,
    Publication,
    alias_of,
    files_of_publication,
    read_publication,
    write_publication,
)
from components.collection.milvus.rows import columns_of, draw_of
from components.collection.opening import open_collection
from components.collection.store import FolderCollection, open_folder
from components.settings import SettingError
from tests.collection_contract import HOSTILE, make


@pytest.fixture(autouse=True)
def data(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CAPTIONLENS_DATA", str(tmp_path / "data"))


def test_addresses() -> None:
    address = parse_address("milvus://10.0.0.1:19531/photos")
    assert (address.host, address.port, address.database) == ("10.0.0.1", 19531, "photos")
    assert not address.secure
    assert parse_address("https://milvus.example.org").secure
    assert parse_address("milvuss://milvus.example.org/x").port == 19530
    assert parse_address("some/archive.db").file == str(Path("some/archive.db").absolute())
    assert not is_address("s3://bucket/prefix")
    assert not is_address("/mnt/share")


@pytest.mark.parametrize(
    "text",
    [
        *("milvus://", "milvus://host:port", "milvus://host:99999", "ftp://host", "secret.host"),
        *("milvus://host/a/b", "milvus://host/a;b", "milvus://[::1", "s3://secret/archive.db"),
    ],
)
def test_a_wrong_address_is_refused_and_not_repeated(text: str) -> None:
    with pytest.raises(SettingError, match="not of the form milvus://") as caught:
        parse_address(text)
    assert "secret" not in str(caught.value)


def test_a_password_belongs_into_the_token() -> None:
    with pytest.raises(SettingError, match="CAPTIONLENS_MILVUS_TOKEN") as caught:
        parse_address("milvus://root:secret@host:19530")
    assert "secret" not in str(caught.value)


def test_a_token_is_shown_nowhere(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CAPTIONLENS_MILVUS_TOKEN", "root:secret")
    assert "secret" not in repr(connect("milvus://127.0.0.1:1/x"))


def test_a_server_that_is_not_there_is_a_sentence() -> None:
    with pytest.raises(CollectionError, match="The Milvus server does not answer") as caught:
        connect("milvus://127.0.0.1:1/x").call("list_collections")
    assert "127.0.0.1" not in str(caught.value)


def test_names_on_the_server_are_allowed_and_differ() -> None:
    names = ["a b", "a_b", "a-b", "ä b", "A b", "Été", "été", "日本", "日本語", "x" * 63]
    aliases = {alias_of(name) for name in names}
    assert len(aliases) == len(names)
    assert all(alias.isascii() and alias.isidentifier() and len(alias) < 100 for alias in aliases)


def test_no_text_of_a_filter_gets_into_an_expression() -> None:
    columns = {
        "country": Column("country", "text", "c0"),
        "keywords": Column("keywords", "list", "c1"),
        "folder": Column("folder", "folder", "c2"),
        "year": Column("year", "number", "c3"),
        "other": Column("other", "list", 'more["c50"]'),
    }
    for name in columns:
        for text in HOSTILE:
            made = expression(columns, {name: [text]})
            assert set(made) <= set('abcdefghijklmnopqrstuvwxyz0123456789_ ()[],<>=.-"'), made
    assert expression(columns, {"year": ["2015..2018"]}) == "(((c3 >= 2015.0) and (c3 <= 2018.0)))"
    assert expression(columns, {"year": ["no number"]}) == "(draw < 0)"
    assert expression(columns, {"country": []}) == ""
    with pytest.raises(FilterError, match="no column 'rank'"):
        expression(columns, {"rank": ["1"]})


def test_a_folder_is_found_by_all_that_it_is_in() -> None:
    inside = set(folder_hashes("a/b/c"))
    assert len(inside) == 3
    assert inside & set(folder_hashes("a/b")) == set(folder_hashes("a/x")[1:])
    assert not set(folder_hashes("a")) & set(folder_hashes("ab"))


def test_draws_are_even() -> None:
    draws = [draw_of(f"image {n}.jpg") for n in range(10_000)]
    assert all(0 <= draw < 1 for draw in draws)
    tenths = [sum(n / 10 <= draw < (n + 1) / 10 for draw in draws) for n in range(10)]
    assert all(900 < tenth < 1100 for tenth in tenths)
    assert all(0 < hash_of(str(n)) < 2**63 for n in range(1000))


def test_numbers_come_before_other_columns_where_the_fields_do_not_suffice() -> None:
    names = [f"text {n}" for n in range(60)] + ["number"]
    table = pa.table({name: [1.0] if name == "number" else ["a"] for name in names})
    columns = columns_of(table.schema)
    assert [column.name for column in columns] == names
    assert columns[-1] == Column("number", "number", "c0")
    assert columns[59] == Column("text 59", "text", 'more["c60"]')


def noted(rows: int = 50) -> Publication:
    manifest = make("noted", rows=rows, shards=2)
    folder = open_folder("noted")
    columns = columns_of(folder.schema)
    return Publication("place_g1", columns, tuple(folder.facets()), manifest)


def test_the_parts_of_a_table_are_the_table() -> None:
    make("parts", rows=100, shards=3)
    folder = open_folder("parts")
    parts = [*folder.tables()]
    assert [len(part) for part in parts] == [shard.rows for shard in folder.manifest.shards]
    assert {part.schema for part in parts} == {folder.table.schema}  # numbers and text are mixed
    assert pa.concat_tables(parts).to_pylist() == folder.table.to_pylist()


def test_the_note_is_read_as_it_was_written() -> None:
    publication = noted()
    folder = folder_of("noted")
    assert read_publication(folder) is None
    assert files_of_publication(folder) == set()
    write_publication(folder, publication)
    assert read_publication(folder) == publication
    assert files_of_publication(folder) == {NOTED, "000010.thumbnails", "000011.thumbnails"}


@pytest.mark.parametrize("damage", [b"", b"{}", b"[]", b"null", b'{"format": 2}'])
def test_a_damaged_note_says_what_to_do(damage: bytes, monkeypatch: pytest.MonkeyPatch) -> None:
    publication, folder = noted(), folder_of("noted")
    write_publication(folder, publication)
    text = (folder / NOTED).read_bytes()
    (folder / NOTED).write_bytes(damage or text.replace(b"place_g1", b"place_g2"))
    with pytest.raises(DamagedNote, match="Run `index publish noted`"):
        read_publication(folder)
    assert files_of_publication(folder) == {NOTED}
    monkeypatch.setenv("CAPTIONLENS_MILVUS", "milvus://127.0.0.1:1/x")
    with pytest.raises(DamagedNote):
        open_collection("noted")
    monkeypatch.delenv("CAPTIONLENS_MILVUS")
    assert isinstance(open_collection("noted"), FolderCollection)


def test_a_collection_that_was_never_published_is_searched_in_its_folder(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    noted()
    monkeypatch.setenv("CAPTIONLENS_MILVUS", "milvus://127.0.0.1:1/x")
    assert isinstance(open_collection("noted"), FolderCollection)
    assert read_manifest(folder_of("noted"))
