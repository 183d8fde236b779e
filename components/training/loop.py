"""The training loop of all learners: a run can be stopped at any time and resumed.

No random state outlives a step: each step is seeded by its number, each epoch's batches by the
epoch's. So a resumed run ends with the same weights as an uninterrupted one.
"""

import ctypes
import json
import math
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Literal

import torch
from filelock import FileLock, Timeout
from safetensors import SafetensorError, safe_open
from safetensors.torch import load_file, save
from torch import Tensor, nn

from components.files import write_bytes
from components.training.learner import Learner, TrainingError
from components.training.log import Log
from components.training.plan import Plan
from components.training.weights import (
    below_prefix,
    copied,
    float_copies,
    learned_weights,
    load_learned,
)

CHECKPOINT, BEST, LOG = "checkpoint.safetensors", "best.safetensors", "log.csv"
LOCK = "lock"
_MAX_UNSAVED = 30.0  # seconds after which a step writes a checkpoint
_SAVING = 0.05  # share of the time that writing checkpoints may take: those of CLIP have gigabytes
_RECENT = 20  # steps whose mean duration gives the time left
_TRIM_THRESHOLD, _MMAP_THRESHOLD = -1, -3  # mallopt's parameters, from malloc.h


@dataclass(frozen=True)
class Step:
    """The optimizer took step ``number`` of ``total``."""

    number: int
    total: int
    epoch: int
    loss: float
    rate: float
    seconds_left: float


@dataclass(frozen=True)
class Dev:
    """The dev figure after an epoch."""

    number: int
    epoch: int
    figure: float
    is_best: bool


@dataclass(frozen=True)
class Ended:
    """Training has ended; the weights with the best dev figure are in `BEST`."""

    why: Literal["finished", "stopped early"]
    best: float


def train(learner: Learner, plan: Plan, out: Path) -> Iterator[Step | Dev | Ended]:
    """Yield each step, each epoch's dev figure, and finally how the run ended.

    Resumes from the checkpoint in ``out`` where there is one. Closing the iterator stops the run
    after writing a checkpoint. Raises TrainingError where ``out`` holds another run, is in use by
    another process or cannot be written, and at the first loss or gradient that is not finite,
    naming the batch.
    """
    keep_freed_memory()
    with _writing(out), _locked(out):
        run = _Run(learner, plan, out)
        try:
            yield from run.events()
        except GeneratorExit:
            run.save()
            raise


@contextmanager
def _writing(out: Path) -> Iterator[None]:
    """Turn the error of a full or read-only disk into a sentence."""
    try:
        yield
    except OSError as error:
        raise TrainingError(
            f"{out.name} cannot be written: {error.strerror or error}. The last checkpoint, if"
            " there is one, is kept: the run can be resumed from it."
        ) from error


@contextmanager
def _locked(out: Path) -> Iterator[None]:
    """Hold a run's folder. Raises TrainingError where another process has it."""
    out.mkdir(parents=True, exist_ok=True)
    try:
        with FileLock(out / LOCK, timeout=0):
            yield
    except Timeout:
        raise TrainingError(
            f"{out.name} is in use by another training run. Wait for it, or use another folder."
        ) from None


def keep_freed_memory() -> None:
    """Keep the memory that a step frees for the next step, where glibc manages it.

    By default glibc maps fresh pages for every large tensor, which the kernel must clear. The
    process keeps its peak size until it ends. ``cli.py bench train`` measures both.
    """
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None) if sys.platform == "linux" else None
    if mallopt:
        mallopt(_MMAP_THRESHOLD, 2**30)
        mallopt(_TRIM_THRESHOLD, -1)


def count_steps(learner: Learner, plan: Plan) -> list[int]:
    """Return the steps of each epoch. Raises TrainingError where there are none."""
    counts = [learner.steps(epoch) for epoch in range(plan.epochs)]
    if not any(counts):
        raise TrainingError(
            "The data hold less than one batch of pairs: add pairs, or use a smaller batch."
        )
    return counts


