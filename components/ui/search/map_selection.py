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
# In the link of Check: a widget of this page has the names of this page's link for itself.
_CHECKED = {AREA: "check_map_area", PART: "check_map_part", "search_colour": "check_map_colour"}
_FILTER, _CHECKED_FILTER = "search_f_", "check_map_f_"  # and the column
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
    return _selected(found, colours, st.query_params.get(AREA, ""), st.query_params.get(PART, ""))


def _selected(
    found: CollectionMap, colours: Colouring, area: str, name: str
) -> MapSelection | None:
    if isinstance(colours, Parts) and name:
        if colours.together == name:
            return MapSelection(colours.numbers >= 0, part=ALL_PARTS)
        names = (*colours.names, colours.rest)
        if name in names:
            part = names.index(name) if name != colours.rest else -1
            return MapSelection(colours.numbers == part, part=part)
    if area.startswith(_kind(found)) and (corners := parse_area(area[1:])):
        return MapSelection(inside(corners, found.xy), corners)
    return None


def is_linked() -> bool:
    """Return whether the link selects something of a map."""
    return any(name in st.query_params for name in (AREA, PART))


def is_checked() -> bool:
    """Return whether the link of Check has a selection."""
    return any(_CHECKED[name] in st.query_params for name in (AREA, PART))


def checked_ids(encoder: Encoder, collection: FolderCollection) -> tuple[str, ...]:
    """Return the ids of the images that the link of Check selects, () where none are any more."""
    link = st.query_params
    found = maps.map_of(collection)
    area, part, choice = (link.get(name, "") for name in _CHECKED.values())
    if choice not in colouring.choices(collection):
        choice = colouring.QUERY
    colours = colouring.colouring(encoder, collection, found, None, choice)
    chosen = _selected(found, colours, area, part)
    if chosen is None:
        return ()
    columns = [facet.column for facet in collection.facets()]
    passing = collection.allowed({c: link.get_all(f"{_CHECKED_FILTER}{c}") for c in columns})
    rows = chosen.rows if passing is None else chosen.rows & passing
    return tuple(found.ids[row] for row in np.flatnonzero(rows).tolist())


def check_all() -> None:
    """Take the selection out of the link of Check."""
    for name in [name for name in st.query_params if name.startswith("check_map_")]:
        del st.query_params[name]


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
        link = st.query_params
        kept = {
            _CHECKED.get(name, name.replace(_FILTER, _CHECKED_FILTER)): link.get_all(name)
            for name in link
            if name in _CHECKED or name.startswith(_FILTER)
        }
        where = {"check_part": "Captions", "check_from": "Collection"}
        where["check_in"] = collection.manifest.name
        for name, value in where.items():  # what was chosen on Check before would come first
            st.session_state[name] = value
            kept[name] = [value]
        st.switch_page(page(CHECK), query_params=kept)


def _label(collection: FolderCollection, records: Iterable[Record]) -> None:
    for record in records:
        with suppress(CaptionLensError):  # Check lists the images that it was given
            add_to_tray(collection, record)
    st.session_state["check_part"], st.session_state["labels_from"] = "Labels", "Upload"
    st.switch_page(page(CHECK), query_params={})
