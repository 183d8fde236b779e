"""The map of a collection: near images are near, places stay, a damaged file counts as none."""

import shutil
import threading
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from components.bench.projection import trustworthiness
from components.collection.build import BuildJob, build
from components.collection.manifest import MAP, CollectionError, OtherModel, folder_of
from components.collection.sources.source import SourceSpec
from components.collection.store import FolderCollection, open_folder, remove
from components.commands import index as command
from components.encoder import bank_nouns
from components.projection import clusters as naming
from components.projection import making, neighbours, projection
from components.projection.clusters import clusters, names
from components.projection.making import MapStopped, MapTooLarge, make_map
from components.projection.projection import fit, pca
from components.projection.stored import CollectionMap, first_map, read_map
from components.scores import Floats, unit
from tests.standin import stand_in, tiny_images
from tests.unit.helpers import SAMPLES

GROUPS, EACH = 4, 60


def grouped(noise: float = 0.5, width: int = 32) -> Floats:
    """Return unit vectors of four groups, group after group."""
    rng = np.random.default_rng(0)
    centres = np.repeat(rng.standard_normal((GROUPS, width)), EACH, axis=0)
    return unit(centres + noise * rng.standard_normal(centres.shape))


def unwatched(share: float, of: str) -> None:
    """Progress that nobody watches."""


def separation(points: Floats) -> float:
    """Return the least distance of two groups' middles in the largest radius of a group."""
    groups = points.reshape(GROUPS, EACH, 2)
    middles = np.median(groups, axis=1)
    apart = np.linalg.norm(middles[:, None] - middles[None], axis=2)
    radius = np.median(np.linalg.norm(groups - middles[:, None], axis=2), axis=1)
    return float((apart + 9 * np.eye(GROUPS)).min() / radius.max())


def test_near_vectors_are_near_and_the_same_each_time() -> None:
    vectors = grouped()
    shares: list[float] = []
    points = fit(vectors, lambda share, of: shares.append(share))
    assert separation(points) > 2
    assert trustworthiness(vectors, points) > trustworthiness(vectors, pca(vectors))
    radii = np.linalg.norm(points, axis=1)
    assert np.percentile(radii, 99) == pytest.approx(1.0, abs=1e-4)
    assert np.abs(points.mean(axis=0)).max() < 1e-5
    assert len(shares) > 10
    assert max(shares) == pytest.approx(1.0)
    np.testing.assert_array_equal(points, fit(vectors, unwatched))


def test_of_many_a_sample_is_fitted_and_the_others_are_placed() -> None:
    vectors = grouped()
    points = fit(vectors, unwatched, most=100)
    assert np.isfinite(points).all()
    assert separation(points) > 2


@pytest.mark.parametrize("rows", [0, 1, 2, 5, 12])
def test_the_smallest_collections_have_places(rows: int) -> None:
    vectors = grouped()[:rows]
    assert fit(vectors, unwatched).shape == pca(vectors).shape == (rows, 2)
    assert np.isfinite(fit(vectors, unwatched)).all()
    near, cosines = neighbours.neighbours(vectors, 10, unwatched)
    assert near.shape == cosines.shape == (rows, max(0, min(10, rows - 1)))
    assert (near != np.arange(rows)[:, None]).all()


def test_equal_vectors_are_in_one_place() -> None:
    vectors = np.repeat(grouped()[:1], 40, axis=0)
    assert np.abs(pca(vectors)).max() < 0.1
    assert np.isfinite(fit(vectors, unwatched)).all()
    near, _ = neighbours.neighbours(vectors, 5, unwatched)
    assert (near != np.arange(40)[:, None]).all()


def test_inverted_lists_find_nearly_all_neighbours(monkeypatch: pytest.MonkeyPatch) -> None:
    vectors = unit(np.random.default_rng(0).standard_normal((3000, 16)))
    exact, _ = neighbours.neighbours(vectors, 10, unwatched)
    monkeypatch.setattr(neighbours, "_EXACT_UP_TO", 1000)
    found, cosines = neighbours.neighbours(vectors, 10, unwatched)
    shared = [len(set(one) & set(other)) for one, other in zip(exact, found, strict=True)]
    assert np.mean(shared) > 9
    expected = np.einsum("id,ijd->ij", vectors, vectors[found])
    np.testing.assert_allclose(cosines, expected, atol=1e-5)


def test_trustworthiness_is_that_of_scikit_learn() -> None:
    from sklearn.manifold import trustworthiness as reference

    vectors = grouped()
    points = pca(vectors)
    expected = reference(vectors, points, n_neighbors=15)
    assert trustworthiness(vectors, points) == pytest.approx(expected, abs=1e-6)


