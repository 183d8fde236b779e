"""What is selected on a map: kept in the link, listed as results, and what can be done with it."""

from collections.abc import Iterable, Sequence
from contextlib import suppress
from dataclasses import dataclass

import numpy as np
import streamlit as st
from numpy.typing import NDArray
from streamlit.delta_generator import DeltaGenerator

from components.collection.collection import MAX_RESULTS, Found
from components.collection.records import Record
from components.collection.search import SearchResult, folded
from components.collection.store import FolderCollection
from components.encoder import Encoder
from components.errors import CaptionLensError
from components.projection.stored import CollectionMap
from components.scores import Floats
from components.settings import Settings
from components.ui import selection
from components.ui.map import ALL_PARTS, Colouring, Parts, Polygon, inside, parse_area, written
from components.ui.search import colouring, maps
from components.ui.search.photo import add_to_tray, original
from components.ui.setup import CHECK, page
from components.words import count

MAP = "search_map"
AREA, PART = "search_area", "search_part"  # in the link
_COLOUR = "search_colour"  # in the link: what the parts are of
_SELECTS = (AREA, PART, _COLOUR)
_FILTER = "search_f_"  # in the link: the beginning of the filters' names
NO_PART = -2

Mask = NDArray[np.bool_]


@dataclass(frozen=True)
class MapSelection:
    """Which images (n,) are selected, by an area or as one of the parts of a colouring."""

    rows: Mask
    area: Polygon = ()
    part: int = NO_PART


def selected(found: CollectionMap, colours: Colouring) -> MapSelection | None:
    """Return what the link selects, None where it selects nothing of this map."""
    if isinstance(colours, Parts) and (name := st.query_params.get(PART)):
        if colours.together == name:
            return MapSelection(colours.numbers >= 0, part=ALL_PARTS)
        names = (*colours.names, colours.rest)
        if name in names:
            part = names.index(name) if name != colours.rest else -1
            return MapSelection(colours.numbers == part, part=part)
    text = st.query_params.get(AREA, "")
    if text.startswith(_kind(found)) and (area := parse_area(text[1:])):
        return MapSelection(inside(area, found.xy), area)
    return None


def is_linked() -> bool:
    """Return whether the link selects something of a map."""
    return any(name in st.query_params for name in (AREA, PART))


def linked_ids(encoder: Encoder, collection: FolderCollection) -> tuple[str, ...]:
    """Return the ids of the images that the link selects and its filters pass."""
    found = maps.map_of(collection)
    choice = st.query_params.get(_COLOUR, colouring.QUERY)
    if choice not in colouring.choices(collection):
        choice = colouring.QUERY
    chosen = selected(found, colouring.colouring(encoder, collection, found, None, choice))
    if chosen is None:
        return ()
    columns = [facet.column for facet in collection.facets()]
    passing = collection.allowed({c: st.query_params.get_all(f"{_FILTER}{c}") for c in columns})
    rows = chosen.rows if passing is None else chosen.rows & passing
    return tuple(found.ids[row] for row in np.flatnonzero(rows).tolist())


def select_area(found: CollectionMap, corners: Sequence[Sequence[float]]) -> None:
    """Put an area into the link."""
    clear()
    if len(corners) > 2:
        st.query_params[AREA] = _kind(found) + written(corners)


def select_part(colours: Colouring, part: int) -> None:
    """Put one of the parts into the link; the one that is there already is taken out."""
    assert isinstance(colours, Parts)  # noqa: S101 - only those have any
    others = {-1: colours.rest, ALL_PARTS: colours.together}
    name = colours.names[part] if part >= 0 else others[part]
    again = st.query_params.get(PART) == name
    clear()
    if not again:
        st.query_params[PART] = name


def clear() -> None:
    """Select nothing."""
    for name in (AREA, PART):
        st.query_params.pop(name, None)


def _kind(found: CollectionMap) -> str:
    """Return the letter before an area: places on a first sketch mean nothing on the map."""
    return "m" if found.exact else "s"


@dataclass(frozen=True)
class Ranked:
    """Images, the best first: their ids, what they are ordered by, and its name."""

    ids: tuple[str, ...]
    scores: Floats
    order: str
    together: bool = False  # near-duplicates are what is looked for: none is folded


