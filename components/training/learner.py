"""What the loop trains: a learner, and the error that ends a run."""

from collections.abc import Iterator
from typing import Any, Protocol

from torch import nn

from components.errors import CaptionLensError


class TrainingError(CaptionLensError):
    """Training that cannot begin or go on, and why."""


class Learner(Protocol):
    """What is trained: a network, its batches, and how good it is."""

    @property
    def module(self) -> nn.Module:
        """The network; its weights are what a run writes."""

    def groups(self) -> list[dict[str, Any]]:
        """Return the optimizer's groups: "params", and "scale", a factor of the plan's rate."""

    def facts(self) -> dict[str, Any]:
        """Return what makes this run another run: settings and data, for JSON."""

    def steps(self, epoch: int) -> int:
        """Return how many batches an epoch has."""

    def batches(self, epoch: int, first: int) -> Iterator[Any]:
        """Yield an epoch's batches from number ``first`` on, the same ones every time."""

    def gradients(self, batch: Any) -> float:
        """Leave a batch's gradients in the parameters and return its loss."""

    def names(self, batch: Any) -> str:
        """Return what a batch holds, for a message."""

    def dev(self) -> float:
        """Return how good the module is on dev now: more is better."""
