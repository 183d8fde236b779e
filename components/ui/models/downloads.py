"""Downloads that run beside the pages: asked for first, shown in bytes and time, stoppable."""

from functools import partial

import streamlit as st

from components import models
from components.errors import CaptionLensError
from components.models import Download, ModelSpec, Progress, fetch, plan_download
from components.ui import tasks as background
from components.ui.tasks import Task
from components.ui.text import plain
from components.words import duration, megabytes


@st.cache_resource
def tasks() -> dict[str, Task]:
    """Return this server's downloads by model id, one at a time for each, for all sessions."""
    return {}


@st.dialog("Download this model?")
def ask(spec: ModelSpec) -> None:
    """Occlusion up what a download would fetch, show its size, and start it on a click."""
    try:
        with st.spinner("Asking the Hub for its size"):
            download = plan_download(spec)
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
    work = partial(fetch, download)
    background.start(tasks(), download.spec.id, Task(download, work))


def show() -> None:
    """Draw every download of this server."""
    background.show(tasks(), _running, _ended)


def _running(model_id: str, task: Task) -> None:
    now = task.progress
    share = now.done_bytes / max(now.total_bytes, 1) if now else 0.0
    st.progress(min(share, 1.0), f"Downloading {plain(task.subject.spec.name)}: {_figures(now)}")
    background.stop_button(model_id, task)


def _figures(now: Progress | None) -> str:
    if now is None:
        return "starting"
    left = "" if now.seconds_left is None else f", {duration(now.seconds_left)} left"
    return (
        f"{megabytes(now.done_bytes)} of {megabytes(now.total_bytes)},"
        f" {megabytes(int(now.bytes_per_second))}/s{left}"
    )


def _ended(model_id: str, task: Task) -> None:
    name = plain(task.subject.spec.name)
    if models.is_on_disk(task.subject.spec):
        st.success(f"{name} is on disk.", icon=":material/check:")
    else:
        st.warning(plain(task.message or f"{name} was not downloaded."), icon=":material/pause:")
        if st.button("Go on", icon=":material/play_arrow:", key=f"resume {model_id}"):
            start(task.subject)
            st.rerun()
    background.close_button(tasks(), model_id)
