"""Building and updating collections beside the pages, and the dialog that asks for it."""

import threading
from collections.abc import Callable
from pathlib import Path
from typing import cast

import streamlit as st

from components.collection.build import BuildProgress, Job, Report, build, describe, summary
from components.collection.manifest import CollectionError, Manifest, folder_of
from components.collection.sources.source import Kind, SourceSpec
from components.collection.store import remove
from components.encoder import Encoder
from components.settings import Settings
from components.ui import tasks as background
from components.ui.tasks import Task
from components.ui.text import plain

_UNSPLASH_LIMIT = 1000


@st.cache_resource
def tasks() -> dict[str, Task]:
    """Return this server's builds by collection, one at a time for each, for all sessions."""
    return {}


def start(job: Job, encoder: Encoder) -> None:
    """Begin a build unless one of this collection is running already."""

    def work(tell: Callable[[BuildProgress], None], stop: threading.Event) -> Report:
        return build(job, encoder, tell, stop)

    background.start(tasks(), job.name, Task((job, encoder), work))


def show() -> None:
    """Draw every build of this server."""
    background.show(tasks(), _running, _ended)


def _running(name: str, task: Task) -> None:
    now: BuildProgress | None = task.progress
    share = now.done / max(now.total, 1) if now else 0.0
    told = describe(now) if now else "starting"
    st.progress(min(share, 1.0), f"Indexing {plain(name)}: {told}")
    background.stop_button(name, task)


def _ended(name: str, task: Task) -> None:
    report: Report | None = task.result
    if report is None:
        st.warning(plain(task.message), icon=":material/error:")
    elif report.manifest.complete:
        st.success(plain(summary(report)), icon=":material/check:")
    else:
        st.info(plain(summary(report)), icon=":material/pause:")
    unfinished = report is None or not report.manifest.complete
    if unfinished and st.button("Go on", icon=":material/play_arrow:", key=f"resume {name}"):
        start(*task.subject)
        st.rerun()  # the whole page: what draws the tasks begins to look again
    background.close_button(tasks(), name)


@st.dialog("Collections", width="medium")
def manage(encoder: Encoder, current: Manifest | None) -> None:
    """Draw what can be done with the collection that is shown, and how to make another one."""
    if Settings().read_only:
        st.info("This copy is for searching alone: collections are made elsewhere.")
        return
    if current:
        _manage_current(encoder, current)
    st.subheader("Index another one")
    job = _new_job()
    st.caption(f"With {plain(encoder.spec.name)}, in the background: the pages go on working.")
    if st.button("Index", type="primary", icon=":material/add:", key="build_start") and job:
        start(job, encoder)
        st.rerun()


def _manage_current(encoder: Encoder, current: Manifest) -> None:
    st.subheader(plain(current.name))
    index = current.index
    if index:
        finds = (
            "exact"
            if index.exact
            else f"finds {index.recall_at_10:.1%} of the true ten nearest, as measured when it was"
            " made"
        )
        st.caption(f"Index: {index.kind}, {finds}. {current.skipped_count:,} images skipped.")
    same = current.model == encoder.spec.id
    with st.container(horizontal=True):
        if st.button(
            "Update",
            icon=":material/sync:",
            disabled=not same,
            help="Adds what is new, drops what is gone, encodes again what has changed",
        ):
            start(Job(current.name, current.source), encoder)
            st.rerun()
        if st.button(f"Index again with {plain(encoder.spec.name)}", icon=":material/replay:"):
            start(Job(current.name, current.source, afresh=True), encoder)
            st.rerun()
        if st.button("Remove", icon=":material/delete:", help="The images themselves stay"):
            st.session_state["build_removing"] = current.name
    if st.session_state.get("build_removing") == current.name and st.button(
        f"Remove {plain(current.name)} now", type="primary", key="build_remove"
    ):
        del st.session_state["build_removing"]
        remove(current.name)
        st.rerun()


def _new_job() -> Job | None:
    """Draw the form; return what it asks for, None with a sentence where that cannot be."""
    kinds = {"Folder": "folder", "Table": "table", "Unsplash Lite": "unsplash"}
    chosen = st.segmented_control("From", list(kinds), default="Folder", required=True)
    kind = cast(Kind, kinds[str(chosen)])
    place = st.text_input(
        {
            "folder": "Folder on the computer that runs CaptionLens",
            "table": "CSV or Parquet file there",
            "unsplash": "Zip or folder of it there, if it is downloaded already",
        }[kind],
        key=f"build_{kind}",
    )
    default = "unsplash-lite" if kind == "unsplash" else Path(place or "").stem
    name = st.text_input("Name", placeholder=default, key="build_name") or default
    limit = st.number_input(
        "Images at most",
        0,
        value=_UNSPLASH_LIMIT if kind == "unsplash" else 0,
        help="0: all of them",
        key=f"build_limit_{kind}",
    )
    if kind == "unsplash":
        st.caption(
            "Of the dataset, the list of photographs and their keywords are read; of the images,"
            " small renditions are downloaded. Its terms allow use, not redistribution."
        )
    elif not place:
        return None
    try:
        folder_of(name)
    except CollectionError as error:
        st.warning(plain(str(error)))
        return None
    path = str(Path(place).expanduser().absolute()) if place and "://" not in place else place
    return Job(name, SourceSpec(kind, path or "", limit=int(limit)))
