"""Building and updating collections in the background, and the dialog that starts it."""

import threading
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import cast

import streamlit as st

from components.collection.build import (
    BuildJob,
    BuildProgress,
    BuildReport,
    build,
    describe,
    summary,
)
from components.collection.manifest import CollectionError, Manifest, folder_of
from components.collection.opening import remove
from components.collection.sources.source import Kind, SourceSpec
from components.collection.store import SAMPLES, check_own
from components.encoder import Encoder
from components.errors import CaptionLensError
from components.server import counters, events
from components.server.sharing import check_place
from components.ui import tasks
from components.ui.account import Permission, explain, may, require
from components.ui.tasks import Task
from components.ui.text import plain
from components.words import count

_UNSPLASH_LIMIT = 1000


@st.cache_resource
def running() -> dict[str, Task]:
    """Return this server's builds by collection, running or ended, for all sessions."""
    return {}


def start(job: BuildJob, encoder: Encoder) -> None:
    """Start a build unless one of this collection is running already.

    Raises NotAllowed, and PlaceRefused where its source may not be indexed from a page.
    """
    if job.name != SAMPLES or job.source.kind != "samples":
        require(Permission.INDEX)
    for place in (job.source.location, job.source.images):
        check_place(place)

    def work(report: Callable[[BuildProgress], None], stop: threading.Event) -> BuildReport:
        began = time.monotonic()
        done: BuildReport | None = None
        try:
            done = build(job, encoder, report, stop)
        finally:
            _count(job, done, time.monotonic() - began)
        return done

    tasks.start(running(), job.name, Task((job, encoder), work))


def _count(job: BuildJob, done: BuildReport | None, seconds: float) -> None:
    counters.count_build()
    manifest = done.manifest if done else None
    events.log(
        "build",
        {"collection": job.name},
        kind=job.source.kind,
        seconds=round(seconds, 3),
        images=manifest.rows if manifest else None,
        outcome="failed" if manifest is None else "done" if manifest.complete else "stopped",
    )


def _begin(job: BuildJob, encoder: Encoder) -> None:
    """Start a build and run the whole page again, to draw its progress; or draw why not."""
    try:
        start(job, encoder)
    except CaptionLensError as error:
        st.warning(plain(str(error)), icon=":material/lock:")
    else:
        st.rerun()


def show() -> None:
    """Draw every build of this server."""
    tasks.show(running(), _draw_running, _draw_ended)


def _draw_running(name: str, task: Task) -> None:
    progress: BuildProgress | None = task.progress
    share = progress.share if progress else 0.0
    text = describe(progress) if progress else "starting"
    st.progress(min(share, 1.0), f"Indexing {plain(name)}: {text}")
    if may(Permission.INDEX):
        tasks.stop_button(name, task)


def _draw_ended(name: str, task: Task) -> None:
    report: BuildReport | None = task.result
    if report is None:
        st.warning(plain(task.message), icon=":material/error:")
    elif report.manifest.complete:
        st.success(plain(summary(report)), icon=":material/check:")
    else:
        st.info(plain(summary(report)), icon=":material/pause:")
    if not may(Permission.INDEX):
        return
    unfinished = report is None or not report.manifest.complete
    if unfinished and st.button("Resume", icon=":material/play_arrow:", key=f"resume {name}"):
        job, encoder = task.subject
        # A stopped rebuild has published its images: rebuilding again would discard them.
        _begin(job if report is None else replace(job, rebuild=False), encoder)
    tasks.close_button(running(), name)


@st.dialog("Collections", width="medium")
def manage(encoder: Encoder, current: Manifest | None) -> None:
    """Draw the actions for the current collection, and the form that indexes another one."""
    if not may(Permission.INDEX):
        explain(Permission.INDEX)
        return
    if current:
        _manage_current(encoder, current)
    st.subheader("New collection")
    job = _new_job()
    st.caption(
        f"Indexed with {plain(encoder.spec.name)}, in the background: you can keep using the app."
    )
    if st.button("Index", type="primary", icon=":material/add:", key="build_start") and job:
        _begin(job, encoder)


def _manage_current(encoder: Encoder, current: Manifest) -> None:
    st.subheader(plain(current.name))
    index = current.index
    if index:
        accuracy = (
            "exact"
            if index.exact
            else f"finds {index.recall_at_10:.1%} of the exact 10 nearest, measured when built"
        )
        skipped = f"{count(current.skipped_count, 'image')} skipped"
        st.caption(f"Index: {index.kind}, {accuracy}. {skipped}.")
    try:
        check_own(folder_of(current.name))
    except CollectionError as error:
        st.info(plain(str(error)), icon=":material/folder_shared:")
        return
    same_model = current.model == encoder.spec.id
    with st.container(horizontal=True):
        if st.button(
            "Update",
            icon=":material/sync:",
            disabled=not same_model,
            help="Adds new images, removes deleted ones, encodes changed ones again",
        ):
            _begin(BuildJob(current.name, current.source), encoder)
        if st.button(f"Rebuild with {plain(encoder.spec.name)}", icon=":material/replay:"):
            _begin(BuildJob(current.name, current.source, rebuild=True), encoder)
        if may(Permission.REMOVE) and st.button(
            "Remove", icon=":material/delete:", help="The image files are kept"
        ):
            st.session_state["build_removing"] = current.name
    if st.session_state.get("build_removing") == current.name and st.button(
        f"Remove {plain(current.name)} now", type="primary", key="build_remove"
    ):
        del st.session_state["build_removing"]
        require(Permission.REMOVE)
        remove(current.name)
        st.rerun()


def _new_job() -> BuildJob | None:
    """Draw the form; return its job, or None: incomplete, or not possible as a sentence says."""
    kinds = {
        "Folder": "folder",
        "Films": "videos",
        "Table": "table",
        "Unsplash Lite": "unsplash",
    }
    chosen = st.segmented_control("From", list(kinds), default="Folder", required=True)
    kind = cast(Kind, kinds[str(chosen)])
    place = st.text_input(
        {
            "folder": "Folder on the computer that runs CaptionLens",
            "videos": "Folder of films on the computer that runs CaptionLens",
            "table": "CSV or Parquet file on that computer",
            "unsplash": "Zip file or folder on that computer, if already downloaded",
        }[kind],
        key=f"build_{kind}",
    )
    default = "unsplash-lite" if kind == "unsplash" else Path(place or "").stem
    name = st.text_input("Name", placeholder=default, key="build_name") or default
    limit = st.number_input(
        "Maximum frames" if kind == "videos" else "Maximum images",
        0,
        value=_UNSPLASH_LIMIT if kind == "unsplash" else 0,
        help="0 means all of them",
        key=f"build_limit_{kind}",
    )
    if kind == "unsplash":
        st.caption(
            "Reads the dataset's lists of photographs and keywords, and downloads a small rendition"
            " of each photograph. Its terms allow use, not redistribution."
        )
    elif not place:
        return None
    try:
        folder_of(name)
    except CollectionError as error:
        st.warning(plain(str(error)))
        return None
    path = str(Path(place).expanduser().absolute()) if place and "://" not in place else place
    return BuildJob(name, SourceSpec(kind, path or "", limit=int(limit)))
