"""The controls of the results: filters, the minimum cosine, the display."""

from dataclasses import dataclass, replace

import numpy as np
import streamlit as st

from components.collection.collection import Collection
from components.collection.filters import Filters
from components.collection.query import Query
from components.ui.charts import histogram
from components.ui.grid import Look
from components.ui.looks import choose_look
from components.ui.reading import READING
from components.ui.search import film
from components.ui.search import query as search_query
from components.ui.text import plain

LOW, HIGH = -0.5, 1.0  # the scale of the cosine slider and its histogram, for all models
NO_FOLD = 1.0
_PAGE_SIZES = (24, 48, 96, 200)
_EXPLANATION = (
    "**Cosine**: how closely the vectors of query and image point the same way, from -1 to 1."
    f" Compare it within one model only.\n\n{READING}"
)


@dataclass(frozen=True)
class SearchView:
    """How the results are shown; every field is part of the page's link."""

    page_size: int
    look: Look
    scores: bool  # the contribution of each term below each image
    fold: float
    within: float  # seconds: frames of a film this near to each other are one moment; 0: none
    as_map: bool

    @property
    def threshold(self) -> float | None:
        """The cosine from which on near-duplicates are folded, None where they are not."""
        return None if self.fold >= NO_FOLD else self.fold


@dataclass(frozen=True)
class Asked:
    """What is looked for, None for everything, and how it is shown."""

    query: Query | None
    view: SearchView
    filters: Filters
    minimum: float


def controls(collection: Collection, query: Query | None, presenting: bool) -> Asked:
    """Draw the controls; return what they and the query ask for."""
    with st.popover("Filters", icon=":material/filter_alt:"):
        filters = {**_filters(collection), **film.time_filter(collection)}
    score = st.popover(
        "Score",
        icon=":material/bar_chart:",
        key="search_score",
        on_change="rerun",  # the histogram is computed when it is looked at
        disabled=query is None,
    )
    with score:
        minimum = _minimum()
        if score.open and query is not None:
            _histogram(collection, query, filters, minimum)
    with st.popover("Display", icon=":material/tune:"):
        view = _view(collection, presenting)
    shown = st.segmented_control(
        "View",
        ["Grid", "Map"],
        default="Grid",
        required=True,
        key="search_view",
        bind="query-params",
        label_visibility="collapsed",
    )
    return Asked(query, replace(view, as_map=shown == "Map"), filters, minimum)


def _filters(collection: Collection) -> Filters:
    choices = collection.facets()
    if not choices:
        st.caption("This collection has no metadata to filter by.")
    chosen: dict[str, list[str]] = {}
    for facet in choices:
        chosen[facet.column] = st.multiselect(
            plain(facet.column.replace("_", " ").capitalize()),
            facet.values,
            key=f"search_f_{facet.column}",
            bind="query-params",
            help=f"Most frequent: {plain(facet.values[0])}, {facet.counts[0]:,} images",
        )
    return chosen


def _minimum() -> float:
    st.markdown(_EXPLANATION)
    chosen = float(
        st.slider(
            "Minimum cosine",
            LOW,
            HIGH,
            LOW,
            0.01,
            key="search_min",
            bind="query-params",
            width=360,
            help="Hides results with a lower cosine. The lowest setting hides nothing.",
        )
    )
    return -1.0 if chosen <= LOW else chosen


def _histogram(collection: Collection, query: Query, filters: Filters, minimum: float) -> None:
    sample = collection.score_sample(query.vector, filters)
    st.image(
        histogram(sample, LOW, HIGH, max(minimum, LOW)),
        width=360,
        alt=f"Histogram of this query's cosines: {_spread(sample)}",
    )
    st.caption(f"This query's cosines with {len(sample):,} images: {_spread(sample)}.")


def _spread(sample: np.ndarray) -> str:
    if not len(sample):
        return "none"
    low, middle, high = np.percentile(sample, [0, 50, 100])
    return f"lowest {low:.2f}, median {middle:.2f}, highest {high:.2f}"


def _view(collection: Collection, presenting: bool) -> SearchView:
    size = st.select_slider(
        "Images per page",
        _PAGE_SIZES,
        key="search_per",
        bind="query-params",
    )
    look = choose_look("search", presenting)
    scores = st.toggle(
        "Contribution of each term",
        key="search_scores",
        bind="query-params",
        help="Shows below each image how much each term of the query adds to its cosine",
    )
    search_query.templates_toggle()
    fold = st.slider(
        "Fold near-duplicates from a cosine of",
        0.8,
        NO_FOLD,
        0.95,
        0.01,
        key="search_fold",
        bind="query-params",
        help="An image this similar to a better result is not shown separately. 1.00 shows all.",
    )
    within = film.choose_within(collection)
    return SearchView(int(size), look, bool(scores), float(fold), within, as_map=False)
