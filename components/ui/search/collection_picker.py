"""The collection picker, and what to do where the chosen collection cannot be searched."""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import NoReturn, TypeVar

import streamlit as st

from components.collection.build import BuildJob, BuildProgress, build
from components.collection.build import describe as describe_progress
from components.collection.collection import Collection
from components.collection.manifest import (
    CollectionError,
    Damaged,
    Manifest,
    OtherModel,
    read_manifest,
)
from components.collection.manifest import folder_of as _folder_of
from components.collection.opening import is_on_server, open_collection, searched
from components.collection.sources.source import SourceSpec
from components.collection.store import (
    SAMPLES,
    CollectionBusy,
    FolderCollection,
    collections,
    open_folder,
    published,
)
from components.encoder import Encoder
from components.errors import CaptionLensError
from components.images import sample_captions
from components.ui.account import Permission, may
from components.ui.model_picker import choose_model, offer_model
from components.ui.search import builds
from components.ui.text import plain
from components.words import count

Used = TypeVar("Used")
_KEPT = 4  # open collections
_BEING_INDEXED = (
    "The sample images are being indexed. This page opens them as soon as they are ready."
)
_POLL = 0.5  # seconds between two looks at whether another process has indexed the samples


@st.cache_resource(max_entries=_KEPT, show_spinner="Opening the collection")
def _folder(name: str, generation: int, updated: str) -> FolderCollection:
    collection = open_folder(name)
    collection.columns  # noqa: B018 - reads the metadata, so that damage of it is met here
    return collection


@st.cache_resource(max_entries=_KEPT, show_spinner="Opening the collection")
def _on_server(name: str, generation: int, updated: str) -> Collection:
    return open_collection(name)


def pick() -> Manifest | None:
    """Draw the picker; return the chosen collection's manifest, None if there is none."""
    found = [searched(each) for each in collections() if isinstance(each, Manifest)]
    manifests = {each.name: each for each in found}
    names = list(dict.fromkeys([SAMPLES, *manifests]))
    linked = st.query_params.get("search_in", SAMPLES)
    if linked not in names:
        names.append(linked)  # removed, or of another computer
    name = st.selectbox(
        "Collection",
        names,
        key="search_in",
        bind="query-params",
        on_change=_follow_model,
        width=200,
        label_visibility="collapsed",
    )
    return manifests.get(str(name))


def _follow_model() -> None:
    """Switch to the model that made the collection, and to its first page."""
    try:
        manifest = published(str(st.session_state["search_in"]))
    except CollectionError:
        return
    if manifest:
        choose_model(searched(manifest).model)
    for name in ("search_like", "search_photo", "search_seed"):
        st.query_params.pop(name, None)


def open_or_stop(encoder: Encoder, manifest: Manifest | None) -> Collection:
    """Return the opened collection, or stop the page with a sentence and the ways out."""
    name = str(st.session_state["search_in"])
    try:
        if name == SAMPLES and (manifest is None or _outdated(manifest, encoder)):
            manifest = _index_samples(encoder, manifest)
        if manifest is None:
            return open_collection(name)  # raises, with the reason
        try:
            manifest.check_model(encoder.spec.id, encoder.revision)
        except OtherModel as error:
            _offer_and_stop(encoder, manifest, str(error))
        opener = _on_server if is_on_server(manifest.name) else _folder
        opened: Collection = opener(manifest.name, manifest.generation, manifest.updated)
        # A server may have an older state than the folder, by another revision of the model.
        opened.manifest.check_model(encoder.spec.id, encoder.revision)
        return opened
    except CollectionError as error:
        st.warning(plain(str(error)), icon=":material/folder_off:")
        with st.container(horizontal=True):
            if isinstance(error, Damaged):
                _offer_to_mend(encoder, name, manifest)
            if name != SAMPLES:
                st.button(
                    "Go to the samples", icon=":material/photo_library:", on_click=_to_samples
                )
        st.stop()


