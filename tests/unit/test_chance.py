"""The bank of everyday captions: what it is, and that it is encoded once."""

from pathlib import Path

import numpy as np
import pytest

from components.encoder import Encoder, chance, load
from components.encoder.runtimes.openvino import OpenVinoRuntime

pytestmark = pytest.mark.slow  # converts or trains a model


@pytest.fixture(scope="module")
def encoder() -> Encoder:
    return load("pocket")


@pytest.fixture
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("CAPTIONLENS_MODEL_CACHE", str(tmp_path))
    return tmp_path / "background"


def test_there_are_a_thousand_different_captions() -> None:
    captions = chance.bank_captions()
    assert len(captions) == len(set(captions)) == 1000
    assert all(caption == caption.strip() and len(caption) > 2 for caption in captions)


def test_it_is_encoded_once(encoder: Encoder, cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    first = chance.bank_vectors(encoder)
    monkeypatch.delattr(OpenVinoRuntime, "texts")
    np.testing.assert_array_equal(chance.bank_vectors(encoder), first)
    np.testing.assert_allclose(np.linalg.norm(first, axis=1), 1, rtol=1e-5)
    assert len(list(cache.iterdir())) == 1


@pytest.mark.parametrize("damage", [b"", b"\x93NUMPY", b"PK\x03\x04 not an array", None])
def test_a_damaged_file_is_replaced(encoder: Encoder, cache: Path, damage: bytes | None) -> None:
    first = chance.bank_vectors(encoder)
    file = next(cache.iterdir())
    if damage is None:
        np.save(file, first[:, :7])
    else:
        file.write_bytes(damage)
    np.testing.assert_array_equal(chance.bank_vectors(encoder), first)
    np.testing.assert_array_equal(np.load(file), first)


def test_a_cache_that_cannot_be_written_is_not_needed(encoder: Encoder, cache: Path) -> None:
    cache.write_bytes(b"a file where the folder should be")
    assert chance.bank_vectors(encoder).shape == (1000, encoder.recipe.width)


def test_another_precision_has_its_own_bank(encoder: Encoder, cache: Path) -> None:
    other = load("pocket", device="cpu", precision="bf16")
    chance.bank_vectors(encoder)
    chance.bank_vectors(other)
    assert len(list(cache.iterdir())) == 2
