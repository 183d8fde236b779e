"""What was found: the summary, the grid with its pages, and the downloads."""

from base64 import b64encode
from collections.abc import Sequence

import numpy as np
import streamlit as st

from components.collection.index import Allowed
from components.collection.query import Query
from components.collection.search import (
    MOST,
    Found,
    Hit,
    Limits,
    browse,
    hits,
    search,
)
from components.collection.store import Collection
from components.collection.vectors import Rows
from components.encoder import Encoder
from components.output.export import provenance, rows_to_csv, rows_to_json
from components.scores import FAIR
from components.ui.charts import contributions
from components.ui.reading import read_query, reading
from components.ui.search import query as search_query
from components.ui.search.controls import NO_FOLD, View
from components.ui.search.photo import alt, credit, open_photo
from components.ui.text import plain
from components.words import count, shorten


def find(
    collection: Collection,
    query: Query | None,
    view: View,
    allowed: Allowed | None,
    least: float,
) -> Found:
    """Return what is to be listed: the nearest, or without a query images drawn at random."""
    if query is None:
        rows = browse(collection, _seed(), allowed)
        nothing = np.zeros(len(rows), dtype=np.float32)
        return Found(rows, nothing, tuple(rows[:0] for _ in rows))
    fold = None if view.fold >= NO_FOLD else view.fold
    return search(collection, query.vector, Limits(MOST, allowed, least, fold))


def _seed() -> int:
    seed = st.query_params.get("search_seed", "1")
    return int(seed) if seed.isdecimal() and len(seed) < 10 else 1


def _shuffle() -> None:
    st.query_params["search_seed"] = str(_seed() + 1)
    search_query.first_page()


def summarise(collection: Collection, query: Query | None, found: Found, passing: int) -> None:
    """Draw one line that says what is listed, and how the score is to be read."""
    if query is None:
        with st.container(horizontal=True, vertical_alignment="center"):
            st.caption(f"{count(passing, 'image')} in random order: nothing is asked for yet.")
            st.button("Shuffle", icon=":material/shuffle:", on_click=_shuffle, type="tertiary")
        return
    folded = sum(map(len, found.folded))
    also = f", {count(folded, 'near-duplicate')} folded into them" if folded else ""
    most = f" The list ends at {MOST:,}." if len(found) + folded >= MOST else ""
    st.caption(
        f"{count(len(found), 'result')} of {count(len(collection), 'image')}{also}, nearest"
        f" first by **cosine**: how closely the vectors of query and image point the same way,"
        f" from -1 to 1; compare it within one model only.{most}"
    )


def grid(
    encoder: Encoder, collection: Collection, query: Query | None, found: Found, view: View
) -> None:
    """Draw a page of tiles, and the choice of the page."""
    place = st.container()
    page = _page(-(-len(found) // view.page_size))
    first = (page - 1) * view.page_size
    shown = slice(first, first + view.page_size)
    rows = found.rows[shown]
    listed = hits(collection, rows, [*map(float, found.cosines[shown])], first + 1)
    vectors = collection.vectors.rows(rows) if query is not None else None
    readings = read_query(encoder, query, vectors)
    if first == 0 and readings and readings[0][0] < FAIR:
        place.info(_no_good_match(readings[0][0]), icon=":material/sentiment_neutral:")
    shares = None
    if query is not None and vectors is not None and view.scores:
        shares = query.contributions(vectors)
    with place, st.grid("auto", min_column_width=view.tile, gap="small"):
        for number, (row, hit) in enumerate(zip(rows, listed, strict=True)):
            with st.container(gap="xsmall", key=f"hit-{number}"):
                _tile(collection, int(row), hit, found.folded[first + number], query is not None)
                if shares is not None and query is not None:
                    told = reading(*readings[number]) if readings else ""
                    _scores(query, hit, [*map(float, shares[number])], told)


def _page(pages: int) -> int:
    """Draw the choice of the page; return the chosen one, the first where there is one at most."""
    if pages < 2:
        return 1
    wanted = st.query_params.get(search_query.PAGE, "1")
    now = min(int(wanted) if wanted.isdecimal() and len(wanted) < 6 else 1, pages)
    # Not bound to the link: a bound widget keeps its page when something else is listed.
    key = f"search_pages_{search_query.listing()}"
    return st.pagination(pages, default=max(now, 1), key=key, on_change=_turn, args=(key,))


def _turn(key: str) -> None:
    st.query_params[search_query.PAGE] = str(st.session_state[key])


def _tile(collection: Collection, row: int, hit: Hit, folded: Rows, ranked: bool) -> None:
    record = {"id": hit.id, "image": hit.image, **hit.metadata}
    st.image(_inline(collection.thumbnail(row)), width="stretch", alt=alt(record))
    rank = f"#{hit.rank} " if ranked else ""
    st.button(
        plain(f"{rank}{shorten(hit.image, 18)}"),
        key=f"photo-{row}",
        type="tertiary",
        icon=":material/zoom_in:",
        on_click=open_photo,
        args=(hit.id,),
    )
    notes = [f"+{count(len(folded), 'near-duplicate')}"] if len(folded) else []
    notes += [told] if (told := credit(collection, record)) else []
    if notes:
        st.caption(" · ".join(notes))


def _inline(jpeg: bytes) -> str:
    """Return an image as an address that holds it: a grid of files of their own takes a third
    longer to appear (`tests/browser/bench_search_page.py`), and another query shows others anyway.
    """
    return f"data:image/jpeg;base64,{b64encode(jpeg).decode()}"


def _no_good_match(best: float) -> str:
    return (
        "**No good match** in this collection: of 1,000 everyday captions written for no image,"
        f" {1 - best:.0%} fit the nearest image better than this query."
    )


def _scores(query: Query, hit: Hit, shares: Sequence[float], told: str) -> None:
    st.progress(min(max(hit.cosine, 0.0), 1.0), f"**{hit.cosine:.3f}**")
    if told:
        st.caption(told)
    if len(shares) > 1:
        told = ", ".join(f"{t} {s:+.2f}" for t, s in zip(query.labels, shares, strict=True))
        st.image(contributions(query.labels, shares), width="stretch", alt=told)


def downloads(encoder: Encoder, collection: Collection, found: Found, text: str) -> None:
    """Draw the download buttons; each file is made when it is asked for."""

    def rows() -> list[dict[str, object]]:
        listed = hits(collection, found.rows, [*map(float, found.cosines)])
        return [hit.flat() for hit in listed]

    def about() -> dict[str, object]:
        return {"collection": collection.manifest.name, "query": text, **provenance(encoder)}

    with st.container(horizontal=True):
        for name, data, mime in (
            ("CSV", lambda: rows_to_csv(rows()), "text/csv"),
            ("JSON", lambda: rows_to_json(rows(), about()), "application/json"),
        ):
            st.download_button(
                name,
                data,
                file_name=f"captionlens-search.{name.lower()}",
                mime=mime,
                icon=":material/download:",
                on_click="ignore",
            )
    st.caption(f"CSV and JSON hold all {count(len(found), 'result')}, with their metadata.")