def test_dense_places_are_clusters_the_largest_first() -> None:
    rng = np.random.default_rng(0)
    sizes = (100, 200, 150)
    blobs = [rng.normal((3 * place, 0), 0.1, (size, 2)) for place, size in enumerate(sizes)]
    lonely = rng.uniform((-1, 5), (9, 40), (10, 2))
    found = clusters(np.concatenate([*blobs, lonely]).astype(np.float32))
    parts = [set(part) - {-1} for part in np.split(found[:450], np.cumsum(sizes)[:2])]
    assert all(parts)
    assert sum(map(len, parts)) == len(set.union(*parts)) == found.max() + 1  # none in two places
    assert (np.diff(np.bincount(found[found >= 0])) <= 0).all()
    assert (found[-10:] == -1).all()


def test_many_points_are_clustered_by_a_sample(monkeypatch: pytest.MonkeyPatch) -> None:
    rng = np.random.default_rng(0)
    points = rng.normal(0, 0.1, (600, 2)) + np.repeat([[0, 0], [5, 5]], 300, axis=0)
    monkeypatch.setattr(naming, "_CLUSTERED", 200)
    found = clusters(points.astype(np.float32))
    assert len(found) == 600
    assert not set(found[:300]) & set(found[300:]) - {-1}


def test_a_few_points_have_no_clusters() -> None:
    assert (clusters(np.zeros((9, 2), dtype=np.float32)) == -1).all()


@pytest.fixture
def bank(monkeypatch: pytest.MonkeyPatch) -> Floats:
    """The vectors of the bank's captions, as of a model that tells their nouns apart."""
    rng = np.random.default_rng(0)
    rows = 0.3 * rng.standard_normal((1000, 256))
    for captions in bank_nouns().values():
        rows[list(captions)] += rng.standard_normal(256)
    vectors = unit(rows)
    monkeypatch.setattr(naming, "bank_vectors", lambda encoder: vectors)
    return vectors


def test_a_cluster_has_the_noun_that_fits_it(bank: Floats) -> None:
    rng = np.random.default_rng(1)
    nouns = bank_nouns()
    dog, car = (bank[list(nouns[noun])].mean(axis=0) for noun in ("a dog", "a car"))
    vectors = np.repeat(np.stack([car, dog, dog]), 20, axis=0)
    vectors = unit(vectors + 0.02 * rng.standard_normal(vectors.shape))
    vectors[40:] = unit(rng.standard_normal((20, 256)))  # have nothing in common
    numbers = np.repeat(np.arange(3, dtype=np.int32), 20)
    assert names(vectors, numbers, stand_in()) == ("a car", "a dog", "")
    twice = names(np.tile(vectors[20:40], (2, 1)), numbers[:40], stand_in())
    assert sorted(twice) == ["a dog", "a dog 2"]
    assert names(vectors, np.full(60, -1, dtype=np.int32), stand_in()) == ()


def test_a_tight_cluster_round_a_random_direction_has_no_noun(bank: Floats) -> None:
    rng = np.random.default_rng(2)
    numbers = np.repeat(np.arange(30, dtype=np.int32), 20)
    directions = unit(rng.standard_normal((30, 256)))[numbers]
    vectors = unit(directions + 0.03 * rng.standard_normal(directions.shape))
    assert sum(map(bool, names(vectors, numbers, stand_in()))) <= 2


def built(folder: Path, name: str = "mapped") -> FolderCollection:
    """Return the collection of a folder, built or updated."""
    build(BuildJob(name, SourceSpec("folder", str(folder))), stand_in())
    return open_folder(name)


