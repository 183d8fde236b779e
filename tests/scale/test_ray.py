"""Builds on a Ray cluster of three nodes on this machine, which are killed like their drivers."""

import errno
import os
import shutil
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import psutil
import pytest
from PIL import Image

from components.collection import chunks
from components.collection.build import BuildJob, BuildProgress, BuildReport, build
from components.collection.chunks import read_chunks
from components.collection.cluster import Cluster, ClusterError, cluster
from components.collection.encoding import Engine
from components.collection.manifest import CollectionError, folder_of
from components.collection.sources.source import SourceSpec
from components.collection.store import open_folder, verify
from components.encoder import Encoder, load
from components.settings import ROOT
from tests.scale.namespace import isolated
from tests.standin import stand_in, tiny_images

pytestmark = pytest.mark.skipif(not isolated(), reason="`make scale` runs it in a namespace")

_IMAGES = 240
_CHUNK = 16
_NODE: dict[str, Any] = {"node_ip_address": "127.0.0.1", "object_store_memory": 100_000_000}
_FATAL = (6, 6)  # the size of an image that ends the process that reads it


@pytest.fixture(scope="module")
def nodes() -> Iterator[Any]:
    """A head without workers, and two nodes for a worker each."""
    from ray.cluster_utils import Cluster as Nodes

    nodes: Any = Nodes(initialize_head=True, head_node_args={**_NODE, "num_cpus": 0})
    for _ in range(2):
        nodes.add_node(num_cpus=1, **_NODE)
    yield nodes
    nodes.shutdown()


