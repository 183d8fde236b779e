"""Long work that runs beside the pages: shown with its progress, stoppable, shared by sessions."""

import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import streamlit as st

from components.errors import CaptionLensError

Work = Callable[[Callable[[Any], None], threading.Event], object]


@dataclass
class Task:
    """Work under way or ended. The thread writes it, every session's page reads it."""

    subject: Any  # what it is done to, for the drawing
    work: Work  # called with a report function and the stop
    stop: threading.Event = field(default_factory=threading.Event)
    progress: Any = None
    result: Any = None
    ended: bool = False
    message: str = ""  # the sentence it ended with, where it did not succeed

    def run(self) -> None:
        """Work; keep how it ended."""
        try:
            self.result = self.work(self._report, self.stop)
        except CaptionLensError as error:
            self.message = str(error)
        except Exception as error:
            self.message = f"It ended unexpectedly: {type(error).__name__}. The log says more."
            raise
        finally:
            self.ended = True

    def _report(self, progress: Any) -> None:
        self.progress = progress


def start(tasks: dict[str, Task], key: str, task: Task) -> None:
    """Begin a task, unless one of this key is running already."""
    running = tasks.get(key)
    if running and not running.ended:
        return
    tasks[key] = task
    threading.Thread(target=task.run, name=key, daemon=True).start()


Draw = Callable[[str, Task], None]  # draws a task under the key that it is kept by


def show(tasks: dict[str, Task], draw_running: Draw, draw_ended: Draw) -> None:
    """Draw every task; while one runs, look again twice a second."""
    if not tasks:
        return

    def draw(were_running: bool) -> None:
        if were_running and not _any_running(tasks):
            st.rerun()  # the whole page: what is on disk has changed
        for key, task in list(tasks.items()):
            with st.container(border=True):
                (draw_ended if task.ended else draw_running)(key, task)

    running = _any_running(tasks)
    st.fragment(draw, run_every=0.5 if running else None)(running)


def _any_running(tasks: dict[str, Task]) -> bool:
    return any(not task.ended for task in tasks.values())


def close_button(tasks: dict[str, Task], key: str) -> None:
    """Draw the button that takes an ended task off the page."""
    if st.button("Close", icon=":material/close:", key=f"close {key}"):
        tasks.pop(key, None)
        st.rerun()


def stop_button(key: str, task: Task) -> None:
    """Draw the button that stops a task."""
    if st.button("Stop", icon=":material/stop_circle:", key=f"stop {key}"):
        task.stop.set()
