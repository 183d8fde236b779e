"""The dialog of one image: large, with its metadata, its score and the actions on it."""

from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import streamlit as st

from components.collection.query import Query
from components.collection.records import Record
from components.collection.search import Limits, search
from components.collection.store import Collection
from components.encoder import Encoder
from components.errors import CaptionLensError
from components.images import Source, enlarge, source_of
from components.ui import tray
from components.ui.charts import contributions
from components.ui.reading import read_query, reading
from components.ui.search.query import more_like
from components.ui.setup import MATCH, page
from components.ui.text import plain
from components.words import count, shorten

PHOTO = "search_photo"  # in the link: the id of the open image
_SIMILAR = 6
_UTM = "utm_source=captionlens&utm_medium=referral"
_SHOWN_APART = frozenset({"id", "image", "digest", "location", "photographer_url", "page_url"})


def credit(collection: Collection, record: Record) -> str:
    """Return the credit that must stand beside an image, as Markdown; empty if none is needed."""
    name, url = record.get("photographer"), record.get("photographer_url")
    if collection.manifest.source.kind != "unsplash":
        return f"By {plain(str(name))}" if name else ""
    photographer = plain(str(name or "an unknown photographer"))
    linked = f"[{photographer}]({url})" if url else photographer
    return f"Photo by {linked} on [Unsplash](https://unsplash.com/?{_UTM})"


def plain_credit(collection: Collection, record: Record) -> str:
    """Return an Unsplash photograph's credit as plain text; empty for other collections."""
    name = record.get("photographer")
    unsplash = collection.manifest.source.kind == "unsplash"
    return f"Photo by {name or 'an unknown photographer'} on Unsplash" if unsplash else ""


def alt(record: Record) -> str:
    """Return an image's alternative text: its name, and its description or first caption."""
    captions = record.get("captions")
    texts = [record.get("description"), captions[0] if isinstance(captions, list) else None]
    text = next((str(text) for text in texts if text), "")
    return f"{record['image']}: {shorten(text, 160)}" if text else str(record["image"])


def open_photo(id_: str) -> None:
    """Open an image, which puts its id into the link."""
    st.query_params[PHOTO] = id_


def _close() -> None:
    st.query_params.pop(PHOTO, None)


def original(collection: Collection, record: Record) -> Source:
    """Return the source of an image in full size."""
    place, name = str(record["location"]), str(record["image"])
    if not place.startswith(("http://", "https://")):
        return source_of(Path(place), name)
    from components.collection.sources.remote import Fetcher
    from components.collection.sources.unsplash import with_query

    if collection.manifest.source.kind == "unsplash":
        place = with_query(place, {"w": "1600", "q": "80", "fm": "jpg"})
    return source_of(partial(Fetcher().get, place), name)


@st.dialog("Image", width="large", on_dismiss=_close)
def photo_view(encoder: Encoder, collection: Collection, row: int, query: Query | None) -> None:
    """Draw one image, large, with its actions, score, metadata and similar images."""
    record = collection.records(_one(row))[0]
    st.subheader(plain(str(record["image"])))
    left, right = st.columns([3, 2])
    with left:
        _large(collection, row, record)
    with right:
        _actions(collection, row, record)
        if query:
            _score(encoder, collection, row, query)
        _metadata(record)
    _similar(collection, row)


def _one(row: int) -> "np.ndarray[Any, np.dtype[np.int64]]":
    return np.array([row], dtype=np.int64)


def _large(collection: Collection, row: int, record: Record) -> None:
    try:
        with st.spinner("Loading the large image"):
            image = enlarge(original(collection, record))
    except CaptionLensError as error:
        image = collection.thumbnail(row)
        st.caption(f":material/info: Thumbnail shown instead. {plain(str(error))}")
    st.image(image, width="stretch", alt=alt(record))
    link = str(record.get("page_url") or "")
    if credited := credit(collection, record):
        st.markdown(credited + (f" · [Photo page]({link})" if link else ""))


def _actions(collection: Collection, row: int, record: Record) -> None:
    with st.container(horizontal=True):
        if st.button("More like this", icon=":material/search:", type="primary"):
            _close()
            more_like(str(record["id"]))
            st.rerun()
        if st.button("Use in Match", icon=":material/image_search:"):
            _add_to_tray(collection, row, record)
            # Not None: in a dialog, Streamlit then refuses while widgets are bound to the link.
            st.switch_page(page(MATCH), query_params={})
        if st.button(
            "Add to tray",
            icon=":material/playlist_add:",
            help="Adds it to the tray, whose images Match, Matrix and Train use",
        ):
            _add_to_tray(collection, row, record)
            st.toast(f"{count(len(tray.tray()), 'image')} in the tray.", icon=":material/check:")


def _add_to_tray(collection: Collection, row: int, record: Record) -> None:
    """Add the image to the tray, with its credit in its name."""
    name = " · ".join(filter(None, [str(record["image"]), plain_credit(collection, record)]))
    source = original(collection, record)
    try:
        data = source.data.read_bytes() if isinstance(source.data, Path) else _bytes(source)
    except (CaptionLensError, OSError):
        data = collection.thumbnail(row)
    tray.add(f"{collection.manifest.name}/{record['id']}", source_of(data, name))


def _bytes(source: Source) -> bytes:
    assert callable(source.data)  # noqa: S101 - neither a path nor bytes
    return source.data()


def _score(encoder: Encoder, collection: Collection, row: int, query: Query) -> None:
    vectors = collection.vectors.rows(_one(row))
    shares = query.contributions(vectors)[0]
    readings = "".join(f" ({reading(*each)})" for each in read_query(encoder, query, vectors))
    st.markdown(f"Cosine with the query: **{shares.sum():.3f}**{readings}. By term:")
    alt_text = ", ".join(f"{t} {s:+.2f}" for t, s in zip(query.labels, shares, strict=True))
    st.image(contributions(query.labels, [*map(float, shares)]), width=300, alt=alt_text)


def _metadata(record: Record) -> None:
    rows = [(n, v) for n, v in record.items() if v not in (None, "", []) and n not in _SHOWN_APART]
    table = {name.replace("_", " "): _readable(value) for name, value in rows}
    st.table({"": list(table.keys()), " ": list(table.values())}, border="horizontal")


def _readable(value: object) -> str:
    return plain("; ".join(map(str, value)) if isinstance(value, list) else str(value))


def _similar(collection: Collection, row: int) -> None:
    vector = collection.vectors.rows(_one(row))[0]
    nearest = search(collection, vector, Limits(_SIMILAR + 1)).rows
    others = [int(other) for other in nearest if other != row][:_SIMILAR]
    if not others:
        return
    st.markdown("**Similar images**")
    with st.grid("auto", min_column_width=110, gap="small"):
        for other, record in zip(others, collection.records(np.array(others)), strict=True):
            with st.container(gap="xsmall"):
                st.image(collection.thumbnail(other), width="stretch", alt=alt(record))
                name = plain(shorten(str(record["image"]), 18))
                if st.button(name, key=f"similar-{other}", type="tertiary"):
                    open_photo(str(record["id"]))
                    st.rerun()
                if credited := credit(collection, record):
                    st.caption(credited)