@pytest.fixture
def images(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder of 60 images, and a data folder of the test's own."""
    monkeypatch.setenv("CAPTIONLENS_DATA", str(tmp_path / "data"))
    monkeypatch.setattr(projection, "_EARLY", 20)
    monkeypatch.setattr(projection, "_STEPS", 30)
    return tiny_images(tmp_path / "images", 60)


def assert_equal(one: CollectionMap | None, other: CollectionMap) -> None:
    assert one is not None
    assert replace(one, **_ARRAYS) == replace(other, **_ARRAYS)
    for name in _ARRAYS:
        np.testing.assert_array_equal(getattr(one, name), getattr(other, name))


_ARRAYS: dict[str, Any] = dict.fromkeys(("xy", "cluster", "outlierness", "twins"))


def test_a_map_is_kept_and_read_again(images: Path) -> None:
    collection = built(images)
    assert read_map(collection) is None
    first = first_map(collection)
    assert (first.exact, len(first), first.key) == (False, 60, collection.key)
    made = make_map(collection, stand_in())
    assert made.exact
    assert list(made.ids) == collection.ids(np.arange(60)) == list(first.ids)
    cosines = np.sort(collection.vectors(made.ids) @ collection.vectors(made.ids).T, axis=1)
    np.testing.assert_allclose(made.outlierness, 1 - cosines[:, -11:-1].mean(axis=1), atol=1e-5)
    assert_equal(read_map(open_folder("mapped")), made)


def test_a_damaged_map_counts_as_none(images: Path) -> None:
    collection = built(images)
    make_map(collection, stand_in())
    (file,) = (collection.folder / MAP).iterdir()
    whole = file.read_bytes()
    rng = np.random.default_rng(0)
    for place in rng.integers(0, len(whole), 40).tolist():
        changed = bytearray(whole)
        changed[place] ^= 0xFF
        file.write_bytes(changed)
        found = read_map(collection)
        if found is not None:  # a byte that says nothing
            file.write_bytes(whole)
            assert_equal(read_map(collection), found)
    for short in (b"", whole[:100], whole[:-1], b"PAR1" * 50):
        file.write_bytes(short)
        assert read_map(collection) is None
    assert_equal(make_map(collection, stand_in()), read_map(collection) or first_map(collection))


def test_known_images_keep_their_places_and_new_ones_are_placed(images: Path) -> None:
    before = make_map(built(images), stand_in())
    tiny_images(images, 5, first=60)
    shutil.copy(images / "64.png", images / "03.png")  # what it shows has changed
    (images / "64.png").unlink()
    (images / "07.png").unlink()
    collection = built(images)
    assert read_map(collection) is None  # of this state
    after = make_map(collection, stand_in())
    places = dict(zip(before.ids, before.xy.tolist(), strict=True))
    kept = [id_ for id_ in after.ids if id_ in places and id_ != "03.png"]
    assert len(kept) == 58 and len(after) == 63
    now = dict(zip(after.ids, after.xy.tolist(), strict=True))
    assert {id_: now[id_] for id_ in kept} == {id_: places[id_] for id_ in kept}
    assert now["03.png"] != places["03.png"]
    assert_equal(read_map(collection), after)


def test_with_many_new_images_everything_is_fitted_again(images: Path) -> None:
    before = make_map(built(images), stand_in())
    fitted: list[bool] = []
    for first in (60, 66, 72):  # 6 of 66 are new, then 12 of 72, then 18 of 78
        tiny_images(images, 6, first=first)
        after = make_map(built(images), stand_in())
        fitted.append(not np.array_equal(after.xy[:60], before.xy))
    assert fitted == [False, False, True]


def test_a_build_keeps_the_map_and_removal_takes_it(images: Path) -> None:
    make_map(built(images), stand_in())
    build(BuildJob("mapped", SourceSpec("folder", str(images)), rebuild=True), stand_in())
    assert (folder_of("mapped") / MAP).is_dir()
    collection = open_folder("mapped")
    remove("mapped")
    assert not folder_of("mapped").exists()
    with pytest.raises(CollectionError, match="There is no collection mapped"):
        make_map(collection, stand_in())
    assert not folder_of("mapped").exists()


def test_a_map_can_be_stopped_at_every_step(images: Path) -> None:
    collection = built(images)
    seen: list[str] = []
    make_map(collection, stand_in(), lambda share, of: seen.append(of))
    assert {"Finding neighbours", "Arranging images", "Naming clusters"} <= set(seen)
    shutil.rmtree(collection.folder / MAP)
    for step in sorted(set(seen)):
        stop = threading.Event()

        def progress(share: float, of: str, step: str = step, stop: threading.Event = stop) -> None:
            if of == step:
                stop.set()

        with pytest.raises(MapStopped, match="mapped"):
            make_map(collection, stand_in(), progress, stop)
        assert read_map(collection) is None


def test_images_that_show_the_same_have_a_group(images: Path) -> None:
    for number, source in enumerate(sorted(SAMPLES.glob("*.jpg"))[:3]):
        shutil.copy(source, images / f"photo{number}.jpg")
        Image.open(source).save(images / f"photo{number} again.jpg", quality=60)
    found = make_map(built(images), stand_in())
    of = dict(zip(found.ids, found.twins.tolist(), strict=True))
    groups = [of[f"photo{number}.jpg"] for number in range(3)]
    assert sorted(groups) == [0, 1, 2]
    assert groups == [of[f"photo{number} again.jpg"] for number in range(3)]
    assert {of[f"{number:02}.png"] for number in range(60)} == {-1}


def test_a_collection_that_is_too_large_is_a_sentence(
    images: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(making, "MOST", 59)
    with pytest.raises(MapTooLarge, match="mapped has more than 59 images"):
        make_map(built(images), stand_in())


def test_a_folder_that_cannot_be_written_is_a_sentence(images: Path) -> None:
    collection = built(images)
    (collection.folder / MAP).write_text("in the way")
    with pytest.raises(CollectionError, match="The files of mapped cannot be read or written"):
        make_map(collection, stand_in())


def test_the_command_computes_the_map(
    images: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    collection = built(images)
    monkeypatch.setattr(command, "load_encoder", lambda model: stand_in())
    command.map_command("mapped")
    assert "mapped: 60 images, " in capsys.readouterr().err
    assert read_map(collection) is not None
    shutil.rmtree(collection.folder / MAP)
    other = replace(stand_in(), revision="another")
    monkeypatch.setattr(command, "load_encoder", lambda model: other)
    with pytest.raises(OtherModel, match="revision"):
        command.map_command("mapped")
    assert read_map(collection) is None
