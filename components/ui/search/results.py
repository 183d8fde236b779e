"""The results: their summary, the grid with its pages, and the downloads."""

import zlib
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import streamlit as st

from components.collection.collection import MAX_RESULTS, Collection
from components.collection.query import Query
from components.collection.records import Record
from components.collection.search import (
    Hit,
    Limits,
    SearchResult,
    hits,
    search,
)
from components.encoder import Encoder
from components.images import Source
from components.output.export import provenance, rows_to_csv, rows_to_json
from components.output.moments import rows_of
from components.scores import FAIR, Floats, band
from components.server import counters, events
from components.ui import selection
from components.ui.account import Permission, may
from components.ui.grid import Group, Line, Tile, grid
from components.ui.links import linked_number
from components.ui.reading import read_query, standing
from components.ui.search import film
from components.ui.search.controls import Asked, SearchView
from components.ui.search.photo import add_to_tray, credit, open_photo, original, picture
from components.ui.text import web_address
from components.ui.thumbnails import sharpened
from components.words import count

GRID = "search_grid"
_PAGE = "search_page"  # in the link: the page, and what list it is of
_LISTED = "search_listed"  # in the session: the list that is shown
_STEPS = "search_steps"  # in the session: how often the page was turned by keys
_RECORDED = "search_recorded"  # in the session: the last query that was counted


def list_found(
    encoder: Encoder, collection: Collection, asked: Asked
) -> tuple[SearchResult, list[str]]:
    """Draw the nearest images, or without a query all in random order.

    Returns them, and the ids of those on the page.
    """
    query = asked.query
    result = _find(collection, asked)
    _summarise(collection, query, result, collection.count(asked.filters))
    return result, show(encoder, collection, query, result, asked.view)


def _find(collection: Collection, asked: Asked) -> SearchResult:
    if asked.query is None:
        ids = tuple(collection.browse(_seed(), asked.filters))
        nothing = ((),) * len(ids)
        return SearchResult(ids, np.zeros(len(ids), dtype=np.float32), nothing, nothing)
    view = asked.view
    limits = Limits(MAX_RESULTS, asked.filters, asked.minimum, view.threshold, view.within)
    return search(collection, asked.query.vector, limits)


def _seed() -> int:
    return linked_number("search_seed", 1, digits=9)


def _shuffle() -> None:
    st.query_params["search_seed"] = str(_seed() + 1)


def record(collection: Collection, query: Query | None, found: int, seconds: float) -> None:
    """Count and log a query, once: a click on the page repeats it."""
    if query is None:
        return
    asked = (collection.key, query.vector.tobytes())
    if st.session_state.get(_RECORDED) == asked:
        return
    st.session_state[_RECORDED] = asked
    counters.count_query(seconds)
    texts = {"query": str(st.session_state.get("search_q", "")), "name": collection.manifest.name}
    events.log("query", texts, seconds=round(seconds, 4), found=found, images=len(collection))


def _summarise(
    collection: Collection, query: Query | None, result: SearchResult, passing: int
) -> None:
    """Draw the number of results and their order."""
    with st.container(horizontal=True, vertical_alignment="center", key="search-summary"):
        image, found = film.nouns(collection)
        if query is None:
            st.caption(f"{count(passing, image)} in random order. Enter a query to rank them.")
            st.button("Shuffle", icon=":material/shuffle:", on_click=_shuffle, type="tertiary")
            return
        folded = sum(map(len, result.folded))
        folded_into = f", {count(folded, 'near-duplicate')} folded into them" if folded else ""
        limited = len(result) + folded + sum(map(len, result.frames)) >= MAX_RESULTS
        limit = f" The list is limited to {MAX_RESULTS:,} {image}s." if limited else ""
        st.caption(
            f"{count(len(result), found)} of {count(len(collection), image)}{folded_into},"
            f" ranked by cosine.{limit}"
        )


def show(
    encoder: Encoder,
    collection: Collection,
    query: Query | None,
    result: SearchResult,
    view: SearchView,
) -> list[str]:
    """Draw a page of the results, and the pagination; return the ids on the page."""
    if not len(result):
        st.info(
            "No results. Lower the minimum cosine or remove a filter.",
            icon=":material/filter_alt:",
        )
    place = st.container()
    first = _first(result.ids, view.page_size)
    shown = slice(first, first + view.page_size)
    ids = result.ids[shown]
    listed = hits(collection, ids, [*map(float, result.cosines[shown])], first + 1)
    tiles = [_tile(collection, hit, len(result) if query is not None else 0) for hit in listed]
    under = zip(tiles, result.folded[shown], result.frames[shown], strict=True)
    tiles = [_folded(*each) for each in under]
    notice = ""
    if query is not None and ids:
        vectors = collection.vectors(ids)
        readings = read_query(encoder, query, vectors, result.cosines)
        tiles = [_read(*each) for each in zip(tiles, readings, strict=True)] if readings else tiles
        if view.scores:
            shares = query.contributions(vectors)
            tiles = [_by_term(tile, query, each) for tile, each in zip(tiles, shares, strict=True)]
        if first == 0 and readings and readings[0][0] < FAIR:
            notice = _no_good_match(readings[0][0])
    groups = [Group("results", tiles, notice=notice)] if tiles else []
    found = {hit.id: _record(hit) for hit in listed}
    groups = sharpened(GRID, groups, view.look.height, lambda id_: _local(collection, found[id_]))
    with place:
        chosen = grid(GRID, groups, lambda id_, _: open_photo(id_), look=view.look)
    selection.actions(
        GRID,
        {id_: original(collection, found[id_]) for id_ in chosen},
        lambda id_: add_to_tray(collection, found[id_]),
    )
    return list(found)


