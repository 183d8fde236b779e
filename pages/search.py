"""Search: a collection's images, searched in words, by an image, or both."""

import streamlit as st

from components.collection.manifest import CollectionError
from components.collection.query import Query
from components.collection.store import Collection
from components.encoder import Encoder
from components.ui.model_picker import pick_encoder
from components.ui.search import builds, collection_picker, controls, results
from components.ui.search import query as search_query
from components.ui.search.photo import PHOTO, photo_view
from components.ui.setup import setup
from components.ui.text import plain


@st.fragment
def explore(encoder: Encoder, collection: Collection) -> None:
    """Draw query and results; typing reruns only this."""
    query = search_query.ask(encoder, collection)
    view, allowed, minimum = controls.controls(collection, query)
    result = results.find(collection, query, view, allowed, minimum)
    passing = len(collection) if allowed is None else int(allowed.sum())
    results.summarise(collection, query, result, passing)
    if not len(result):
        st.info(
            "No results. Lower the minimum cosine or remove a filter.",
            icon=":material/filter_alt:",
        )
    results.grid(encoder, collection, query, result, view)
    if query is not None and len(result):
        results.downloads(encoder, collection, result, st.session_state.get("search_q", ""))
    if PHOTO in st.query_params:
        open_photo(encoder, collection, st.query_params[PHOTO], query)


def open_photo(encoder: Encoder, collection: Collection, id_: str, query: Query | None) -> None:
    """Draw the image of this id, or a sentence if the collection has none."""
    try:
        row = collection.row_of(id_)
    except CollectionError as error:
        st.warning(plain(str(error)), icon=":material/image_not_supported:")
    else:
        photo_view(encoder, collection, row, query)


setup()
st.title("Search")
st.markdown("Search a collection of images in words, by an image, or both.")
left, right = st.columns([2, 3])
with left, st.container(horizontal=True, vertical_alignment="bottom"):
    manifest = collection_picker.pick()
    manage = st.button(
        "Collections",
        icon=":material/photo_library:",
        help="Add, update or remove collections",
        key="collections_manage",
    )
with right:
    encoder = pick_encoder(manifest.model if manifest else None)
if manage:
    builds.manage(encoder, manifest)
builds.show()
collection = collection_picker.open_or_stop(encoder, manifest)
st.caption(collection_picker.describe(collection.manifest))
explore(encoder, collection)
