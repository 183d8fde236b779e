"""Search: a collection's images, searched in words, by an image, or both."""

import time

import streamlit as st

from components.collection.collection import Collection
from components.encoder import Encoder
from components.ui.model_picker import pick_encoder
from components.ui.present import heading
from components.ui.search import builds, collection_picker, controls, map_view, results
from components.ui.search import query as search_query
from components.ui.search.photo import PHOTO, photo_view
from components.ui.setup import setup


@st.fragment
def explore(encoder: Encoder, collection: Collection, presenting: bool) -> None:
    """Draw query and results; typing reruns only this."""
    with collection_picker.explained():  # a server may be gone since the collection was opened
        _explore(encoder, collection, presenting)


def _explore(encoder: Encoder, collection: Collection, presenting: bool) -> None:
    began = time.perf_counter()
    with st.container(key="inputs"):
        row = st.container(horizontal=True, vertical_alignment="center")
        query = search_query.ask(encoder, collection, row)
        with row:
            asked = controls.controls(collection, query, presenting)
    if asked.view.as_map:
        opened = map_view.folder_of(encoder, collection)
        if opened is None:
            return
        result, order = map_view.show(encoder, opened, asked)
    else:
        result, order = results.list_found(encoder, collection, asked)
    results.record(collection, query, len(result), time.perf_counter() - began)
    if len(result) and (query is not None or map_view.selects(asked.view)):
        results.downloads(encoder, collection, query, result)
    if PHOTO in st.query_params:
        photo_view(encoder, collection, query, result, order)


setup()
presenting = heading(
    "Search", "A collection of images, searched in words, by an image, or both.", results.step
)
source = st.container(key="inputs-source", horizontal=True, vertical_alignment="center")
with source:
    manifest = collection_picker.pick()
    manage = st.button(
        "Collections",
        icon=":material/photo_library:",
        help="Add, update or remove collections",
        key="collections_manage",
    )
    encoder = pick_encoder(manifest.model if manifest else "")
if manage:
    builds.manage(encoder, manifest)
with st.container():  # always there: a control that moves is no longer written to the link
    builds.show()
collection = collection_picker.open_or_stop(encoder, manifest)
source.caption(collection_picker.describe(collection.manifest), width="content")
explore(encoder, collection, presenting)