def ranked(
    collection: FolderCollection,
    found: CollectionMap,
    rows: NDArray[np.intp],
    cosines: Floats | None,
    choice: str,
) -> Ranked:
    """Return the images of ``rows`` in an order that suits what the map is coloured by."""
    scores, order = _scores(collection, found, rows, cosines, choice)
    best = np.argsort(-scores, kind="stable")
    ids = tuple(found.ids[row] for row in rows[best])
    return Ranked(ids, scores[best], order, together=choice == colouring.TWINS)


def _scores(
    collection: FolderCollection,
    found: CollectionMap,
    rows: NDArray[np.intp],
    cosines: Floats | None,
    choice: str,
) -> tuple[Floats, str]:
    """Return (len(rows),) what images are ordered by, the largest first, and its name."""
    if choice == colouring.TWINS and found.exact:
        groups = np.where(found.twins < 0, found.twins.max() + 1, found.twins)
        return -groups[rows].astype(np.float32), "Near-duplicates together"
    if choice == colouring.OUTLIERS and found.exact:
        return found.outlierness[rows], "The farthest first"
    if cosines is not None:
        return cosines[rows], "Ranked by cosine"
    vectors = collection.matrix.rows(rows.astype(np.int64))
    return vectors @ vectors.sum(axis=0), "The most typical first"


def list_selected(
    collection: FolderCollection, ranked: Ranked, threshold: float | None, linked: bool
) -> SearchResult:
    """Draw how much is selected, and what can be done with it; return it as results.

    ``linked``: whether the link alone tells what is selected, without a query's cosines.
    """
    best = Found(ranked.ids[:MAX_RESULTS], ranked.scores[:MAX_RESULTS])
    result = folded(collection, best, None if ranked.together else threshold)
    _actions(collection, result.ids, len(ranked.ids), linked)
    twins = sum(map(len, result.folded))
    taken = min(len(result), Settings().max_files)
    sentences = [
        f"{ranked.order}.",
        f"{count(twins, 'near-duplicate')} folded into others." if twins else "",
        f"The list is limited to {MAX_RESULTS:,}." if len(ranked.ids) > len(best) else "",
        f"The tray and the download take the first {taken}." if taken < len(result) else "",
    ]
    st.caption(" ".join(filter(None, sentences)))
    return result


def _actions(collection: FolderCollection, ids: Sequence[str], size: int, linked: bool) -> None:
    taken = ids[: Settings().max_files]  # their files are held in memory
    records = {str(record["id"]): record for record in collection.records(taken)}
    row = selection.actions(
        MAP,
        {id_: original(collection, record) for id_, record in records.items()},
        lambda id_: add_to_tray(collection, records[id_]),
        clear,
        size,
    )
    if row and row.button(
        "Label",
        icon=":material/label:",
        help="Adds them to the tray and opens Check, which assigns labels to images",
        key="map_label",
    ):
        _label(collection, records.values())
    if row and "captions" in collection.columns:
        _offer_check(collection, row, linked)


def _offer_check(collection: FolderCollection, row: DeltaGenerator, linked: bool) -> None:
    pressed = row.button(
        "Check",
        icon=":material/fact_check:",
        help="Finds wrong captions and duplicates among all selected images"
        if linked
        else "Set the minimum cosine to its lowest to check what is selected",
        key="map_check",
        disabled=not linked,
    )
    if pressed:
        names = [name for name in st.query_params if name.startswith((*_SELECTS, _FILTER))]
        kept = {name: st.query_params.get_all(name) for name in names}
        st.session_state["check_part"], st.session_state["check_from"] = "Captions", "Collection"
        st.session_state["check_in"] = collection.manifest.name
        st.switch_page(page(CHECK), query_params=kept)


def _label(collection: FolderCollection, records: Iterable[Record]) -> None:
    for record in records:
        with suppress(CaptionLensError):  # Check lists the images that it was given
            add_to_tray(collection, record)
    st.session_state["check_part"], st.session_state["labels_from"] = "Labels", "Upload"
    st.switch_page(page(CHECK), query_params={})