class _Run:
    """A run's state between two steps; a checkpoint holds all of it."""

    def __init__(self, learner: Learner, plan: Plan, out: Path) -> None:
        self.learner, self.plan, self.out = learner, plan, out
        learner.module.to(plan.device)
        self.optimizer = _optimizer(learner, plan)
        self.average = float_copies(learned_weights(learner.module)) if plan.average else {}
        self.step, self.best, self.best_epoch, self.ended = 0, -math.inf, 0, False
        self.counts = count_steps(learner, plan)
        self.total = sum(self.counts)
        # through JSON, so that it compares equal with a checkpoint's
        self.identity = json.loads(json.dumps({**asdict(plan), **learner.identity()}))
        self.log = Log(out / LOG)
        if (out / CHECKPOINT).is_file():
            self._load()
        self.times: list[float] = []
        self.saved, self.saving = time.monotonic(), 0.0  # the last checkpoint: when, how long

    def events(self) -> Iterator[Step | Dev | Ended]:
        """Yield the remaining events of the run."""
        epoch, first = self._place()
        while not self._is_over(epoch):
            for batch in self.learner.batches(epoch, first):
                yield self._take(batch, epoch)
                if self.step % self.plan.checkpoint_every == 0 or self._is_due():
                    self.save()
            yield self._measure(epoch)
            epoch, first = epoch + 1, 0
            if self._is_due() or self._is_over(epoch):
                self.save()
        yield Ended("finished" if self.step == self.total else "stopped early", self.best)

    def _is_due(self) -> bool:
        """Return whether a kill would now lose too much."""
        return time.monotonic() - self.saved > max(_MAX_UNSAVED, self.saving / _SAVING)

    def _is_over(self, epoch: int) -> bool:
        return self.ended or epoch == self.plan.epochs

    def _place(self) -> tuple[int, int]:
        """Return the epoch and the number of its batch that come next."""
        epoch, left = 0, self.step
        while epoch < self.plan.epochs and left >= self.counts[epoch]:
            left -= self.counts[epoch]
            epoch += 1
        if left == 0 and epoch and epoch - 1 not in self.log.measured():
            return epoch - 1, self.counts[epoch - 1]  # all batches are done, dev is not measured
        return epoch, left

    def _take(self, batch: Any, epoch: int) -> Step:
        began = time.perf_counter()
        torch.manual_seed(self.plan.seed * 1_000_003 + self.step)
        rate = self._set_rate()
        self.learner.module.train()
        self.optimizer.zero_grad(set_to_none=True)
        bf16 = self.plan.precision == "bf16"
        with torch.autocast(self.plan.device, torch.bfloat16, enabled=bf16):
            loss = self.learner.gradients(batch)
        norm = nn.utils.clip_grad_norm_(self.learner.module.parameters(), self.plan.clip)
        if not math.isfinite(loss) or not bool(norm.isfinite()):
            raise TrainingError(
                f"The loss or gradient of step {self.step + 1} is not a finite number, on"
                f" {self.learner.names(batch)}. Try a lower learning rate."
            )
        self.optimizer.step()
        self._update_average()
        self.step += 1
        seconds = time.perf_counter() - began
        self.times = [*self.times[1 - _RECENT :], seconds]
        self.log.add(self.step, epoch, loss=loss, rate=rate, seconds=seconds)
        left = (self.total - self.step) * sum(self.times) / len(self.times)
        return Step(self.step, self.total, epoch, loss, rate, left)

    def _set_rate(self) -> float:
        """Set and return the rate of this step: linear warm-up, then cosine decay to 0."""
        rise = max(1, round(self.plan.warmup * self.total))
        share = (self.step - rise) / max(1, self.total - rise)
        factor = (self.step + 1) / rise if share < 0 else (1 + math.cos(math.pi * share)) / 2
        for group in self.optimizer.param_groups:
            group["lr"] = self.plan.rate * factor * group["scale"]
        return self.plan.rate * factor

    def _update_average(self) -> None:
        """Update the moving average of the weights, faster in the first steps."""
        pace = min(self.plan.average, (1 + self.step) / (10 + self.step))
        state = learned_weights(self.learner.module)
        for name, value in self.average.items():
            value.lerp_(state[name], 1 - pace)

    def _measure(self, epoch: int) -> Dev:
        """Measure dev, with the averaged weights if there are any, and keep the best weights."""
        module = self.learner.module
        weights = float_copies(learned_weights(module))
        module.load_state_dict(self.average, strict=False)
        module.eval()
        try:
            with torch.inference_mode():
                figure = self.learner.dev()
            is_best = figure > self.best
            if is_best:
                self.best, self.best_epoch = figure, epoch
                write_bytes(self.out / BEST, save(copied(learned_weights(module))))
        finally:
            module.load_state_dict(weights, strict=False)
        self.log.add(self.step, epoch, dev=figure)
        patience = self.plan.patience
        self.ended = bool(patience) and epoch - self.best_epoch >= patience
        return Dev(self.step, epoch, figure, is_best)

    def save(self) -> None:
        """Write the checkpoint atomically, then the log."""
        began = time.monotonic()
        learned = learned_weights(self.learner.module)
        tensors = {f"module.{name}": value for name, value in learned.items()}
        tensors |= {f"average.{name}": value for name, value in self.average.items()}
        for index, values in self.optimizer.state_dict()["state"].items():
            tensors |= {f"optimizer.{index}.{name}": value for name, value in values.items()}
        state: dict[str, Any] = {"step": self.step, "ended": self.ended, "facts": self.identity}
        state |= {"best": self.best, "best_epoch": self.best_epoch, "log": self.log.text()}
        metadata = {"state": json.dumps(state)}
        write_bytes(self.out / CHECKPOINT, save(copied(tensors), metadata))
        self.log.write()
        self.saved = time.monotonic()
        self.saving = self.saved - began

    def _load(self) -> None:
        try:
            tensors = load_file(self.out / CHECKPOINT, device=self.plan.device)
            state = read_state(self.out)
        except (SafetensorError, OSError, ValueError, KeyError) as error:
            raise TrainingError(
                f"The checkpoint in {self.out.name} cannot be read. Use another folder."
            ) from error
        self._check_identity(state["facts"])
        load_learned(self.learner.module, below_prefix("module.", tensors))
        self.average = below_prefix("average.", tensors)
        self._load_optimizer(below_prefix("optimizer.", tensors))
        self.step, self.best = int(state["step"]), float(state["best"])
        self.best_epoch, self.ended = int(state["best_epoch"]), bool(state["ended"])
        self.log.read(str(state["log"]))
        self.log.write()

    def _check_identity(self, kept: dict[str, Any]) -> None:
        if kept != self.identity:
            changed = [key for key, value in self.identity.items() if kept.get(key) != value]
            raise TrainingError(
                f"{self.out.name} holds another run: {', '.join(changed) or 'its settings'}"
                " changed. Use another folder, or the same settings."
            )

    def _load_optimizer(self, tensors: dict[str, Tensor]) -> None:
        state: dict[int, dict[str, Tensor]] = {}
        for name, value in tensors.items():
            index, _, key = name.partition(".")
            state.setdefault(int(index), {})[key] = value
        groups = self.optimizer.state_dict()["param_groups"]
        self.optimizer.load_state_dict({"state": state, "param_groups": groups})


def load_best(learner: Learner, out: Path) -> None:
    """Load the weights that were best on dev. Raises TrainingError where they cannot be read."""
    try:
        weights = load_file(out / BEST)
    except (SafetensorError, OSError) as error:
        raise TrainingError(
            f"The best weights in {out.name} cannot be read. Use another folder."
        ) from error
    load_learned(learner.module, weights)


def read_state(out: Path) -> dict[str, Any]:
    """Return the state that a checkpoint holds. Raises SafetensorError or OSError."""
    with safe_open(out / CHECKPOINT, framework="pt") as file:
        return dict(json.loads(file.metadata()["state"]))


def _optimizer(learner: Learner, plan: Plan) -> torch.optim.Optimizer:
    groups = [{"lr": 0.0, **group} for group in learner.groups()]
    if plan.optimizer == "adam":
        return torch.optim.Adam(groups)
    return torch.optim.AdamW(groups, weight_decay=plan.decay)