@pytest.fixture
def address(nodes: Any, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> str:
    monkeypatch.setattr(chunks, "_IMAGES", _CHUNK)
    monkeypatch.setenv("CAPTIONLENS_DATA", str(tmp_path / "data"))
    return str(nodes.address)


@pytest.fixture(scope="module")
def images(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("images")
    for number in range(_IMAGES):
        rng = np.random.default_rng(number)
        small = Image.fromarray(rng.integers(0, 256, (6, 8, 3), dtype=np.uint8))
        small.resize((160, 120), Image.Resampling.BICUBIC).save(folder / f"{number:03}.jpg")
    (folder / "005.jpg").write_bytes(b"not an image")
    shutil.copy(folder / "200.jpg", folder / "030.jpg")  # a copy, encoded by another chunk
    return folder


@pytest.fixture(scope="module")
def pocket() -> Encoder:
    return load("pocket")


def index(name: str, images: Path, encoder: Encoder, engine: Engine | None = None) -> BuildReport:
    return build(BuildJob(name, SourceSpec("folder", str(images))), encoder, engine=engine)


def assert_same(one: str, other: str) -> None:
    """Two collections have the same rows in the same order, bit by bit."""
    assert verify(one) == verify(other) == []
    first, second = open_folder(one), open_folder(other)
    assert first.table.equals(second.table)
    assert first.skipped() == second.skipped()
    for file in ("vectors", "thumbnails"):
        files = [folder_of(name) / f"000001.{file}" for name in (one, other)]
        assert files[0].read_bytes() == files[1].read_bytes()


def test_a_build_that_loses_a_node_is_that_of_one_machine(
    nodes: Any, address: str, images: Path, pocket: Encoder
) -> None:
    index("calm", images, pocket)
    lost = threading.Event()

    def on_progress(now: BuildProgress) -> None:
        if now.done >= 4 * _CHUNK and not lost.is_set():
            lost.set()
            victim = [*nodes.worker_nodes][-1]
            nodes.remove_node(victim, allow_graceful=False)
            nodes.add_node(num_cpus=1, node_ip_address="127.0.0.1", object_store_memory=100_000_000)

    job = BuildJob("lost", SourceSpec("folder", str(images)))
    report = build(job, pocket, on_progress, engine=cluster(address, pocket))
    assert lost.is_set()
    assert (report.added, report.skipped, report.manifest.complete) == (_IMAGES - 2, 2, True)
    assert_same("lost", "calm")


def drive(address: str, images: str) -> None:
    """Build on the cluster, in a process that is going to be killed."""
    chunks._IMAGES = _CHUNK
    encoder = load("pocket")
    index("killed", Path(images), encoder, cluster(address, encoder))


def test_a_killed_driver_encodes_only_unfinished_chunks_again(
    address: str, images: Path, pocket: Encoder
) -> None:
    index("calm", images, pocket)
    code = "import sys; from tests.scale.test_ray import drive; drive(*sys.argv[1:])"
    driver = subprocess.Popen([sys.executable, "-c", code, address, str(images)], cwd=ROOT)
    while driver.poll() is None and len(finished("killed")) < 4:
        time.sleep(0.02)
    driver.kill()
    driver.wait()
    time.sleep(1)  # until the driver's workers are ended too
    before = sum(chunk.shard.rows for chunk in finished("killed") if chunk.shard)
    assert 3 * _CHUNK < before < _IMAGES - 2
    report = index("killed", images, pocket, cluster(address, pocket))
    copies = 1  # both are in chunks, one of them is dropped
    assert _IMAGES - 1 - before - copies <= report.added <= _IMAGES - 1 - before
    assert_same("killed", "calm")


def finished(name: str) -> list[chunks.Chunk]:
    return [*read_chunks(folder_of(name))] if folder_of(name).exists() else []


def fragile(threads: int) -> Encoder:
    """Return an encoder that dies of images of one size, as a decoder with a fault would."""
    encoder = stand_in()

    def prepare(image: Image.Image) -> Any:
        return os._exit(1) if image.size == _FATAL else encoder.prepare(image)

    return replace(encoder, prepare=prepare)


def test_an_image_that_ends_its_worker_is_named_and_the_others_are_indexed(
    address: str, tmp_path: Path
) -> None:
    folder = tiny_images(tmp_path / "tiny", 10)
    Image.new("RGB", _FATAL).save(folder / "bad.png")
    encoder = stand_in()
    report = index("mine", folder, encoder, Cluster(address, encoder.key, fragile))
    assert (report.added, report.skipped) == (10, 1)
    [skipped] = open_folder("mine").skipped()
    assert skipped["reason"] == "bad.png ended the process that decoded it, 2 times."
    (folder / "bad.png").unlink()
    index("calm", folder, encoder)
    assert open_folder("mine").table.equals(open_folder("calm").table)


def full(threads: int) -> Encoder:
    """Return an encoder, and let the disk of its process be full."""

    def fsync(descriptor: int) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    os.fsync = fsync  # type: ignore[assignment] # called with descriptors alone
    return stand_in()


def test_a_full_disk_is_a_sentence_and_the_next_build_resumes(address: str, tmp_path: Path) -> None:
    folder, encoder = tiny_images(tmp_path / "tiny", 40), stand_in()
    with pytest.raises(CollectionError, match="No space left on device"):
        index("mine", folder, encoder, Cluster(address, encoder.key, full))
    assert index("mine", folder, encoder).added == 40


def slow(threads: int) -> Encoder:
    """Return an encoder of a few images a second."""
    encoder = stand_in()

    def prepare(image: Image.Image) -> Any:
        time.sleep(0.1)
        return encoder.prepare(image)

    return replace(encoder, prepare=prepare)


def test_a_stop_publishes_what_is_finished(address: str, tmp_path: Path) -> None:
    folder, encoder = tiny_images(tmp_path / "tiny", 90), stand_in()
    stop, seen = threading.Event(), list[BuildProgress]()

    def on_progress(now: BuildProgress) -> None:
        seen.append(now)
        if now.done >= _CHUNK:
            stop.set()

    job = BuildJob("mine", SourceSpec("folder", str(folder)))
    engine = Cluster(address, encoder.key, slow)
    first = build(job, encoder, on_progress, stop, engine=engine).manifest
    assert not first.complete
    assert _CHUNK <= first.rows < 90
    assert (seen[-2].done, seen[-2].total) == (first.rows, 90)
    second = index("mine", folder, encoder)
    assert (second.kept, second.manifest.rows) == (first.rows, 90)


@pytest.mark.parametrize(
    ("loads", "sentence"),
    [
        (partial(stand_in, "another"), "A worker of the Ray cluster runs"),
        (partial(os._exit, 1), "end before they are ready"),
    ],
)
def test_workers_that_cannot_help_are_a_sentence(
    address: str, tmp_path: Path, loads: Callable[..., Encoder], sentence: str
) -> None:
    folder, encoder = tiny_images(tmp_path / "tiny", 4), stand_in()
    with pytest.raises(ClusterError, match=sentence):
        index("mine", folder, encoder, Cluster(address, encoder.key, lambda threads: loads()))


def test_an_address_without_a_cluster_is_a_sentence(tmp_path: Path) -> None:
    folder, encoder = tiny_images(tmp_path / "tiny", 4), stand_in()
    with pytest.raises(ClusterError, match=r"There is no Ray cluster at 127\.0\.0\.1:9\."):
        index("none", folder, encoder, cluster("127.0.0.1:9", encoder))


def test_without_a_cluster_one_is_started_on_loopback(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("CAPTIONLENS_DATA", str(tmp_path / "data"))
    monkeypatch.setenv("RAY_ADDRESS", "127.0.0.1:9")  # of a cluster that is gone
    folder, encoder = tiny_images(tmp_path / "tiny", 10), stand_in()
    places: set[str] = set()

    def on_progress(now: BuildProgress) -> None:
        sockets = [each for each in psutil.net_connections("inet") if each.status == "LISTEN"]
        places.update(each.laddr.ip.removeprefix("::ffff:") for each in sockets)

    job = BuildJob("mine", SourceSpec("folder", str(folder)))
    engine = Cluster("auto", encoder.key, lambda threads: stand_in())
    assert build(job, encoder, on_progress, engine=engine).added == 10
    assert places == {"127.0.0.1"}
