"""Gradient-weighted attention finds the patch that a transformer was trained to detect."""

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import torch

from components.encoder.runtimes.towers import unwrap
from components.explain.attention import AttentionTower, NoAttentionError
from components.models import Located, has_transformer, locate, resolve
from tests import checkpoints

pytestmark = pytest.mark.slow  # converts or trains a model

SIDE, PATCH = checkpoints.SIDE, 8
GRID = SIDE // PATCH


def located(family: str, folder: Path) -> Located:
    return locate(resolve(str(checkpoints.write(family, folder / family))))


def squares(rng: np.random.Generator, number: int) -> tuple[np.ndarray, np.ndarray]:
    """Return images of faint noise with one white patch each, and where: (row, column)."""
    images = rng.integers(0, 60, (number, SIDE, SIDE, 3), dtype=np.uint8)
    places = rng.integers(0, GRID, (number, 2))
    for image, (row, column) in zip(images, places, strict=True):
        image[row * PATCH : (row + 1) * PATCH, column * PATCH : (column + 1) * PATCH] = 255
    return images, places


def teach(tower: AttentionTower, text: torch.Tensor) -> None:
    """Train the tower to give images with a white patch a cosine of 0.6 with ``text``, others -0.6.

    Not 1: there the gradients vanish.
    """
    inner = tower._tower.requires_grad_(requires_grad=True)
    adam = torch.optim.Adam(inner.parameters(), lr=3e-3)
    rng = np.random.default_rng(0)
    for _ in range(120):
        images, _ = squares(rng, 32)
        images[::2] = rng.integers(0, 60, images[::2].shape, dtype=np.uint8)
        targets = torch.full((32,), 0.6)
        targets[::2] = -0.6
        features = unwrap(tower._forward(torch.from_numpy(images)))
        cosines = torch.nn.functional.normalize(features, dim=-1) @ text
        adam.zero_grad()
        (targets - cosines).square().mean().backward()  # type: ignore[no-untyped-call]
        adam.step()
    adam.zero_grad()
    inner.requires_grad_(requires_grad=False)


@pytest.fixture(scope="module", params=["clip", "siglip", "vision-text-dual-encoder"])
def taught(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[tuple[AttentionTower, np.ndarray]]:
    """A class token (CLIP's, ViT's) and an attention pool (SigLIP's)."""
    torch.manual_seed(0)
    tower = AttentionTower(located(request.param, tmp_path_factory.mktemp("taught")))
    width = 32 if request.param == "siglip" else 24
    text = np.eye(width, dtype=np.float32)[0]
    teach(tower, torch.from_numpy(text))
    yield tower, text


def test_it_finds_the_patch(taught: tuple[AttentionTower, np.ndarray]) -> None:
    tower, text = taught
    images, places = squares(np.random.default_rng(1), 40)
    hits = 0
    for image, (row, column) in zip(images, places, strict=True):
        relevance = tower.relevance(image, text)
        assert relevance.shape == (GRID, GRID)
        assert relevance.min() >= 0
        hits += divmod(int(relevance.argmax()), GRID) == (row, column)
    assert hits >= 30  # at random: 2.5


def test_it_leaves_no_gradients_behind(taught: tuple[AttentionTower, np.ndarray]) -> None:
    tower, text = taught
    image = squares(np.random.default_rng(2), 1)[0][0]
    before = tower.relevance(image, text)
    with torch.no_grad():  # as callers may be in
        np.testing.assert_array_equal(tower.relevance(image, text), before)
        assert not torch.is_grad_enabled()
    assert before.max() > 0
    assert not any(each.requires_grad for each in tower._tower.parameters())
    assert all(each.grad is None for each in tower._tower.parameters())


@pytest.mark.parametrize("family", ["chinese_clip", "altclip"])
def test_other_families_have_maps(family: str, tmp_path: Path) -> None:
    tower = AttentionTower(located(family, tmp_path))
    text = np.eye(24, dtype=np.float32)[3]
    relevance = tower.relevance(squares(np.random.default_rng(0), 1)[0][0], text)
    assert relevance.shape == (GRID, GRID)
    assert relevance.max() > 0


def test_a_network_without_attention_says_so() -> None:
    pocket = locate(resolve("pocket"))
    assert not has_transformer(pocket)
    with pytest.raises(NoAttentionError, match="Pocket is not a vision transformer"):
        AttentionTower(pocket)


def test_a_tower_of_variable_size_says_so(tmp_path: Path) -> None:
    place = located("siglip2", tmp_path)
    with pytest.raises(NoAttentionError, match="not a vision transformer of fixed input size"):
        AttentionTower(place)
