"""The map of Search: the collection as points, and what is selected of it as a grid beside it."""

import json
import re
from collections.abc import Sequence
from functools import partial

import numpy as np
import streamlit as st

from components.collection.collection import Collection
from components.collection.search import SearchResult
from components.collection.store import FolderCollection, published
from components.encoder import Encoder
from components.errors import CaptionLensError
from components.projection.stored import CollectionMap
from components.scores import Floats
from components.server.media import Answer, of_answers
from components.ui.map import (
    Colouring,
    Parts,
    Plot,
    Reactions,
    draw_map,
    parse_place,
    written_place,
)
from components.ui.search import colouring, map_selection, maps, results
from components.ui.search.collection_picker import open_or_explain
from components.ui.search.colouring import Nearness
from components.ui.search.controls import Asked, SearchView
from components.ui.search.map_selection import MAP, NO_PART, MapSelection, Mask
from components.ui.search.photo import alt, credit, open_photo
from components.ui.text import plain
from components.words import shorten

_AT = "search_at"  # in the link: what is in the middle, and how far it is zoomed in
_EXAMPLES = 3  # images of each part that the table names
_LISTED = 100  # parts in the table


def show(
    encoder: Encoder, collection: FolderCollection, asked: Asked
) -> tuple[SearchResult, list[str]]:
    """Draw the map and, beside it, the selected images, or else those that are found.

    Returns these, and the ids of those on the page.
    """
    query, found = asked.query, maps.map_of(collection)
    near = None
    if query is not None:
        near = Nearness(collection.matrix.cosines(query.vector), query.is_text)
    cosines = near.cosines if near else None
    passing = _passing(collection, asked, cosines)
    left, right = st.columns([3, 2], gap="medium")
    with left, st.container(key="search-map"):
        maps.show(collection, encoder, found)
        with st.container(horizontal=True, vertical_alignment="center"):
            choice = _choose(collection)
            table = st.popover("Table", icon=":material/table:", key="map_table")
        colours = colouring.colouring(encoder, collection, found, near, choice)
        chosen = map_selection.selected(found, colours)
        with table:
            _table(found, colours)
        _draw(collection, found, colours, passing, chosen)
    with right:
        if chosen is None:
            return results.list_found(encoder, collection, asked)
        rows = chosen.rows if passing is None else chosen.rows & passing
        ranked = map_selection.ranked(collection, found, np.flatnonzero(rows), cosines, choice)
        linked = asked.minimum <= -1
        result = map_selection.list_selected(collection, ranked, asked.view.threshold, linked)
        return result, results.show(encoder, collection, query, result, asked.view)


def folder_of(encoder: Encoder, collection: Collection) -> FolderCollection | None:
    """Return a collection's own files, which its map is made of; draw why there are none."""
    if isinstance(collection, FolderCollection):
        return collection
    name = collection.manifest.name
    manifest = published(name)
    if manifest is None:
        st.info(
            f"A map is made of a collection's own files, and those of {plain(name)} are not on"
            " this computer. Choose Grid.",
            icon=":material/folder_off:",
        )
        return None
    return open_or_explain(encoder, manifest, lambda opened: opened)


def selects(view: SearchView) -> bool:
    """Return whether a map is shown, and something is selected on it."""
    return view.as_map and map_selection.is_linked()


def _passing(collection: FolderCollection, asked: Asked, cosines: Floats | None) -> Mask | None:
    """Return (n,) which images pass the filters and the minimum, None where all do."""
    passing = collection.allowed(asked.filters)
    if cosines is None or asked.minimum <= -1:
        return passing
    near: Mask = cosines >= asked.minimum
    return near if passing is None else passing & near


def _choose(collection: FolderCollection) -> str:
    offered = colouring.choices(collection)
    own = [name for name, column in offered.items() if not column]
    return str(
        st.selectbox(
            "Colour by",
            [*own, *(name for name, column in offered.items() if column)],
            key="search_colour",
            bind="query-params",
            on_change=_forget_part,
            icon=":material/palette:",
            label_visibility="collapsed",
            width=240,
        )
    )


def _forget_part() -> None:
    """A part of the colours before is none of the new ones."""
    if map_selection.PART in st.query_params:
        map_selection.clear()


def _draw(
    collection: FolderCollection,
    found: CollectionMap,
    colours: Colouring,
    passing: Mask | None,
    chosen: MapSelection | None,
) -> None:
    plot = Plot(
        address=_address(collection, found),
        count=len(found),
        colouring=colours,
        labels=colouring.labels(found),
        passing=passing,
        selected=chosen.rows if chosen else None,
        area=chosen.area if chosen else (),
        part=chosen.part if chosen else NO_PART,
        place=parse_place(st.query_params.get(_AT, "")),
    )
    reactions = Reactions(
        opened=lambda row: open_photo(found.ids[row]),
        area=partial(map_selection.select_area, found),
        part=partial(map_selection.select_part, colours),
        moved=_move,
    )
    draw_map(MAP, plot, reactions)


def _move(place: Sequence[float]) -> None:
    st.query_params[_AT] = written_place(place)


def _address(collection: FolderCollection, found: CollectionMap) -> str:
    """Return where the browser finds places, thumbnails and names of this map's points."""
    name, generation, updated = found.key
    digits = re.sub(r"\D", "", updated)
    version = f"{generation}-{digits}-{int(found.exact)}"
    return f"{of_answers(('map', name), partial(_answer, collection, found, version))}/{version}"


def _answer(
    collection: FolderCollection, found: CollectionMap, version: str, rest: str
) -> Answer | None:
    """Return what an address of a map serves, None where there is nothing at ``rest``."""
    asked, _, what = rest.partition("/")
    kind, _, number = what.partition("/")
    if asked != version:
        return None
    if kind == "xy":
        return Answer(found.xy.astype("<f4").tobytes(), "application/octet-stream")
    if not number.isdecimal() or len(number) > 9 or int(number) >= len(found):
        return None
    try:
        if kind == "thumb":
            return Answer(collection.thumbnail_at(int(number)), "image/jpeg")
        return _about(collection, found.ids[int(number)])
    except CaptionLensError:
        return None


def _about(collection: FolderCollection, id_: str) -> Answer:
    record = collection.records([id_])[0]
    about = {
        "name": str(record["image"]),
        "alt": alt(record),
        "credit": "".join(text for text, _ in credit(collection, record)),
    }
    return Answer(json.dumps(about).encode(), "application/json")


def _table(found: CollectionMap, colours: Colouring) -> None:
    """Draw the parts of the colouring, or else the clusters, as a table: what the map shows."""
    parts = colours if isinstance(colours, Parts) else colouring.clusters(found)
    st.caption("What the map shows, in words. The images nearest to a query are in the grid.")
    rows = []
    for number, name in [*enumerate(parts.names), (-1, parts.rest)]:
        members = np.flatnonzero(parts.numbers == number)
        if len(members):
            examples = [plain(shorten(found.ids[row], 40)) for row in members[:_EXAMPLES]]
            rows.append((plain(name), f"{len(members):,}", ", ".join(examples)))
    if len(rows) > _LISTED:
        st.caption(f"The first {_LISTED} of {len(rows):,}.")
        rows = rows[:_LISTED]
    names, sizes, examples_of = zip(*rows, strict=True) if rows else ((), (), ())
    st.table({parts.title: names, "Images": sizes, "Examples": examples_of}, border="horizontal")
