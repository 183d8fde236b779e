"""The training loop: a run stopped anywhere resumes to the result of an uninterrupted one."""

import csv
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.torch import load_file
from torch import Tensor, nn

from components.settings import ROOT
from components.training import loop
from components.training.learner import TrainingError
from components.training.loop import (
    BEST,
    CHECKPOINT,
    LOG,
    Dev,
    Ended,
    Step,
    load_best,
    read_state,
    train,
)
from components.training.plan import Plan
from tests.pairs import write_pairs

pytestmark = pytest.mark.slow  # converts or trains a model


class Line:
    """Learns y = 3 x - 1 with dropout, from batches that the epoch's number fixes."""

    def __init__(self, poison: int = -1, dev: list[float] | None = None) -> None:
        torch.manual_seed(5)
        self.module = nn.Sequential(nn.Linear(1, 8), nn.Dropout(0.2), nn.Linear(8, 1))
        self.first = self.module[0]
        self.poison, self.given, self.measured = poison, dev, 0

    def groups(self) -> list[dict[str, Any]]:
        return [
            {"params": self.module[0].parameters(), "scale": 1.0},
            {"params": self.module[2].parameters(), "scale": 0.5},
        ]

    def identity(self) -> dict[str, Any]:
        return {"line": [3, -1]}

    def steps(self, epoch: int) -> int:
        return 6

    def batches(self, epoch: int, first: int) -> Iterator[tuple[int, Tensor]]:
        values = torch.from_numpy(np.random.default_rng(epoch).normal(size=(6, 16, 1))).float()
        for number in range(first, 6):
            yield epoch * 6 + number, values[number]

    def gradients(self, batch: tuple[int, Tensor]) -> float:
        number, values = batch
        loss = ((self.module(values) - 3 * values + 1) ** 2).mean()
        if number == self.poison:
            loss = loss * float("nan")
        loss.backward()
        return float(loss)

    def names(self, batch: tuple[int, Tensor]) -> str:
        return f"batch {batch[0]}"

    def dev(self) -> float:
        self.measured += 1
        if self.given:
            return self.given[self.measured - 1]
        values = torch.linspace(-1, 1, 20)[:, None]
        return -float(((self.module(values) - 3 * values + 1) ** 2).mean())


PLAN = Plan(epochs=4, rate=0.05, warmup=0.2, average=0.9, checkpoint_every=5, precision="f32")


def same(left: Path, right: Path) -> None:
    for file in (CHECKPOINT, BEST):
        first, second = load_file(left / file), load_file(right / file)
        assert first.keys() == second.keys()
        for name, value in first.items():
            assert torch.equal(value, second[name]), name

    def rows(folder: Path) -> list[list[str]]:
        with (folder / LOG).open(encoding="utf-8", newline="") as lines:
            return [
                [row[name] for name in row if name != "seconds"] for row in csv.DictReader(lines)
            ]

    assert rows(left) == rows(right)


@pytest.mark.parametrize("stop_after", [1, 5, 6, 7, 12, 23, 24, 27])
def test_a_stopped_run_resumes_to_the_same_end(tmp_path: Path, stop_after: int) -> None:
    whole = list(train(Line(), PLAN, tmp_path / "whole"))
    assert [type(event) for event in whole].count(Step) == 24
    run = train(Line(), PLAN, tmp_path / "stopped")
    for _ in range(stop_after):
        next(run)
    run.close()  # type: ignore[attr-defined] # a generator
    events = list(train(Line(), PLAN, tmp_path / "stopped"))
    assert events[-1] == whole[-1]
    same(tmp_path / "whole", tmp_path / "stopped")


@pytest.mark.parametrize("stop_after", [3, 8, 13, 26])
def test_a_killed_run_resumes_from_its_last_checkpoint(tmp_path: Path, stop_after: int) -> None:
    """A kill writes nothing: what is on disk then is the last checkpoint's."""
    list(train(Line(), PLAN, tmp_path / "whole"))
    run = train(Line(), PLAN, tmp_path / "killed")
    for _ in range(stop_after):
        next(run)
    run.gi_frame.f_locals["run"].save = lambda: None  # type: ignore[attr-defined] # so that closing it writes nothing
    del run
    list(train(Line(), PLAN, tmp_path / "killed"))
    same(tmp_path / "whole", tmp_path / "killed")


def test_an_ended_run_does_nothing_more(tmp_path: Path) -> None:
    first = list(train(Line(), PLAN, tmp_path))
    assert list(train(Line(), PLAN, tmp_path)) == first[-1:]


def test_it_learns_and_logs(tmp_path: Path) -> None:
    events = list(train(Line(), PLAN, tmp_path))
    steps = [event for event in events if isinstance(event, Step)]
    assert steps[-1].loss < steps[0].loss / 2
    assert [event.number for event in steps] == list(range(1, 25))
    assert steps[0].rate < max(event.rate for event in steps) == 0.05
    assert steps[-1].rate < 0.001
    with (tmp_path / LOG).open(encoding="utf-8", newline="") as lines:
        rows = list(csv.DictReader(lines))
    assert sum(bool(row["loss"]) for row in rows) == 24
    assert sum(bool(row["dev"]) for row in rows) == 4
    ended = events[-1]
    assert isinstance(ended, Ended)
    assert ended.best == max(event.figure for event in events if isinstance(event, Dev))


def test_a_loss_that_is_not_finite_stops_the_run_and_names_the_batch(tmp_path: Path) -> None:
    with pytest.raises(TrainingError, match=r"step 8 is not a finite number, on batch 7"):
        list(train(Line(poison=7), PLAN, tmp_path))
    assert not any(value.isnan().any() for value in load_file(tmp_path / CHECKPOINT).values())


