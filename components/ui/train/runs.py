"""Training runs of this server: begun, estimated, kept."""

import shutil
import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import streamlit as st

from components import models
from components.encoder import Encoder
from components.models import ModelSpec
from components.settings import Settings
from components.training.jobs import MODEL, Compared, Cost, Job, Said
from components.training.loader import DecodedExamples
from components.training.loop import LOG, Dev, Ended, Step
from components.training.worker import Mode, Order, follow
from components.ui import tasks as background
from components.ui.tasks import Task


@dataclass(frozen=True)
class Run:
    """A job on images, under a name."""

    name: str
    job: Job
    images: tuple[DecodedExamples, DecodedExamples]

    @property
    def folder(self) -> Path:
        """Where its checkpoint lies until it is done."""
        return Settings().model_cache / "training" / self.name


@dataclass
class Progress:
    """What a run has told. The thread writes it, pages read it."""

    steps: list[Step] = field(default_factory=list)
    devs: list[Dev] = field(default_factory=list)
    said: list[str] = field(default_factory=list)
    compared: Compared | None = None
    ended: Ended | None = None

    def take(self, event: Any) -> None:
        """Keep an event."""
        if isinstance(event, Step):
            self.steps.append(event)
        elif isinstance(event, Dev):
            self.devs.append(event)
        elif isinstance(event, Said):
            self.said.append(event.text)
        elif isinstance(event, Compared):
            self.compared = event
        elif isinstance(event, Ended):
            self.ended = event


@st.cache_resource
def tasks() -> dict[str, Task]:
    """Return this server's runs by name, for all sessions."""
    return {}


def busy() -> str:
    """Return the name of the run that is under way, empty where there is none."""
    return next((name for name, task in tasks().items() if not task.ended), "")


def start(run: Run) -> None:
    """Begin a run, or go on with it where it was stopped; its model is kept when it ends."""
    progress = Progress()

    def work(tell: Callable[[Progress], None], stop: threading.Event) -> ModelSpec | None:
        tell(progress)
        follow(_order("run", run), progress.take, stop)
        if stop.is_set() and not (run.folder / MODEL / "config.json").is_file():
            return None
        return _kept(run)

    background.start(tasks(), run.name, Task(run, work))


def _order(mode: Mode, run: Run) -> Order:
    return Order(mode, run.job, run.images, run.folder)


def _kept(run: Run) -> ModelSpec:
    made = run.folder / MODEL
    shutil.copyfile(run.folder / LOG, made / LOG)
    spec = models.keep_trained(made, run.name)
    shutil.rmtree(run.folder)
    return spec


def estimate(run: Run) -> Cost:
    """Return what a run will cost, from a few of its steps. Raises TrainingError."""
    found: list[Cost] = []

    def take(event: Any) -> None:
        if isinstance(event, Cost):
            found.append(event)

    try:
        follow(_order("probe", run), take, threading.Event())
    finally:
        shutil.rmtree(run.folder, ignore_errors=True)
    return found[0]


def discard(name: str, run: Run) -> None:
    shutil.rmtree(run.folder, ignore_errors=True)
    tasks().pop(name, None)
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
