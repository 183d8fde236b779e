"""The query: words, an image, or both; all of it but an upload is in the link."""

from dataclasses import dataclass

import streamlit as st
from streamlit.delta_generator import DeltaGenerator

from components.collection.collection import Collection
from components.collection.manifest import CollectionError
from components.collection.query import TEMPLATES, Query, QueryError, compose, parse
from components.encoder import Encoded, Encoder, Skipped, encode
from components.images import SUFFIXES, Source, source_of
from components.scores import Floats
from components.ui.text import plain
from components.words import shorten

EXAMPLES = (
    "a cat",
    "people playing sport",
    "mountains, sunset",
    "1.5*horses, mountains",
    "a bus, -red",
    "a meal, -people",
)
# Default weight beside words: cosines between images are higher, so the image would dominate.
_IMAGE_WEIGHT = 0.5
LIKE = "search_like"  # in the link: the id of the image that is searched by


@dataclass(frozen=True)
class QueryImage:
    """The image of a query: its unit vector (width,), its name, its thumbnail."""

    vector: Floats
    name: str
    thumbnail: bytes


def ask(encoder: Encoder, collection: Collection, row: DeltaGenerator) -> Query | None:
    """Draw the query's widgets, the first of them into ``row``; return the query, None if empty."""
    with row:
        text = st.text_input(
            "Search in words",
            label_visibility="collapsed",
            key="search_q",
            bind="query-params",
            type="search",
            live="400ms",
            icon=":material/search:",
            placeholder="2*golden retriever, snow, -person",
            help=(
                "Commas separate terms. 2* before a term doubles its weight, - subtracts it. Put a"
                " term that contains commas in double quotes."
            ),
        )
        with st.popover("By an image", icon=":material/image_search:"):
            uploaded = _upload()
    st.pills(
        "Examples",
        EXAMPLES,
        key="search_example",
        on_change=_take_example,
        label_visibility="collapsed",
    )
    image = _like(collection) or _encoded(encoder, uploaded)
    weight = _show(image, text or "") if image else 1.0
    try:
        templates = bool(st.session_state.get("search_templates"))
        vector = image.vector if image else None
        return compose(encoder, parse(text or ""), vector, weight, templates)
    except QueryError as error:
        if text:
            st.info(plain(str(error)), icon=":material/help:")
        return None


def templates_toggle() -> None:
    """Draw the toggle of the prompt templates."""
    st.toggle(
        "Prompt templates",
        key="search_templates",
        bind="query-params",
        help="Averages each term's vector over: " + ", ".join(f"“{form}”" for form in TEMPLATES),
    )


def _take_example() -> None:
    st.session_state["search_q"] = st.session_state["search_example"] or ""
    st.session_state["search_example"] = None


def more_like(id_: str) -> None:
    """Search by an image of the collection, without words."""
    st.query_params[LIKE] = id_
    st.session_state["search_q"] = ""


def _forget_image() -> None:
    st.query_params.pop(LIKE, None)
    st.session_state.pop("search_pasted", None)
    st.session_state["search_upload_round"] = st.session_state.get("search_upload_round", 0) + 1


def _upload() -> Source | None:
    """Draw the ways to upload an image; return the uploaded one."""
    key = f"search_upload_{st.session_state.get('search_upload_round', 0)}"  # a new one is empty
    dropped = st.file_uploader("Upload an image", type=list(SUFFIXES), key=key)
    pasted = st.chat_input(
        "Click here, then paste an image",
        accept_file=True,
        file_type=list(SUFFIXES),
        key="search_paste",
    )
    if pasted and pasted.files:
        file = pasted.files[0]
        st.session_state["search_pasted"] = source_of(file.getvalue(), file.name)
        st.query_params.pop(LIKE, None)
    if dropped:
        return source_of(dropped.getvalue(), dropped.name)
    earlier: Source | None = st.session_state.get("search_pasted")
    return earlier


def _like(collection: Collection) -> QueryImage | None:
    id_ = st.query_params.get(LIKE)
    if not id_:
        return None
    try:
        return QueryImage(collection.vectors([id_])[0], id_, collection.thumbnail(id_))
    except CollectionError as error:
        st.warning(plain(str(error)), icon=":material/image_not_supported:")
        return None


def _encoded(encoder: Encoder, source: Source | None) -> QueryImage | None:
    """Return an uploaded image with its vector; the session keeps the last one."""
    if source is None:
        return None
    last = st.session_state.get("search_image")
    if last and last[0] == (encoder.key, source):
        return last[1]  # type: ignore[no-any-return]
    item = next(encode(encoder, [source], thumbnails=True))
    if isinstance(item, Skipped):
        st.warning(plain(item.reason), icon=":material/broken_image:")
        return None
    assert isinstance(item, Encoded)  # noqa: S101 - the other kind
    image = QueryImage(item.vector, source.name, item.thumbnail)
    st.session_state["search_image"] = ((encoder.key, source), image)
    return image


def _show(image: QueryImage, text: str) -> float:
    """Draw the query's image and, if there are words too, its weight; return the weight."""
    with st.container(horizontal=True, vertical_alignment="center", key="search-image"):
        st.image(image.thumbnail, width=72, alt=f"Query image: {image.name}")
        st.markdown(f"Similar to **{plain(shorten(image.name, 40))}**")
        st.button("Remove image", icon=":material/close:", on_click=_forget_image)
        if not parse(text):
            return 1.0
        return float(
            st.slider(
                "Weight of the image",
                0.1,
                2.0,
                _IMAGE_WEIGHT,
                0.1,
                key="search_weight",
                bind="query-params",
                width=200,
                help="A term has a weight of 1 unless the query sets another",
            )
        )
