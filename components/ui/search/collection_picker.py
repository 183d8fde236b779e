"""The collection picker, and what to do where the chosen collection cannot be searched."""

from typing import NoReturn

import streamlit as st

from components.collection.build import BuildJob, build
from components.collection.manifest import CollectionError, Manifest, OtherModel, read_manifest
from components.collection.manifest import folder_of as _folder_of
from components.collection.sources.source import SourceSpec
from components.collection.store import Collection, collections, open_collection
from components.encoder import Encoder
from components.images import sample_captions
from components.settings import Settings
from components.ui.model_picker import choose_model
from components.ui.search import builds
from components.ui.text import plain
from components.words import count

SAMPLES = "samples"
_KEPT = 4  # open collections


@st.cache_resource(max_entries=_KEPT, show_spinner="Opening the collection")
def _opened(name: str, generation: int, updated: str) -> Collection:
    return open_collection(name)


def pick() -> Manifest | None:
    """Draw the picker; return the chosen collection's manifest, None if there is none."""
    manifests = {each.name: each for each in collections() if isinstance(each, Manifest)}
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
        manifest = read_manifest(_folder_of(str(st.session_state["search_in"])))
    except CollectionError:
        return
    if manifest:
        choose_model(manifest.model)
    for name in ("search_like", "search_photo", "search_seed"):
        st.query_params.pop(name, None)


def open_or_stop(encoder: Encoder, manifest: Manifest | None) -> Collection:
    """Return the opened collection, or stop the page with a sentence and the ways out."""
    name = str(st.session_state["search_in"])
    if name == SAMPLES and (manifest is None or _outdated(manifest, encoder)):
        manifest = _index_samples(encoder)
    try:
        if manifest is None:
            return open_collection(name)  # raises, with the reason
        try:
            manifest.check_model(encoder.spec.id, encoder.revision)
        except OtherModel as error:
            _offer_and_stop(encoder, manifest, str(error))
        return _opened(manifest.name, manifest.generation, manifest.updated)
    except CollectionError as error:
        _warn_and_stop(str(error))


def _warn_and_stop(sentence: str) -> NoReturn:
    st.warning(plain(sentence), icon=":material/folder_off:")
    st.button("Go to the samples", icon=":material/photo_library:", on_click=_to_samples)
    st.stop()


def _outdated(manifest: Manifest, encoder: Encoder) -> bool:
    """Return whether the samples were indexed by a version of the app that had others."""
    own = (manifest.model, manifest.revision) == (encoder.spec.id, encoder.revision)
    return own and manifest.rows != len(sample_captions())


def _index_samples(encoder: Encoder) -> Manifest:
    with st.spinner("Indexing the sample images. This happens once.", show_time=True):
        return build(BuildJob(SAMPLES, SourceSpec("samples")), encoder).manifest


def _to_samples() -> None:
    st.session_state["search_in"] = SAMPLES
    _follow_model()


def _offer_and_stop(encoder: Encoder, manifest: Manifest, sentence: str) -> NoReturn:
    st.warning(plain(sentence), icon=":material/deployed_code_alert:")
    with st.container(horizontal=True):
        if manifest.model != encoder.spec.id:
            st.button(
                f"Use {plain(manifest.model)}",
                type="primary",
                icon=":material/deployed_code:",
                on_click=choose_model,
                args=(manifest.model,),
            )
        if not Settings().read_only:
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
        f"{count(manifest.rows, 'image')} · indexed with {plain(manifest.model)}"
        f" ({manifest.precision}) · {manifest.updated[:10]}{state}"
    )
