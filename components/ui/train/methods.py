"""The methods that the Train page offers, and the job that each makes."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

from components.encoder import Encoder, best_device
from components.training import dual
from components.training.densenet_lstm import Margin
from components.training.dual import LossName, Trains, Tuning
from components.training.jobs import DenseNetLstmJob, DualJob, Job, PairMatcherJob
from components.training.loader import Decoding
from components.training.plan import Plan


@dataclass(frozen=True)
class Details:
    """What a person chooses beside the method."""

    epochs: int
    batch: int
    rate: float
    loss: LossName
    seed: int

    def plan(self, optimizer: Literal["adamw", "adam"] = "adamw") -> Plan:
        device = best_device()
        return Plan(self.epochs, self.rate, optimizer=optimizer, seed=self.seed, device=device)


@dataclass(frozen=True)
class Method:
    """A way to train; ``decoding`` and ``job`` are given the page's model."""

    summary: str
    decoding: Callable[[Encoder], Decoding]  # raises TrainingError where images vary in size
    job: Callable[[Encoder, Details], Job]
    rate: float = 1e-3  # the default learning rate
    chooses_loss: bool = False


def _fine_tuning(trains: Trains, rate: float, summary: str) -> Method:
    def job(encoder: Encoder, details: Details) -> Job:
        tuning = Tuning(trains, loss=details.loss, batch=details.batch)
        return DualJob(details.plan(), encoder.spec.id, tuning)

    def decoding(encoder: Encoder) -> Decoding:
        return dual.decoding(encoder.recipe, encoder.spec.name)

    return Method(summary, decoding, job, rate, chooses_loss=True)


def _pair_matcher(encoder: Encoder, details: Details) -> Job:
    return PairMatcherJob(details.plan("adam"), details.batch)


def _densenet_lstm(encoder: Encoder, details: Details) -> Job:
    return DenseNetLstmJob(details.plan("adam"), Margin(details.batch, train_backbone=True))


METHODS = {
    "Projections only": _fine_tuning(
        "projections",
        1e-4,
        "Trains only the projections into the shared embedding space. The fastest method.",
    ),
    "Last two layers": _fine_tuning(
        "last", 2e-5, "Trains the last two layers of each tower, and the projections."
    ),
    "LoRA": _fine_tuning(
        "lora",
        2e-4,
        "Trains low-rank matrices that are added to every linear layer (Hu et al. 2022). The"
        " original weights stay frozen, so the model forgets little.",
    ),
    "Everything": _fine_tuning(
        "full",
        1e-5,
        "Trains all weights. The slowest method, and the one that can change the model most; with"
        " few pairs it also forgets most.",
    ),
    "CNN + BiLSTM, new": Method(
        "Trains a new pair matcher from random weights. It scores pairs, has no vectors, and needs"
        " thousands of pairs.",
        lambda encoder: PairMatcherJob.decoding(),
        _pair_matcher,
    ),
    "DenseNet + LSTM, new": Method(
        "Trains a new model with vectors from random weights. It needs thousands of pairs.",
        lambda encoder: DenseNetLstmJob.decoding(),
        _densenet_lstm,
    ),
}
