"""The map of a collection: what is known of it at once, and its computation in the background."""

import threading
import time
from collections.abc import Callable
from typing import Any

import streamlit as st

from components.collection.store import SAMPLES, FolderCollection
from components.encoder import Encoder
from components.newest import keep
from components.projection.stored import CollectionMap, first_map, read_map
from components.ui import tasks
from components.ui.account import Permission, may, require
from components.ui.tasks import Task
from components.ui.text import plain

_KEPT = 4  # maps in memory
_LOOK = 10.0  # seconds between two looks at whether another process has computed a map


@st.cache_resource
def running() -> dict[str, Task]:
    """Return this server's computations of maps by collection, running or ended."""
    return {}


@st.cache_resource
def _known() -> dict[tuple[str, int, str], tuple[CollectionMap, float]]:
    """Return the maps in memory, each with the time when it was looked for on disk."""
    return {}


def map_of(collection: FolderCollection) -> CollectionMap:
    """Return the map of a collection: the one that is kept, else its principal components."""
    known, looked = _known().get(collection.key, (None, 0.0))
    if known and (known.exact or time.monotonic() - looked < _LOOK):
        return known
    return _keep(read_map(collection) or known or first_map(collection))


def _keep(found: CollectionMap) -> CollectionMap:
    return keep(_known(), found.key, (found, time.monotonic()), _KEPT)[0]


def _permitted(name: str) -> bool:
    return name == SAMPLES or may(Permission.INDEX)


def compute(collection: FolderCollection, encoder: Encoder) -> None:
    """Start computing the map of a collection, unless that is running. Raises NotAllowed."""
    name = collection.manifest.name
    if name != SAMPLES:
        require(Permission.INDEX)

    def work(report: Callable[[Any], None], stop: threading.Event) -> CollectionMap:
        from components.projection.making import make_map

        return _keep(
            read_map(collection) or make_map(collection, encoder, lambda *now: report(now), stop)
        )

    tasks.start(running(), name, Task(collection.key, work))


def show(collection: FolderCollection, encoder: Encoder, found: CollectionMap) -> None:
    """Draw how far the computation of a map is; begin with it where nobody has."""
    name = collection.manifest.name
    if found.exact:
        return
    if not _permitted(name):
        st.caption("A first sketch of the map. The map is computed when an editor opens it.")
        return
    task = running().get(name)
    if task is None or task.subject != collection.key:
        compute(collection, encoder)
    tasks.show(
        {name: running()[name]},
        _draw_running,
        lambda _, ended: _draw_ended(collection, encoder, ended),
    )


def _draw_running(name: str, task: Task) -> None:
    with st.container(horizontal=True, vertical_alignment="center"):
        share, step = task.progress or (0.0, "Starting")
        st.progress(min(share, 1.0), f"This is a first sketch of the map. {plain(step)}")
        tasks.stop_button(f"map {name}", task)


def _draw_ended(collection: FolderCollection, encoder: Encoder, task: Task) -> None:
    with st.container(horizontal=True, vertical_alignment="center"):
        st.markdown(plain(task.message or "The map was not computed: a first sketch is shown."))
        st.button(
            "Compute the map",
            icon=":material/play_arrow:",
            key="map_compute",
            on_click=compute,
            args=(collection, encoder),
        )
