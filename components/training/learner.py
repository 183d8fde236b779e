"""The learner that the training loop drives, and what learners of images with captions share."""

from collections.abc import Iterator, Sequence
from typing import Any, Protocol

import torch
from torch import Tensor, nn

from components.encoder import CaptionTokenizer
from components.errors import CaptionLensError
from components.training.loader import Batch, TrainDev, batches, steps
from components.training.plan import Plan


class TrainingError(CaptionLensError):
    """Training cannot start or continue; the message says why."""


class Learner(Protocol):
    """A network, its batches, its loss and its dev figure."""

    @property
    def module(self) -> nn.Module:
        """The network; a run writes its weights."""

    def groups(self) -> list[dict[str, Any]]:
        """Return the optimizer's groups: "params", and "scale", a factor of the plan's rate."""

    def identity(self) -> dict[str, Any]:
        """Return the settings and data, for JSON; only a run with equal ones is resumed."""

    def steps(self, epoch: int) -> int:
        """Return the number of batches in an epoch."""

    def batches(self, epoch: int, first: int) -> Iterator[Any]:
        """Yield an epoch's batches from number ``first`` on, the same ones every time."""

    def gradients(self, batch: Any) -> float:
        """Leave a batch's gradients in the parameters and return its loss."""

    def names(self, batch: Any) -> str:
        """Return the images of a batch by name, for an error message."""

    def dev(self) -> float:
        """Return the dev figure of the current weights: higher is better."""


class BatchLearner:
    """What learners share whose batch is images, each with one of its captions."""

    def __init__(
        self, module: Any, reader: CaptionTokenizer, images: TrainDev, plan: Plan, batch: int
    ) -> None:
        """Train on the first of ``images``, ``batch`` pairs a step; measure on the second."""
        self.module, self.reader, self.plan, self.batch = module, reader, plan, batch
        self.train, self.dev_set = images

    def data(self) -> dict[str, Any]:
        """Return the data's part of `Learner.identity`."""
        return {"data": self.train.key, "dev": self.dev_set.key}

    def steps(self, epoch: int) -> int:
        return steps(self.train, self.batch)

    def batches(self, epoch: int, first: int) -> Iterator[Batch]:
        return batches(self.train, self.batch, self.plan.seed, epoch, first)

    def names(self, batch: Batch) -> str:
        return self.train.names(batch.rows)

    def tokens(self, captions: Sequence[str]) -> tuple[Tensor, Tensor]:
        """Return padded ids and mask (n, length) of captions, on the plan's device."""
        ids, mask = map(torch.from_numpy, self.reader.batch(captions))
        return ids.to(self.plan.device), mask.to(self.plan.device)


def unit(rows: Tensor) -> Tensor:
    """Return float32 rows (n, width) divided by their Euclidean norms."""
    return nn.functional.normalize(rows.float(), dim=-1)
