"""Downloads ask first, stop, resume and are whole; every failure is one sentence."""

import errno
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from components import models
from components.models import Located, Progress, download, hub
from components.models.catalogue import OPENAI
from components.models.hub_errors import HubError, Stopped
from tests.hub_server import HubServer

WEIGHTS = bytes(range(256)) * 8000  # 2 MB
CONFIG = b'{"model_type": "clip"}'
CLIP = {
    "config.json": CONFIG,
    "tokenizer.json": b"{}",
    "model.safetensors": WEIGHTS,
    "pytorch_model.bin": b"pickle",
    "onnx/model.onnx": b"other",
    "README.md": b"words",
}
NAME = "org/clip"


@pytest.fixture
def server(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[HubServer]:
    monkeypatch.setenv("CAPTIONLENS_MODEL_CACHE", str(tmp_path))
    monkeypatch.setattr(download, "_PAUSE", 0.01)
    monkeypatch.setattr(hub, "PATIENCE", 1.0)
    monkeypatch.setattr(download, "PATIENCE", 1.0)
    with HubServer({NAME: CLIP}) as started:
        monkeypatch.setenv("HF_ENDPOINT", started.url)
        yield started


def fetch(name: str = NAME, seen: list[Progress] | None = None) -> Located:
    reports: list[Progress] = [] if seen is None else seen
    return models.fetch(
        models.plan_download(models.resolve(name)), reports.append, threading.Event()
    )


def test_a_plan_gives_sizes_and_revision_and_fetches_no_weights(server: HubServer) -> None:
    plan = models.plan_download(models.resolve(NAME))
    size = len(CONFIG) + 2 + len(WEIGHTS)
    assert (plan.files, plan.total_bytes, plan.missing_bytes) == (3, size, size)
    assert plan.revision == server.commit(NAME)
    assert not server.asked_for("model.safetensors")


def test_a_download_is_located_with_only_the_files_that_are_needed(server: HubServer) -> None:
    seen: list[Progress] = []
    located = fetch(seen=seen)
    assert located.revision == server.commit(NAME)
    assert {file.name for file in located.image.iterdir()} == {
        "config.json",
        "tokenizer.json",
        "model.safetensors",
    }
    assert (located.image / "model.safetensors").read_bytes() == WEIGHTS
    assert seen[-1].done_bytes == seen[-1].total_bytes
    assert models.locate(models.resolve(NAME)) == located


def test_the_revision_stays_when_the_hub_moves_on(server: HubServer) -> None:
    located = fetch()
    server.repos[NAME] = {**CLIP, "model.safetensors": WEIGHTS + b"new"}
    assert models.plan_download(models.resolve(NAME)).missing_bytes == 0
    assert fetch().revision == located.revision


def test_stopping_takes_effect_soon_and_resuming_requests_only_the_rest(
    server: HubServer,
) -> None:
    server.bytes_per_second = len(WEIGHTS) / 4
    stop, seen = threading.Event(), list[Progress]()
    threading.Timer(1.0, stop.set).start()
    began = time.monotonic()
    with pytest.raises(Stopped, match="it can be resumed"):
        models.fetch(models.plan_download(models.resolve(NAME)), seen.append, stop)
    assert time.monotonic() - began < 3.5
    assert len(seen) >= 3
    assert seen[-1].bytes_per_second > 0
    assert seen[-1].seconds_left is not None
    assert not models.is_on_disk(models.resolve(NAME))
    server.bytes_per_second = None
    rest = models.plan_download(models.resolve(NAME))
    assert 0 < rest.missing_bytes < rest.total_bytes
    assert (fetch().image / "model.safetensors").read_bytes() == WEIGHTS
    assert any(request.range for request in server.asked_for("model.safetensors"))


def test_stopping_leaves_a_silent_hub_at_once(
    server: HubServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(download, "PATIENCE", 20.0)
    server.silent_after = 500_000
    stop, seen = threading.Event(), list[Progress]()
    threading.Timer(0.8, stop.set).start()
    began = time.monotonic()
    with pytest.raises(Stopped):
        models.fetch(models.plan_download(models.resolve(NAME)), seen.append, stop)
    assert time.monotonic() - began < 2.3
    assert max(report.done_bytes for report in seen) >= 500_000
    server.silent_after = None
    assert (fetch().image / "model.safetensors").read_bytes() == WEIGHTS


def test_a_page_that_goes_away_ends_the_download_and_its_lock(server: HubServer) -> None:
    def leave(progress: Progress) -> None:
        raise KeyboardInterrupt

    server.bytes_per_second = len(WEIGHTS) / 4
    with pytest.raises(KeyboardInterrupt):
        models.fetch(models.plan_download(models.resolve(NAME)), leave, threading.Event())
    assert not any(thread.name.startswith("download") for thread in threading.enumerate())
    server.bytes_per_second = None
    fetch()


def test_reports_come_often_and_never_count_more_than_there_is(server: HubServer) -> None:
    server.bytes_per_second = len(WEIGHTS)
    seen: list[Progress] = []
    fetch(seen=seen)
    counts = [report.done_bytes for report in seen]
    assert len(seen) >= 4
    assert counts == sorted(counts)
    assert counts[-1] == seen[-1].total_bytes
    assert seen[0].seconds_left is None


def test_broken_connections_are_taken_up_again_where_they_broke(server: HubServer) -> None:
    server.cut_after, server.cuts = 500_000, 3
    assert (fetch().image / "model.safetensors").read_bytes() == WEIGHTS
    ranges = {request.range for request in server.asked_for("model.safetensors")}
    assert len(ranges) == 4
    assert "bytes=500000-" in ranges


def test_shards_are_fetched_and_other_variants_are_not(server: HubServer) -> None:
    shards = [f"model-0000{number}-of-00002.safetensors" for number in (1, 2)]
    server.repos["org/large"] = {
        "config.json": CONFIG,
        "model.safetensors.index.json": b"{}",
        "model.fp16.safetensors": b"variant",
        **dict.fromkeys(shards, b"shard"),
    }
    names = {file.name for file in fetch("org/large").image.iterdir()}
    assert names == {"config.json", "model.safetensors.index.json", *shards}


def test_where_the_main_branch_has_pickles_the_known_conversion_is_taken(
    server: HubServer,
) -> None:
    commit = "b527df4b30e5cc18bde1cc712833a741d2d8c362"
    server.repos[OPENAI] = {"config.json": CONFIG, "pytorch_model.bin": b"pickle"}
    server.commits[OPENAI, commit] = CLIP
    assert fetch(OPENAI).revision == commit
    assert not server.asked_for("pytorch_model.bin")


def test_a_server_without_ranges_starts_again_and_counts_again(server: HubServer) -> None:
    server.cut_after, server.cuts, server.ignores_range = 1_500_000, 1, True
    server.bytes_per_second = 2 * len(WEIGHTS)
    seen: list[Progress] = []
    assert (fetch(seen=seen).image / "model.safetensors").read_bytes() == WEIGHTS
    assert max(report.done_bytes for report in seen) == seen[-1].total_bytes


def test_damaged_bytes_are_thrown_away(server: HubServer) -> None:
    server.damages_weights = True
    with pytest.raises(HubError, match="was damaged in transit"):
        fetch()
    assert not models.is_on_disk(models.resolve(NAME))
    server.damages_weights = False
    fetch()


def test_a_pair_is_downloaded_as_two_parts_with_its_dense_layer(server: HubServer) -> None:
    server.repos["org/text"] = {
        "modules.json": b"[]",
        "config.json": b'{"model_type": "distilbert"}',
        "model.safetensors": b"text",
        "2_Dense/config.json": b"{}",
        "2_Dense/model.safetensors": b"dense",
        "openvino/openvino_model.bin": b"other",
    }
    located = fetch("org/text + org/clip")
    assert located.text is not None
    assert (located.text / "2_Dense/model.safetensors").read_bytes() == b"dense"
    assert not (located.text / "openvino").exists()
    assert "+" in located.revision


def _sentence(name: str = NAME) -> str:
    with pytest.raises(HubError) as caught:
        fetch(name)
    assert not models.is_on_disk(models.resolve(name))
    sentence = str(caught.value)
    assert name in sentence
    assert "\n" not in sentence
    return sentence


def test_an_unknown_id_is_sentence(server: HubServer) -> None:
    assert "The Hub has no model no/body" in _sentence("no/body")


def test_a_gated_model_is_sentence(server: HubServer) -> None:
    server.gated = {NAME}
    assert "requires accepting its terms" in _sentence()


def test_a_failing_hub_is_sentence(server: HubServer) -> None:
    server.status = 500
    assert "failed with a server error (500)" in _sentence()


def test_a_hub_that_fails_over_a_file_is_sentence(server: HubServer) -> None:
    server.file_status = 503
    assert "(503)" in _sentence()


def test_a_silent_hub_is_sentence(server: HubServer) -> None:
    server.silent_after = 0
    assert "stopped responding" in _sentence()


def test_no_network_is_sentence(server: HubServer, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HF_ENDPOINT", "http://127.0.0.1:9")
    assert "cannot be reached" in _sentence()


def test_offline_mode_is_sentence(server: HubServer, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    assert "HF_HUB_OFFLINE" in _sentence()


def test_what_is_no_hub_is_sentence(server: HubServer) -> None:
    server.status = 200
    assert "is not the Hub" in _sentence()


def test_what_is_no_dual_encoder_is_reported_before_its_weights(server: HubServer) -> None:
    server.repos["org/bert"] = {**CLIP, "config.json": b'{"model_type": "bert"}'}
    assert "is not a dual encoder" in _sentence("org/bert")
    assert not server.asked_for("model.safetensors")


def test_pickled_weights_are_refused_before_any_byte(server: HubServer) -> None:
    server.repos["org/old"] = {"config.json": CONFIG, "pytorch_model.bin": b"pickle"}
    assert "pickles" in _sentence("org/old")
    assert not server.asked_for("pytorch_model.bin")


def test_too_small_a_disk_is_reported_before_the_download(
    server: HubServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Usage:
        free = 1_000_000

    monkeypatch.setattr("components.models.download.shutil.disk_usage", lambda place: Usage)
    with pytest.raises(HubError, match="the disk has 1 MB free"):
        fetch()
    assert not server.asked_for("model.safetensors")


def test_a_full_disk_is_reported_and_the_download_resumes_later(
    server: HubServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(transfer: object, part: object, file: object, half: Path) -> None:
        raise OSError(errno.ENOSPC, "No space left on device", str(half))

    with monkeypatch.context() as patch:
        patch.setattr("components.models.download._Transfer._stream", full)
        assert "The disk is full" in _sentence()
    assert fetch().image.is_dir()


def test_two_windows_at_once_give_one_whole_download(server: HubServer) -> None:
    server.bytes_per_second = len(WEIGHTS)
    fetched: list[Located] = []
    threads = [threading.Thread(target=lambda: fetched.append(fetch())) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(fetched) == 2
    assert (fetched[0].image / "model.safetensors").read_bytes() == WEIGHTS
