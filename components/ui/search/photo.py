"""One photograph of a collection: large, with all that is known of it, and what can be done."""

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
from components.words import shorten

PHOTO = "search_photo"  # in the link: the id of the photograph that is open
_SIMILAR = 6
_UTM = "utm_source=captionlens&utm_medium=referral"
_SHOWN_APART = frozenset({"id", "image", "digest", "location", "photographer_url", "page_url"})


def credit(collection: Collection, record: Record) -> str:
    """Return the credit that a photograph must carry, as Markdown; empty where it needs none."""
    name, url = record.get("photographer"), record.get("photographer_url")
    if collection.manifest.source.kind != "unsplash":
        return f"By {plain(str(name))}" if name else ""
    who = plain(str(name or "an unknown photographer"))
    linked = f"[{who}]({url})" if url else who
    return f"Photo by {linked} on [Unsplash](https://unsplash.com/?{_UTM})"


def plain_credit(collection: Collection, record: Record) -> str:
    """Return the same as words, for a name."""
    name = record.get("photographer")
    unsplash = collection.manifest.source.kind == "unsplash"
    return f"Photo by {name or 'an unknown photographer'} on Unsplash" if unsplash else ""


def alt(record: Record) -> str:
    """Return what a photograph shows, as far as its metadata says."""
    captions = record.get("captions")
    texts = [record.get("description"), captions[0] if isinstance(captions, list) else None]
    told = next((str(text) for text in texts if text), "")
    return f"{record['image']}: {shorten(told, 160)}" if told else str(record["image"])


def open_photo(id_: str) -> None:
    """Open a photograph: it is in the link from now on."""
    st.query_params[PHOTO] = id_


def _close() -> None:
    st.query_params.pop(PHOTO, None)


def original(collection: Collection, record: Record) -> Source:
    """Return where a photograph's full image comes from."""
    place, name = str(record["location"]), str(record["image"])
    if not place.startswith(("http://", "https://")):
        return source_of(Path(place), name)
    from components.collection.sources.remote import Fetcher
    from components.collection.sources.unsplash import with_query

    if collection.manifest.source.kind == "unsplash":
        place = with_query(place, {"w": "1600", "q": "80", "fm": "jpg"})
    return source_of(partial(Fetcher().get, place), name)


@st.dialog("Photograph", width="large", on_dismiss=_close)
def photo_view(encoder: Encoder, collection: Collection, row: int, query: Query | None) -> None:
    """Draw one photograph."""
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
        st.caption(f":material/info: Only the small image: {plain(str(error))}")
    st.image(image, width="stretch", alt=alt(record))
    told = credit(collection, record)
    link = str(record.get("page_url") or "")
    if told:
        st.markdown(told + (f" · [its page]({link})" if link else ""))


def _actions(collection: Collection, row: int, record: Record) -> None:
    with st.container(horizontal=True):
        if st.button("More like this", icon=":material/search:", type="primary"):
            _close()
            more_like(str(record["id"]))
            st.rerun()
        if st.button("Use in Match", icon=":material/image_search:"):
            _take(collection, row, record)
            st.switch_page(page(MATCH), query_params={})  # None refuses over bound ones
        if st.button(
            "Add to matrix",
            icon=":material/playlist_add:",
            help="Puts it into the tray, which the other pages take their images from",
        ):
            _take(collection, row, record)
            st.toast(f"{len(tray.tray())} in the tray.", icon=":material/check:")


def _take(collection: Collection, row: int, record: Record) -> None:
    """Put the photograph into the tray, with its credit in its name."""
    name = " · ".join(filter(None, [str(record["image"]), plain_credit(collection, record)]))
    source = original(collection, record)
    try:
        data = source.data.read_bytes() if isinstance(source.data, Path) else _bytes(source)
    except (CaptionLensError, OSError):
        data = collection.thumbnail(row)
    tray.add(f"{collection.manifest.name}/{record['id']}", source_of(data, name))


def _bytes(source: Source) -> bytes:
    assert callable(source.data)  # noqa: S101 - the third kind
    return source.data()


def _score(encoder: Encoder, collection: Collection, row: int, query: Query) -> None:
    vectors = collection.vectors.rows(_one(row))
    shares = query.contributions(vectors)[0]
    told = "".join(f" ({reading(*found)})" for found in read_query(encoder, query, vectors))
    st.markdown(f"Cosine with the query **{shares.sum():.3f}**{told}, of which each term brings:")
    told = ", ".join(f"{t} {s:+.2f}" for t, s in zip(query.labels, shares, strict=True))
    st.image(contributions(query.labels, [*map(float, shares)]), width=300, alt=told)


def _metadata(record: Record) -> None:
    rows = [(n, v) for n, v in record.items() if v not in (None, "", []) and n not in _SHOWN_APART]
    table = {name.replace("_", " "): _readable(value) for name, value in rows}
    st.table({"": list(table.keys()), " ": list(table.values())}, border="horizontal")


def _readable(value: object) -> str:
    return plain("; ".join(map(str, value)) if isinstance(value, list) else str(value))


def _similar(collection: Collection, row: int) -> None:
    vector = collection.vectors.rows(_one(row))[0]
    found = search(collection, vector, Limits(_SIMILAR + 1))
    others = [int(other) for other in found.rows if other != row][:_SIMILAR]
    if not others:
        return
    st.markdown("**Similar photographs**")
    with st.grid("auto", min_column_width=110, gap="small"):
        for other, record in zip(others, collection.records(np.array(others)), strict=True):
            with st.container(gap="xsmall"):
                st.image(collection.thumbnail(other), width="stretch", alt=alt(record))
                name = plain(shorten(str(record["image"]), 18))
                if st.button(name, key=f"similar-{other}", type="tertiary"):
                    open_photo(str(record["id"]))
                    st.rerun()
                told = credit(collection, record)
                if told:
                    st.caption(told)
