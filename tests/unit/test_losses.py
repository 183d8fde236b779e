"""Losses against values computed by hand, in plain numpy."""

import numpy as np
import pytest
import torch

from components.training import losses

COSINES = np.array([[0.8, 0.7, 0.1], [0.3, 0.5, 0.9], [0.2, 0.4, 0.6]])


def vectors() -> tuple[torch.Tensor, torch.Tensor]:
    """Return images and texts whose product is COSINES: the losses use nothing else."""
    return torch.from_numpy(COSINES), torch.eye(3, dtype=torch.float64)


def test_info_nce_by_hand() -> None:
    logits = 5 * COSINES
    image_to_text = np.log(np.exp(logits).sum(axis=1)) - np.diag(logits)
    text_to_image = np.log(np.exp(logits).sum(axis=0)) - np.diag(logits)
    loss = losses.info_nce(*vectors(), torch.tensor(5.0))
    assert float(loss) == pytest.approx((image_to_text.mean() + text_to_image.mean()) / 2)


def test_info_nce_of_identical_pairs_is_log_n() -> None:
    same = torch.ones(4, 2) / 2**0.5
    assert float(losses.info_nce(same, same, torch.tensor(10.0))) == pytest.approx(np.log(4))


def test_sigmoid_by_hand() -> None:
    logits = 10 * COSINES - 3
    labels = 2 * np.eye(3) - 1
    expected = np.log1p(np.exp(-labels * logits)).sum() / 3
    loss = losses.sigmoid(*vectors(), torch.tensor(10.0), torch.tensor(-3.0))
    assert float(loss) == pytest.approx(expected)


def test_the_sum_of_triplets_by_hand() -> None:
    # rows: 0.2 + 0.7 - 0.8 = 0.1; 0.2 + 0.3 - 0.5 = 0, 0.2 + 0.9 - 0.5 = 0.6; 0.2 + 0.4 - 0.6 = 0
    # columns: none; 0.2 + 0.7 - 0.5 = 0.4, 0.2 + 0.4 - 0.5 = 0.1; 0.2 + 0.9 - 0.6 = 0.5
    loss = losses.triplet(*vectors(), negatives="all")
    assert float(loss) == pytest.approx((0.1 + 0.6 + 0.4 + 0.1 + 0.5) / 3)


def test_the_hardest_triplets_by_hand() -> None:
    loss = losses.triplet(*vectors(), negatives="hardest")
    assert float(loss) == pytest.approx((0.1 + 0.6 + 0.4 + 0.5) / 3)


def test_semi_hard_triplets_by_hand() -> None:
    # rows: the hardest below 0.8 is 0.7: 0.1; below 0.5 only 0.3: 0; below 0.6 is 0.4: 0
    # columns: below 0.8 is 0.3: 0; below 0.5 is 0.4: 0.1; below 0.6 is 0.1: 0
    loss = losses.triplet(*vectors(), negatives="semi-hard")
    assert float(loss) == pytest.approx((0.1 + 0.1) / 3)


def test_semi_hard_falls_back_to_the_hardest_where_none_is_below() -> None:
    cosines = torch.tensor([[0.1, 0.9], [0.8, 0.2]], dtype=torch.float64)
    loss = losses.triplet(cosines, torch.eye(2, dtype=torch.float64), negatives="semi-hard")
    expected = (0.2 + 0.9 - 0.1) + (0.2 + 0.8 - 0.2) + (0.2 + 0.8 - 0.1) + (0.2 + 0.9 - 0.2)
    assert float(loss) == pytest.approx(expected / 2)


@pytest.mark.parametrize("name", ["info_nce", "sigmoid", "triplet"])
def test_minimising_a_loss_ranks_every_pair_first(name: str) -> None:
    torch.manual_seed(0)
    images, texts = (torch.randn(8, 16, requires_grad=True) for _ in "ab")
    adam = torch.optim.Adam([images, texts], lr=0.05)
    scalars = {"info_nce": (10.0,), "sigmoid": (10.0, -5.0), "triplet": ()}[name]
    for _ in range(150):
        units = [torch.nn.functional.normalize(each, dim=-1) for each in (images, texts)]
        loss = getattr(losses, name)(*units, *map(torch.tensor, scalars))
        adam.zero_grad()
        loss.backward()
        adam.step()
    cosines = (
        torch.nn.functional.normalize(images, dim=-1)
        @ torch.nn.functional.normalize(texts, dim=-1).T
    )
    assert (cosines.argmax(dim=1) == torch.arange(8)).all()
