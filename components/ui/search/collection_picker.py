"""Which collection is searched: the picker, and what its model means for the search."""

import streamlit as st

from components.collection.build import Job, build
from components.collection.manifest import CollectionError, Manifest, OtherModel, read_manifest
from components.collection.manifest import folder_of as _folder_of
from components.collection.sources.source import SourceSpec
from components.collection.store import Collection, collections, open_collection
from components.encoder import Encoder
from components.settings import Settings
from components.ui.search import builds
from components.ui.text import plain
from components.words import count

SAMPLES = "samples"
_KEPT = 4  # opened collections; the files stay on the disk


@st.cache_resource(max_entries=_KEPT, show_spinner="Opening the collection")
def _opened(name: str, generation: int, updated: str) -> Collection:
    return open_collection(name)


def pick() -> Manifest | None:
    """Draw the picker; return the chosen collection's manifest, None where it is not there."""
    found = {each.name: each for each in collections() if isinstance(each, Manifest)}
    names = list(dict.fromkeys([SAMPLES, *found]))
    wanted = st.query_params.get("search_in", SAMPLES)
    if wanted not in names:
        names.append(wanted)  # of a link: gone, or never here
    name = st.selectbox(
        "Collection",
        names,
        key="search_in",
        bind="query-params",
        on_change=_follow_model,
        width=280,
        help="A set of images whose vectors are on disk. “Collections” makes another one.",
    )
    return found.get(str(name))


def _follow_model() -> None:
    """Take the model that made the collection, and begin at its first page."""
    try:
        facts = read_manifest(_folder_of(str(st.session_state["search_in"])))
    except CollectionError:
        return
    if facts:
        st.session_state["model"] = facts.model
    for name in ("search_like", "search_photo", "search_seed"):
        st.query_params.pop(name, None)


def open_or_stop(encoder: Encoder, facts: Manifest | None) -> Collection:
    """Return the opened collection, or stop the page with a sentence and what can be done."""
    name = str(st.session_state["search_in"])
    if facts is None:
        facts = _first_samples(encoder) if name == SAMPLES else None
    try:
        if facts is None:
            return open_collection(name)  # raises what is wrong with it
        facts.check_model(encoder.spec.id, encoder.revision)
        return _opened(facts.name, facts.generation, facts.updated)
    except OtherModel as error:
        _offer(encoder, facts, str(error))
    except CollectionError as error:
        st.warning(plain(str(error)), icon=":material/folder_off:")
        st.button("Go to the samples", icon=":material/photo_library:", on_click=_to_samples)
    st.stop()
    raise AssertionError  # for the type checker: st.stop does not return


def _first_samples(encoder: Encoder) -> Manifest:
    with st.spinner("Indexing the sample images. This happens once.", show_time=True):
        return build(Job(SAMPLES, SourceSpec("samples")), encoder).manifest


def _to_samples() -> None:
    st.session_state["search_in"] = SAMPLES
    _follow_model()


def _use_model(model: str) -> None:
    st.session_state["model"] = model


def _offer(encoder: Encoder, facts: Manifest | None, sentence: str) -> None:
    assert facts is not None  # noqa: S101 - only an opened manifest has another model
    st.warning(plain(sentence), icon=":material/deployed_code_alert:")
    with st.container(horizontal=True):
        if facts.model != encoder.spec.id:
            st.button(
                f"Use {plain(facts.model)}",
                type="primary",
                icon=":material/deployed_code:",
                on_click=_use_model,
                args=(facts.model,),
            )
        if not Settings().read_only:
            st.button(
                f"Index it again with {plain(encoder.spec.name)}",
                icon=":material/replay:",
                on_click=builds.start,
                args=(Job(facts.name, facts.source, afresh=True), encoder),
            )


def describe(facts: Manifest) -> str:
    """Return what a collection is, in a line: size, model, date."""
    state = "" if facts.complete else ", stopped before its end"
    return (
        f"{count(facts.rows, 'image')} · indexed with {plain(facts.model)}"
        f" ({facts.precision}) · {facts.updated[:10]}{state}"
    )