def test_it_stops_early_and_keeps_the_best(tmp_path: Path) -> None:
    plan = Plan(epochs=9, rate=0.05, patience=2, precision="f32")
    events = list(train(Line(dev=[1.0, 3.0, 2.0, 2.5, 9.0]), plan, tmp_path))
    assert events[-1] == Ended("stopped early", 3.0)
    assert [event.is_best for event in events if isinstance(event, Dev)] == [
        True,
        True,
        False,
        False,
    ]


def test_dev_measures_the_average_and_training_continues_with_the_weights(tmp_path: Path) -> None:
    averaged = [event for event in train(Line(), PLAN, tmp_path / "a") if isinstance(event, Step)]
    plain = replace(PLAN, average=0.0)
    alone = [event for event in train(Line(), plain, tmp_path / "b") if isinstance(event, Step)]
    assert [event.loss for event in averaged] == [event.loss for event in alone]
    best, checkpoint = load_file(tmp_path / "a" / BEST), load_file(tmp_path / "a" / CHECKPOINT)
    assert not torch.equal(best["0.weight"], checkpoint["module.0.weight"])


def test_another_plan_or_a_damaged_checkpoint_is_refused(tmp_path: Path) -> None:
    list(train(Line(), PLAN, tmp_path))
    with pytest.raises(TrainingError, match="another run: rate changed"):
        list(
            train(
                Line(),
                replace(PLAN, rate=0.1),
                tmp_path,
            )
        )
    (tmp_path / CHECKPOINT).write_bytes(b"short")
    with pytest.raises(TrainingError, match="cannot be read"):
        list(train(Line(), PLAN, tmp_path))


def test_frozen_weights_are_neither_written_nor_changed(tmp_path: Path) -> None:
    learner = Line()
    learner.first.requires_grad_(False)
    before = learner.module.state_dict()["0.weight"].clone()
    list(train(learner, PLAN, tmp_path))
    assert torch.equal(learner.module.state_dict()["0.weight"], before)
    assert set(load_file(tmp_path / BEST)) == {"2.weight", "2.bias"}


def test_a_second_run_in_the_same_folder_is_refused(tmp_path: Path) -> None:
    first = train(Line(), PLAN, tmp_path)
    next(first)
    with pytest.raises(TrainingError, match="is in use by another training run"):
        next(train(Line(), PLAN, tmp_path))
    del first  # as an ended process
    assert isinstance(list(train(Line(), PLAN, tmp_path))[-1], Ended)


def test_a_long_epoch_writes_checkpoints_by_the_clock(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(loop, "_MAX_UNSAVED", 0.0)
    monkeypatch.setattr(loop, "_SAVING", 1e9)
    events = train(Line(), replace(PLAN, checkpoint_every=250), tmp_path)
    next(events), next(events)  # the first step is saved before the second begins
    assert read_state(tmp_path)["step"] == 1


def test_slow_checkpoints_are_written_less_often(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(loop, "_MAX_UNSAVED", 0.0)
    monkeypatch.setattr(loop, "_SAVING", 1e-9)
    events = train(Line(), replace(PLAN, checkpoint_every=1000), tmp_path)
    taken = [next(events) for _ in range(4)]
    assert read_state(tmp_path)["step"] == 1  # the time of the first is the measure of the next
    assert len(taken) == 4


def test_best_weights_that_cannot_be_read_are_a_sentence(tmp_path: Path) -> None:
    learner = Line()
    list(train(learner, PLAN, tmp_path))
    load_best(learner, tmp_path)
    (tmp_path / BEST).write_bytes((tmp_path / BEST).read_bytes()[:20])
    with pytest.raises(TrainingError, match=r"best weights .* cannot be read"):
        load_best(learner, tmp_path)


def test_a_folder_that_cannot_be_written_is_a_sentence(tmp_path: Path) -> None:
    (tmp_path / CHECKPOINT).mkdir()  # nothing can replace it
    with pytest.raises(TrainingError, match="cannot be written: Is a directory"):
        list(train(Line(), PLAN, tmp_path))


@pytest.mark.parametrize(("number", "status"), [(signal.SIGKILL, -9), (signal.SIGTERM, 143)])
def test_the_command_killed_and_repeated_ends_as_an_uninterrupted_one(
    tmp_path: Path, number: signal.Signals, status: int
) -> None:
    """In the middle of real training of the pair matcher on real images."""
    data = write_pairs(tmp_path / "pairs", splits=True)

    def start(out: str) -> subprocess.Popen[bytes]:
        command = ["cli.py", "train", "matcher", "--data", str(data), "--out", str(tmp_path / out)]
        options = ["--epochs", "2", "--batch", "8", "--patience", "0"]
        return subprocess.Popen(
            [sys.executable, *command, *options], cwd=ROOT, stderr=subprocess.PIPE
        )

    def finish(out: str) -> None:
        process = start(out)
        _, errors = process.communicate(timeout=300)
        assert process.returncode == 0, errors.decode()

    finish("whole")
    process = start("killed")
    deadline = time.monotonic() + 120
    while not (tmp_path / "killed" / BEST).is_file() and time.monotonic() < deadline:
        time.sleep(0.05)  # its first epoch is over
    process.send_signal(number)
    process.communicate()
    assert process.returncode == status
    if number == signal.SIGTERM:
        assert read_state(tmp_path / "killed")["step"]
    finish("killed")
    same(tmp_path / "whole", tmp_path / "killed")
    whole, killed = (
        load_file(tmp_path / out / "model" / "model.safetensors") for out in ("whole", "killed")
    )
    assert all(torch.equal(value, killed[name]) for name, value in whole.items())
