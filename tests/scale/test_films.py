"""Films of a collection that is published to Milvus: the same moments as in its folder."""

import threading
from pathlib import Path

import numpy as np
import pytest

from components.collection.chunks import Row, write_shard
from components.collection.collection import Collection
from components.collection.manifest import Manifest, folder_of, write_manifest
from components.collection.milvus.address import connect
from components.collection.milvus.publish import publish
from components.collection.milvus.reader import MilvusCollection
from components.collection.opening import open_collection
from components.collection.records import Record
from components.collection.search import WITHIN, Limits, frames_of, search
from components.collection.sources.source import SourceSpec
from components.collection.store import FolderCollection, open_folder
from components.collection.writer import write_index
from components.films.moment import film_of, frame_id
from components.scores import Floats, unit

WIDTH = 32
FILMS = {"trips/long.mp4": 4000, "Trips/Long.mp4": 40, "short.mkv": 300}  # frames, one a second


@pytest.fixture(scope="module")
def both(tmp_path_factory: pytest.TempPathFactory) -> tuple[FolderCollection, Collection]:
    """Return films in a folder and published; one film is longer than an hour."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("CAPTIONLENS_DATA", str(tmp_path_factory.mktemp("data")))
        address = str(tmp_path_factory.mktemp("lite") / "archive.db")
        patch.setenv("CAPTIONLENS_MILVUS", address)
        make("films")
        assert publish("films", connect(address), lambda now: None, threading.Event())
        published = open_collection("films")
        assert isinstance(published, MilvusCollection)
        return open_folder("films"), published


def make(name: str) -> None:
    """Write a collection of frames whose vectors change slowly, as those of films do."""
    records = [_record(film, n, count) for film, count in FILMS.items() for n in range(count)]
    rng = np.random.default_rng(0)
    shots = rng.standard_normal((len(records) // 5 + 1, WIDTH)).repeat(5, axis=0)[: len(records)]
    vectors = unit((shots + 0.2 * rng.standard_normal(shots.shape)).astype(np.float32))
    folder = folder_of(name)
    folder.mkdir(parents=True)
    rows = [Row(record, vector, b"x") for record, vector in zip(records, vectors, strict=True)]
    shard = write_shard(folder / "000001", rows, 1)
    info = write_index(folder, "000001.faiss", (shard,), WIDTH, lambda: vectors[:50])
    source = SourceSpec("videos", str(Path(folder).parent))
    manifest = Manifest(name, "pocket", "1", "f32", WIDTH, source, (shard,), info, complete=True)
    write_manifest(folder, manifest)


def _record(film: str, seconds: int, length: int) -> Record:
    return {
        "id": frame_id(film, seconds),
        "image": f"{film} {seconds}",
        "location": f"/films/{film}",
        "signature": "1",
        "film": film,
        "seconds": float(seconds),
        "film_seconds": float(length),
        "thumbnail_bytes": 1,
    }


def query(collection: FolderCollection) -> Floats:
    vector: Floats = collection.vectors([frame_id("trips/long.mp4", 3900)])[0]
    return vector


def test_moments_are_the_folder_s(both: tuple[FolderCollection, Collection]) -> None:
    found = [search(each, query(both[0]), Limits(20, within=WITHIN)) for each in both]
    assert found[0].ids == found[1].ids
    assert found[0].frames == found[1].frames
    assert film_of(found[1].ids[0]) == ("trips/long.mp4", 3900.0)
    assert any(found[1].frames)


def test_a_time_within_films_is_a_filter(both: tuple[FolderCollection, Collection]) -> None:
    limits = Limits(20, {"seconds": ["10..25"]}, within=WITHIN)
    found = [search(each, query(both[0]), limits).ids for each in both]
    assert found[0] == found[1]
    assert all(10 <= (film_of(id_) or ("", 0))[1] <= 25 for id_ in found[1])


@pytest.mark.parametrize("film", FILMS)
def test_every_frame_of_a_film(both: tuple[FolderCollection, Collection], film: str) -> None:
    """A long film is asked for in parts; a film whose name differs by case alone is another."""
    own, served = (frames_of(each, query(both[0]), film, float(FILMS[film])) for each in both)
    assert len(own) == len(served) == FILMS[film]
    np.testing.assert_allclose(served.cosines, own.cosines, atol=1e-5)
    assert set(own.ids) == set(served.ids) == {frame_id(film, n) for n in range(FILMS[film])}