def _tile(collection: Collection, hit: Hit, of: int) -> Tile:
    """Return a result's tile; ``of`` is the number of results, 0 if they are not ranked."""
    record = _record(hit)
    tile = Tile(
        hit.id,
        picture(collection, record),
        lines=film.lines(collection, hit.id),
        credit=credit(collection, record),
    )
    if not of:
        return tile
    return replace(tile, rank=hit.rank, of=of, score=f"{hit.cosine:.3f}", best=hit.rank == 1)


def _folded(tile: Tile, twins: Sequence[str], frames: Sequence[str]) -> Tile:
    """Return a tile with the number of near-duplicates, and of its moment's frames, in it."""
    detail = [
        f"+{count(len(ids), noun)}"
        for ids, noun in ((frames, "frame"), (twins, "near-duplicate"))
        if ids
    ]
    return replace(tile, detail=" · ".join(detail))


def _read(tile: Tile, standing_of: tuple[float, float, float]) -> Tile:
    """Return a tile with its band, percentile and z; a weak first place is not marked as best."""
    share, zscore, prominence = standing_of
    detail = " · ".join(filter(None, [standing(share, zscore), tile.detail]))
    best = tile.best and share >= FAIR
    return replace(tile, best=best, band=band(share, prominence), detail=detail)


def _by_term(tile: Tile, query: Query, shares: Floats) -> Tile:
    """Return a tile with the contribution of each term of the query below it."""
    if len(shares) < 2:
        return tile
    lines = [
        Line(label, f"{share:+.2f}") for label, share in zip(query.labels, shares, strict=True)
    ]
    return replace(tile, lines=(*tile.lines, *lines))


def _local(collection: Collection, record: Record) -> Source | None:
    """Return a result's original if it is a file here: thumbnails of remote ones stay as stored."""
    source = original(collection, record)
    return source if isinstance(source.data, Path) else None


def _record(hit: Hit) -> Record:
    return {"id": hit.id, "image": hit.image, **hit.metadata}


def _first(ids: Sequence[str], size: int) -> int:
    """Draw the pagination of a longer list; return the index of the first result on the page."""
    listed = zlib.crc32("\n".join([str(size), *ids[:MAX_RESULTS]]).encode())
    st.session_state[_LISTED] = f"{listed:08x}"
    pages = -(-len(ids) // size)
    if pages < 2:
        return 0
    page = min(max(_page(), 1), pages)
    # Not bound to the link, which says what list the page is of.
    key = f"search_pages_{listed:08x}_{st.session_state.get(_STEPS, 0)}"
    return size * (st.pagination(pages, default=page, key=key, on_change=_turned, args=(key,)) - 1)


def _page() -> int:
    """Return the page in the link, 1 where it is one of another list.

    The link keeps that one until a page is turned: to write into it while a person types would
    put their query of a moment ago back there.
    """
    number, _, listed = st.query_params.get(_PAGE, "").partition("-")
    ours = listed == st.session_state.get(_LISTED) and number.isdecimal() and len(number) <= 5
    return int(number) if ours else 1


def _turned(key: str) -> None:
    _turn(int(st.session_state[key]))


def _turn(page: int) -> None:
    st.query_params[_PAGE] = f"{page}-{st.session_state.get(_LISTED)}"


def step(way: int) -> None:
    """Turn to the next page of results (1), or the one before (-1); a page too far is the last."""
    _turn(max(_page() + way, 1))
    st.session_state[_STEPS] = st.session_state.get(_STEPS, 0) + 1


def _no_good_match(best: float) -> str:
    return (
        f"No good match in this collection: {1 - best:.0%} of 1,000 everyday captions match the"
        " best image better than this query does."
    )


def downloads(
    encoder: Encoder, collection: Collection, query: Query | None, result: SearchResult
) -> None:
    """Draw the download buttons; each file is made on the click."""
    text = str(st.session_state.get("search_q", ""))
    paths = may(Permission.READ_PATHS)  # a file is made where there is no session

    def rows() -> list[dict[str, object]]:
        listed = hits(collection, result.ids, [*map(float, result.cosines)])
        rows = [shareable(row, paths) for row in rows_of(listed, result.frames)]
        if query is None:  # what is selected on a map
            rows = [{name: row[name] for name in row if name != "cosine"} for row in rows]
        return rows

    def metadata() -> dict[str, object]:
        return {"collection": collection.manifest.name, "query": text, **provenance(encoder)}

    with st.container(key="downloads", horizontal=True, vertical_alignment="center"):
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
        if film.has_films(collection):
            film.downloads(collection, result, text)
        all_results = count(len(result), film.nouns(collection)[1])
        st.caption(f"CSV and JSON contain all {all_results}, with their metadata.")


def shareable(row: dict[str, object], paths: bool) -> dict[str, object]:
    """Return a row; without the server's paths, unless the person may read those."""
    if not paths and not web_address(row.get("location")):
        return {name: value for name, value in row.items() if name != "location"}
    return row
