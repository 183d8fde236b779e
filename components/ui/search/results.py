"""The results: their summary, the grid with its pages, and the downloads."""

from base64 import b64encode
from collections.abc import Sequence

import numpy as np
import streamlit as st

from components.collection.index import Allowed
from components.collection.query import Query
from components.collection.search import (
    MAX_RESULTS,
    Hit,
    Limits,
    SearchResult,
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
from components.ui.search.controls import NO_FOLD, SearchView
from components.ui.search.photo import alt, credit, open_photo
from components.ui.text import plain
from components.words import count, shorten


def find(
    collection: Collection,
    query: Query | None,
    view: SearchView,
    allowed: Allowed | None,
    minimum: float,
) -> SearchResult:
    """Return the nearest images, or without a query all images in random order."""
    if query is None:
        rows = browse(collection, _seed(), allowed)
        no_cosines = np.zeros(len(rows), dtype=np.float32)
        return SearchResult(rows, no_cosines, tuple(rows[:0] for _ in rows))
    fold = None if view.fold >= NO_FOLD else view.fold
    return search(collection, query.vector, Limits(MAX_RESULTS, allowed, minimum, fold))


def _seed() -> int:
    seed = st.query_params.get("search_seed", "1")
    return int(seed) if seed.isdecimal() and len(seed) < 10 else 1


def _shuffle() -> None:
    st.query_params["search_seed"] = str(_seed() + 1)
    search_query.first_page()


def summarise(
    collection: Collection, query: Query | None, result: SearchResult, passing: int
) -> None:
    """Draw the number of results, their order, and how to read their score."""
    if query is None:
        with st.container(horizontal=True, vertical_alignment="center"):
            st.caption(f"{count(passing, 'image')} in random order. Enter a query to rank them.")
            st.button("Shuffle", icon=":material/shuffle:", on_click=_shuffle, type="tertiary")
        return
    folded = sum(map(len, result.folded))
    folded_into = f", {count(folded, 'near-duplicate')} folded into them" if folded else ""
    limited = len(result) + folded >= MAX_RESULTS
    limit = f" The list is limited to {MAX_RESULTS:,}." if limited else ""
    st.caption(
        f"{count(len(result), 'result')} of {count(len(collection), 'image')}{folded_into},"
        f" ranked by **cosine**: how closely the vectors of query and image point the same way,"
        f" from -1 to 1. Compare it within one model only.{limit}"
    )


def grid(
    encoder: Encoder,
    collection: Collection,
    query: Query | None,
    result: SearchResult,
    view: SearchView,
) -> None:
    """Draw a page of tiles, and the pagination below them."""
    place = st.container()
    page = _page(-(-len(result) // view.page_size))
    first = (page - 1) * view.page_size
    shown = slice(first, first + view.page_size)
    rows = result.rows[shown]
    listed = hits(collection, rows, [*map(float, result.cosines[shown])], first + 1)
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
                _tile(collection, int(row), hit, result.folded[first + number], query is not None)
                if shares is not None and query is not None:
                    text = reading(*readings[number]) if readings else ""
                    _scores(query, hit, [*map(float, shares[number])], text)


def _page(pages: int) -> int:
    """Draw the pagination if there are two pages or more; return the current page."""
    if pages < 2:
        return 1
    linked = st.query_params.get(search_query.PAGE, "1")
    page = min(int(linked) if linked.isdecimal() and len(linked) < 6 else 1, pages)
    # Not bound to the link: a bound widget would keep its page when the results change.
    key = f"search_pages_{search_query.listing()}"
    return st.pagination(pages, default=max(page, 1), key=key, on_change=_turn, args=(key,))


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
    notes += [credited] if (credited := credit(collection, record)) else []
    if notes:
        st.caption(" · ".join(notes))


def _inline(jpeg: bytes) -> str:
    """Return an image as a data URL: a grid of separate files takes a third longer to appear
    (`tests/browser/bench_search_page.py`), and caching gains little as queries change the images.
    """
    return f"data:image/jpeg;base64,{b64encode(jpeg).decode()}"


def _no_good_match(best: float) -> str:
    return (
        f"**No good match** in this collection: {1 - best:.0%} of 1,000 everyday captions match"
        " the best image better than this query does."
    )


def _scores(query: Query, hit: Hit, shares: Sequence[float], text: str) -> None:
    st.progress(min(max(hit.cosine, 0.0), 1.0), f"**{hit.cosine:.3f}**")
    if text:
        st.caption(text)
    if len(shares) > 1:
        alt_text = ", ".join(f"{t} {s:+.2f}" for t, s in zip(query.labels, shares, strict=True))
        st.image(contributions(query.labels, shares), width="stretch", alt=alt_text)


def downloads(encoder: Encoder, collection: Collection, result: SearchResult, text: str) -> None:
    """Draw the download buttons; each file is made on the click."""

    def rows() -> list[dict[str, object]]:
        listed = hits(collection, result.rows, [*map(float, result.cosines)])
        return [hit.flat() for hit in listed]

    def metadata() -> dict[str, object]:
        return {"collection": collection.manifest.name, "query": text, **provenance(encoder)}

    with st.container(horizontal=True):
        for name, data, mime in (
            ("CSV", lambda: rows_to_csv(rows()), "text/csv"),
            ("JSON", lambda: rows_to_json(rows(), metadata()), "application/json"),
        ):
            st.download_button(
                name,
                data,
                file_name=f"captionlens-search.{name.lower()}",
                mime=mime,
                icon=":material/download:",
                on_click="ignore",
            )
    all_results = count(len(result), "result")
    st.caption(f"CSV and JSON contain all {all_results}, with their metadata.")
