"""Downloads that run beside the pages: asked for first, shown in bytes and time, stoppable."""

import threading
from dataclasses import dataclass, field

import streamlit as st

from components import hub, models
from components.catalogue import ModelSpec
from components.errors import CaptionLensError
from components.hub import Download, Progress
from components.ui.text import plain


@dataclass
class Task:
    """A download under way or ended. The thread writes it, every session's page reads it."""

    download: Download
    stop: threading.Event = field(default_factory=threading.Event)
    progress: Progress | None = None
    ended: bool = False
    message: str = ""  # the sentence it ended with, where it did not succeed

    def run(self) -> None:
        """Fetch; keep how it ended."""
        try:
            hub.fetch(self.download, self._report, self.stop)
        except CaptionLensError as error:
            self.message = str(error)
        finally:
            self.ended = True

    def _report(self, progress: Progress) -> None:
        self.progress = progress


@st.cache_resource
def tasks() -> dict[str, Task]:
    """Return this server's downloads by model id, one at a time for each, for all sessions."""
    return {}


@st.dialog("Download this model?")
def ask(spec: ModelSpec) -> None:
    """Look up what a download would fetch, show its size, and start it on a click."""
    try:
        with st.spinner("Asking the Hub for its size"):
            download = hub.plan(spec)
    except CaptionLensError as error:
        st.error(plain(str(error)), icon=":material/cloud_off:")
        return
    there = download.total_bytes - download.missing_bytes
    st.markdown(
        f"**{plain(spec.name)}**: {megabytes(download.missing_bytes)} to download in"
        f" {download.files} files" + (f", {megabytes(there)} is already here." if there else ".")
    )
    st.caption(f"Revision {download.revision[:12]}, which stays the one in use.")
    if st.button(
        f"Download {megabytes(download.missing_bytes)}",
        type="primary",
        icon=":material/download:",
        key="download_confirm",
    ):
        start(download)
        st.rerun()


def start(download: Download) -> None:
    """Begin a download unless it is running already."""
    running = tasks().get(download.spec.id)
    if running and not running.ended:
        return
    task = tasks()[download.spec.id] = Task(download)
    threading.Thread(target=task.run, name=f"download {download.spec.id}", daemon=True).start()


def show() -> None:
    """Draw every download of this server; while one runs, look again twice a second."""
    if tasks():
        running = _any_running()
        st.fragment(_show_tasks, run_every=0.5 if running else None)(running)


def _any_running() -> bool:
    return any(not task.ended for task in tasks().values())


def _show_tasks(were_running: bool) -> None:
    if were_running and not _any_running():
        st.rerun()  # the whole page: what is on disk has changed
    for model_id, task in list(tasks().items()):
        with st.container(border=True):
            (_ended if task.ended else _running)(model_id, task)


def _running(model_id: str, task: Task) -> None:
    now = task.progress
    share = now.done_bytes / max(now.total_bytes, 1) if now else 0.0
    st.progress(min(share, 1.0), f"Downloading {plain(task.download.spec.name)}: {_figures(now)}")
    if st.button("Stop", icon=":material/stop_circle:", key=f"stop {model_id}"):
        task.stop.set()


def _figures(now: Progress | None) -> str:
    if now is None:
        return "starting"
    left = "" if now.seconds_left is None else f", {_duration(now.seconds_left)} left"
    return (
        f"{megabytes(now.done_bytes)} of {megabytes(now.total_bytes)},"
        f" {megabytes(int(now.bytes_per_second))}/s{left}"
    )


def _duration(seconds: float) -> str:
    minutes, rest = divmod(round(seconds), 60)
    return f"{minutes} min {rest} s" if minutes else f"{rest} s"


def _ended(model_id: str, task: Task) -> None:
    name = plain(task.download.spec.name)
    if models.is_on_disk(task.download.spec):
        st.success(f"{name} is on disk.", icon=":material/check:")
    else:
        st.warning(plain(task.message or f"{name} was not downloaded."), icon=":material/pause:")
        if st.button("Go on", icon=":material/play_arrow:", key=f"resume {model_id}"):
            start(task.download)
            st.rerun()
    if st.button("Close", icon=":material/close:", key=f"close {model_id}"):
        tasks().pop(model_id, None)
        st.rerun()


def megabytes(size: int) -> str:
    """Return bytes as people read them: "609 MB", "1.7 GB"."""
    return f"{size / 1e9:.1f} GB" if size >= 1e9 else f"{size / 1e6:.0f} MB"
