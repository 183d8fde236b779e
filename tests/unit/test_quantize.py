"""Int8: made once, measured against float32, and the default only where it keeps the ranking."""

from pathlib import Path

import numpy as np
import pytest

from components.encoder import load
from components.encoder.runtimes import RuntimeUnavailable, int8, openvino, prepared
from components.encoder.runtimes.prepared import int8_check, prepare_int8, prepared_folder
from components.images import decode, sample_sources
from components.models import Located, locate, resolve
from tests import checkpoints

pytestmark = pytest.mark.slow  # converts a model


@pytest.fixture(scope="module")
def located(tmp_path_factory: pytest.TempPathFactory) -> Located:
    """A tiny CLIP with random weights."""
    return locate(resolve(str(checkpoints.write("clip", tmp_path_factory.mktemp("clip")))))


@pytest.fixture
def without_bf16(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(openvino, "_capabilities", lambda: ["FP32", "INT8"])


def test_the_image_tower_is_quantised_once_and_measured(located: Located) -> None:
    load(located, precision="f32")
    assert int8_check(located) is None
    check = prepare_int8(located)
    graph = prepared_folder(located) / int8.GRAPH
    made = graph.stat().st_mtime_ns
    assert check == int8_check(located) == prepare_int8(located)
    assert graph.stat().st_mtime_ns == made
    assert "FakeQuantize" in graph.read_text(encoding="utf-8")
    images = [decode(source)[1] for source in sample_sources()]
    exact, narrow = (load(located, precision=name) for name in ("f32", "int8"))
    assert narrow.runtime.precision == "int8"
    cosines = (exact.images(images) * narrow.images(images)).sum(axis=1)
    assert check.cosine == pytest.approx(cosines.min(), abs=2e-3)
    assert 0.9 < check.cosine < 1
    assert 0.5 < check.correlation <= 1
    np.testing.assert_array_equal(exact.texts(["a cat"]), narrow.texts(["a cat"]))


@pytest.mark.usefixtures("without_bf16")
def test_int8_is_the_default_of_a_cpu_without_bf16_where_the_ranking_is_kept(
    located: Located, monkeypatch: pytest.MonkeyPatch
) -> None:
    prepare_int8(located)
    for limit, expected in ((0.0, "int8"), (1.1, "f32")):
        monkeypatch.setattr(int8, "MIN_CORRELATION", limit)
        monkeypatch.setattr(int8, "MIN_COSINE", 0.0)
        assert load(located).runtime.precision == expected


@pytest.mark.usefixtures("without_bf16")
def test_what_cannot_be_quantised_runs_in_float32_on_openvino(
    located: Located, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(_: Located) -> int8.Int8Check:
        raise RuntimeUnavailable("NNCF cannot quantise it")

    monkeypatch.setattr(prepared, "prepare_int8", refuse)
    encoder = load(located)
    assert (encoder.runtime.precision, encoder.note) == ("f32", "")
    assert encoder.runtime.library.startswith("OpenVINO")


def test_a_convolutional_model_stays_in_float32(without_bf16: None) -> None:
    assert load("pocket").runtime.precision == "f32"


def test_the_check_is_told_in_words(tmp_path: Path) -> None:
    assert int8.read_check(tmp_path) is None
    kept, lost = int8.Int8Check(0.999, 0.995), int8.Int8Check(0.98, 0.995)
    assert kept.sentence().startswith("int8 kept: rank correlation with f32 0.9990 (at least")
    assert lost.sentence().startswith("int8 not used by default: ")
