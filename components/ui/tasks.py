"""Long work in background threads: shown with its progress, stoppable, shared by sessions."""

import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import streamlit as st

from components.errors import CaptionLensError

Work = Callable[[Callable[[Any], None], threading.Event], object]


@dataclass
class Task:
    """Work that runs or has ended. Its thread writes it, the pages of all sessions read it."""

    subject: Any  # what it works on, for drawing it
    work: Work  # called with a function that takes progress, and the event that stops it
    stop: threading.Event = field(default_factory=threading.Event)
    progress: Any = None
    result: Any = None
    ended: bool = False
    message: str = ""  # why it failed, in a sentence; empty if it succeeded

    def run(self) -> None:
        """Do the work; keep its result, or the sentence of its error."""
        try:
            self.result = self.work(self._report, self.stop)
        except CaptionLensError as error:
            self.message = str(error)
        except Exception as error:
            self.message = f"Unexpected {type(error).__name__}. The server's log has the details."
            raise
        finally:
            self.ended = True

    def _report(self, progress: Any) -> None:
        self.progress = progress


def start(tasks: dict[str, Task], key: str, task: Task) -> None:
    """Start a task in a thread, unless one is running under this key."""
    earlier = tasks.get(key)
    if earlier and not earlier.ended:
        return
    tasks[key] = task
    threading.Thread(target=task.run, name=key, daemon=True).start()


Draw = Callable[[str, Task], None]  # takes a task's key and the task


def show(tasks: dict[str, Task], draw_running: Draw, draw_ended: Draw) -> None:
    """Draw every task; while one runs, update twice a second."""
    if not tasks:
        return

    def draw(were_running: bool) -> None:
        if were_running and not _any_running(tasks):
            st.rerun()  # the whole page: files on disk have changed
        for key, task in list(tasks.items()):
            with st.container(border=True):
                (draw_ended if task.ended else draw_running)(key, task)

    running = _any_running(tasks)
    st.fragment(draw, run_every=0.5 if running else None)(running)


def _any_running(tasks: dict[str, Task]) -> bool:
    return any(not task.ended for task in tasks.values())


def close_button(tasks: dict[str, Task], key: str) -> None:
    """Draw the button that removes an ended task from the page."""
    if st.button("Close", icon=":material/close:", key=f"close {key}"):
        tasks.pop(key, None)
        st.rerun()


def stop_button(key: str, task: Task) -> None:
    """Draw the button that stops a task."""
    if st.button("Stop", icon=":material/stop_circle:", key=f"stop {key}"):
        task.stop.set()