@contextmanager
def explained() -> Iterator[None]:
    """Where a collection fails while it is searched, draw the sentence, and stop the page."""
    try:
        yield
    except CollectionError as error:
        st.warning(plain(str(error)), icon=":material/folder_off:")
        st.stop()


def open_or_explain(
    encoder: Encoder, manifest: Manifest, use: Callable[[FolderCollection], Used]
) -> Used | None:
    """Return what ``use`` makes of a collection; draw why it cannot be used, and return None."""
    try:
        manifest.check_model(encoder.spec.id, encoder.revision)
        return use(_folder(manifest.name, manifest.generation, manifest.updated))
    except OtherModel as error:
        st.warning(plain(str(error)), icon=":material/deployed_code_alert:")
        offer_model(manifest.model, encoder)
    except CaptionLensError as error:
        st.warning(plain(str(error)), icon=":material/folder_off:")
    return None


def _offer_to_mend(encoder: Encoder, name: str, manifest: Manifest | None) -> None:
    """Draw the button that encodes again what is damaged: everything, without a manifest."""
    source = manifest.source if manifest else SourceSpec("samples") if name == SAMPLES else None
    task = builds.running().get(name)
    begun = task is not None and not task.ended
    if source is None or begun or (name != SAMPLES and not may(Permission.INDEX)):
        return
    st.button(
        "Index it again",
        type="primary",
        icon=":material/replay:",
        on_click=builds.start,
        args=(BuildJob(name, source, rebuild=manifest is None), encoder),
    )


def _outdated(manifest: Manifest, encoder: Encoder) -> bool:
    """Return whether the samples are those of an earlier app, or of an earlier revision of a model.

    An index by another model stays: the page offers both.
    """
    changed = manifest.revision != encoder.revision or manifest.rows != len(sample_captions())
    return manifest.model == encoder.spec.id and changed


def _index_samples(encoder: Encoder, before: Manifest | None) -> Manifest:
    """Return the samples' manifest once they are indexed: here, or by whoever began first."""
    rebuild = before is not None and before.revision != encoder.revision
    job = BuildJob(SAMPLES, SourceSpec("samples"), rebuild)
    place = st.empty()
    with place:
        manifest = _made_or_awaited(job, encoder)
    place.empty()
    return manifest


def _made_or_awaited(job: BuildJob, encoder: Encoder) -> Manifest:
    while True:
        try:
            return _build_samples(job, encoder)
        except CollectionBusy:
            st.info(_BEING_INDEXED, icon=":material/hourglass_top:")
            time.sleep(_POLL)
        manifest = read_manifest(_folder_of(SAMPLES))
        if manifest and not _outdated(manifest, encoder):
            return manifest


def _build_samples(job: BuildJob, encoder: Encoder) -> Manifest:
    title = "Indexing the sample images. This happens once"

    def show(now: BuildProgress) -> None:
        st.progress(now.done / max(now.total, 1), f"{title}: {describe_progress(now)}")

    return build(job, encoder, show).manifest


def _to_samples() -> None:
    st.session_state["search_in"] = SAMPLES
    _follow_model()


def _offer_and_stop(encoder: Encoder, manifest: Manifest, sentence: str) -> NoReturn:
    st.warning(plain(sentence), icon=":material/deployed_code_alert:")
    with st.container(horizontal=True):
        offer_model(manifest.model, encoder)
        if may(Permission.INDEX):
            st.button(
                f"Rebuild with {plain(encoder.spec.name)}",
                icon=":material/replay:",
                on_click=builds.start,
                args=(BuildJob(manifest.name, manifest.source, rebuild=True), encoder),
            )
    st.stop()


def describe(manifest: Manifest) -> str:
    """Return a collection's size, model and date in one line."""
    state = "" if manifest.complete else ", incomplete"
    return (
        f"{count(manifest.rows, manifest.source.noun)} · indexed with {plain(manifest.model)}"
        f" ({manifest.precision}) · {manifest.updated[:10]}{state}"
    )
