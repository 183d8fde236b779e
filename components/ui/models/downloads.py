"""Model downloads in the background: confirmed first, shown in bytes and time, stoppable."""

from functools import partial

import streamlit as st

from components import models
from components.errors import CaptionLensError
from components.models import Download, ModelSpec, Progress, fetch, plan_download
from components.ui import tasks
from components.ui.account import Permission, may, require
from components.ui.tasks import Task
from components.ui.text import plain
from components.words import duration, megabytes


@st.cache_resource
def running() -> dict[str, Task]:
    """Return this server's downloads by model id, running or ended, for all sessions."""
    return {}


@st.dialog("Download this model?")
def ask(spec: ModelSpec) -> None:
    """Draw what a download would fetch and its size; start it on a click."""
    try:
        with st.spinner("Asking the Hub for its size"):
            download = plan_download(spec)
    except CaptionLensError as error:
        st.error(plain(str(error)), icon=":material/cloud_off:")
        return
    on_disk = download.total_bytes - download.missing_bytes
    st.markdown(
        f"**{plain(spec.name)}**: {megabytes(download.missing_bytes)} to download in"
        f" {download.files} files"
        + (f"; {megabytes(on_disk)} is already on disk." if on_disk else ".")
    )
    st.caption(f"Revision {download.revision[:12]}; this installation keeps using it.")
    if st.button(
        f"Download {megabytes(download.missing_bytes)}",
        type="primary",
        icon=":material/download:",
        key="download_confirm",
    ):
        start(download)
        st.rerun()


def start(download: Download) -> None:
    """Start a download unless it is running already. Raises NotAllowed."""
    require(Permission.DOWNLOAD)
    work = partial(fetch, download)
    tasks.start(running(), download.spec.id, Task(download, work))


def show() -> None:
    """Draw every download of this server."""
    tasks.show(running(), _draw_running, _draw_ended)


def _draw_running(model_id: str, task: Task) -> None:
    progress = task.progress
    share = progress.done_bytes / max(progress.total_bytes, 1) if progress else 0.0
    name = plain(task.subject.spec.name)
    st.progress(min(share, 1.0), f"Downloading {name}: {_describe(progress)}")
    if may(Permission.DOWNLOAD):
        tasks.stop_button(model_id, task)


def _describe(progress: Progress | None) -> str:
    if progress is None:
        return "starting"
    left = "" if progress.seconds_left is None else f", {duration(progress.seconds_left)} left"
    return (
        f"{megabytes(progress.done_bytes)} of {megabytes(progress.total_bytes)},"
        f" {megabytes(int(progress.bytes_per_second))}/s{left}"
    )


def _draw_ended(model_id: str, task: Task) -> None:
    name = plain(task.subject.spec.name)
    if models.is_on_disk(task.subject.spec):
        st.success(f"{name} is on disk.", icon=":material/check:")
    else:
        st.warning(plain(task.message or f"{name} was not downloaded."), icon=":material/pause:")
        if may(Permission.DOWNLOAD) and st.button(
            "Resume", icon=":material/play_arrow:", key=f"resume {model_id}"
        ):
            start(task.subject)
            st.rerun()
    if may(Permission.DOWNLOAD):
        tasks.close_button(running(), model_id)
