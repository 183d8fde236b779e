"""This server's training runs: estimated, started, and kept as models."""

import shutil
import threading
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import streamlit as st
from filelock import FileLock, Timeout

from components import models
from components.encoder import Encoder
from components.models import ModelSpec
from components.settings import Settings
from components.training.finished import write_comparison
from components.training.jobs import Job
from components.training.loader import TrainDev
from components.training.loop import LOCK, LOG, Dev, Ended, Step
from components.training.run import MODEL, Comparison, Cost, Message
from components.training.worker import Action, Request, follow
from components.ui import tasks
from components.ui.account import Permission, require
from components.ui.tasks import Task


@dataclass(frozen=True)
class Run:
    """A job on images, under a name."""

    name: str
    job: Job
    images: TrainDev

    @property
    def folder(self) -> Path:
        """The folder of its checkpoint until the run has finished."""
        return Settings().model_cache / "training" / self.name


@dataclass
class Progress:
    """A run's events so far. The run's thread writes them, pages read them."""

    steps: list[Step] = field(default_factory=list)
    devs: list[Dev] = field(default_factory=list)
    messages: list[str] = field(default_factory=list)
    comparison: Comparison | None = None
    ended: Ended | None = None

    def take(self, event: Any) -> None:
        """Keep an event."""
        if isinstance(event, Step):
            self.steps.append(event)
        elif isinstance(event, Dev):
            self.devs.append(event)
        elif isinstance(event, Message):
            self.messages.append(event.text)
        elif isinstance(event, Comparison):
            self.comparison = event
        elif isinstance(event, Ended):
            self.ended = event


@st.cache_resource
def all_runs() -> dict[str, Task]:
    """Return this server's runs by name, running or ended, for all sessions."""
    return {}


def busy() -> str:
    """Return the name of the run in progress, or ""."""
    return next((name for name, task in all_runs().items() if not task.ended), "")


def start(run: Run) -> None:
    """Start a run, or resume a stopped one; its model is kept when it ends. Raises NotAllowed."""
    require(Permission.TRAIN)
    progress = Progress()

    def work(report: Callable[[Progress], None], stop: threading.Event) -> ModelSpec | None:
        report(progress)
        follow(_request("run", run), progress.take, stop)
        if stop.is_set() and not (run.folder / MODEL / "config.json").is_file():
            return None
        return _keep(run, progress.comparison)

    tasks.start(all_runs(), run.name, Task(run, work))


def _request(action: Action, run: Run) -> Request:
    return Request(action, run.job, run.images, run.folder)


def _keep(run: Run, comparison: Comparison | None) -> ModelSpec:
    folder = run.folder / MODEL
    shutil.copyfile(run.folder / LOG, folder / LOG)
    if comparison:
        write_comparison(folder, comparison)
    spec = models.keep_trained(folder, run.name)
    shutil.rmtree(run.folder)
    return spec


def estimate(run: Run) -> Cost:
    """Return an estimate of a run's cost from a few of its steps. Raises TrainingError."""
    costs: list[Cost] = []

    def take(event: Any) -> None:
        if isinstance(event, Cost):
            costs.append(event)

    try:
        follow(_request("probe", run), take, threading.Event())
    finally:
        shutil.rmtree(run.folder, ignore_errors=True)
    return costs[0]


def discard(name: str, run: Run) -> None:
    """Remove a run that has ended, with what it wrote."""
    require(Permission.TRAIN)
    # Another server's run has this name where it holds the lock: then this one wrote nothing.
    with suppress(Timeout), FileLock(run.folder / LOCK, timeout=0):
        shutil.rmtree(run.folder, ignore_errors=True)
    all_runs().pop(name, None)
    st.rerun()


def default_name(encoder: Encoder, taken: Mapping[str, Any]) -> str:
    """Return a name that no model has yet."""
    base = "".join(mark if mark.isalnum() or mark in " .-" else "-" for mark in encoder.spec.name)
    number = 1
    while (
        models.trained_folder(f"{base[:40]} tuned {number}").exists()
        or f"{base[:40]} tuned {number}" in taken
    ):
        number += 1
    return f"{base[:40]} tuned {number}"
