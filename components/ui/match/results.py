"""The results on the Match page: their controls, the ranked lists, and the downloads."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Literal, cast

import streamlit as st

from components.encoder import Encoder
from components.output.export import Panel, footer, provenance, to_csv, to_figure, to_json
from components.scores import FAIR, Direction, Match, Scores, ranked
from components.ui import selection, tray
from components.ui.grid import Group, Look, grid
from components.ui.links import linked_number
from components.ui.looks import choose_look
from components.ui.match.gallery import (
    PHOTO,
    Gallery,
    ScoreKind,
    caption_tile,
    image_tile,
    label,
    large_view,
    open_image,
)
from components.ui.reading import READING
from components.ui.thumbnails import sharpened
from components.words import count, shorten

Sort = Literal["Best first", "Worst first", "File name"]
GRID = "match_grid"
SHOW = "match_show"  # in the link: the number of the caption whose whole list is shown
_LISTS = "match_lists"  # how many lists the page has, for the keys that step through them
_TOPS = (6, 12, 24, 48, 96)
_LISTS_A_PAGE = 10
_IN_A_ROW = 14  # more than fit into a row


@dataclass(frozen=True)
class MatchView:
    """How the results are shown; every field is part of the page's link."""

    direction: Direction
    kind: ScoreKind
    top: int
    look: Look
    sort: Sort
    minimum: float


def choose_view(encoder: Encoder, captions: int, presenting: bool) -> MatchView:
    """Draw the controls of the results; return their state.

    A model that scores pairs has no cosine to show.
    """
    pairs = encoder.head is not None
    kinds = ["Cosine", "Percentile", "Probability"]
    with st.container(key="inputs", horizontal=True, vertical_alignment="bottom"):
        # No format_func: a link would contain the formatted label instead of the value.
        direction = st.segmented_control(
            "Rank",
            ["Images", "Captions"],
            default="Images",
            required=True,
            key="match_by",
            bind="query-params",
            help="The images of each caption, or the captions of each image",
        )
        kind = st.segmented_control(
            "Score",
            kinds[::-1][:2] if pairs else kinds,
            default="Probability" if pairs else "Cosine",
            required=True,
            key="match_pair_score" if pairs else "match_score",
            bind="query-params",
        )
        shown = cast(ScoreKind, str(kind).lower())
        with st.popover("About the score", icon=":material/help:", type="tertiary"):
            st.markdown(explain_score(shown, encoder, captions))
        with st.popover("Display", icon=":material/tune:", type="tertiary"):
            top, look, sort, minimum = _details(presenting)
    return MatchView(
        direction=cast(Direction, str(direction).lower()),
        kind=shown,
        top=top,
        look=look,
        sort=sort,
        minimum=minimum,
    )


def _details(presenting: bool) -> tuple[int, Look, Sort, float]:
    top = st.select_slider(
        "Maximum shown", _TOPS, value=24, key="match_top", bind="query-params", help="In each list"
    )
    look = choose_look("match", presenting)
    sort = st.selectbox(
        "Sort",
        ["Best first", "Worst first", "File name"],
        key="match_sort",
        bind="query-params",
        help="Does not change the rank beside each score",
    )
    minimum = st.slider(
        "Minimum score",
        0.0,
        1.0,
        0.0,
        0.01,
        key="match_min",
        bind="query-params",
        help="Hides matches whose shown score is lower. 0 hides nothing.",
    )
    return int(top), look, cast(Sort, sort), float(minimum)


def explain_score(kind: ScoreKind, encoder: Encoder, captions: int) -> str:
    """Return what the shown score is, what images are ranked by, and how to read the bands."""
    rule = encoder.recipe.score
    ranked_by = "each pair's probability" if encoder.head else "cosine"
    reading = f"Ranked by {ranked_by}.\n\n{READING}"
    if kind == "percentile":
        return f"**Percentile**: how many everyday captions fit the image less well. {reading}"
    if kind == "cosine":
        return (
            "**Cosine**: how closely the two vectors point the same way, from -1 to 1. Compare it"
            f" within one model only: what counts as high differs between models. {reading}"
        )
    if rule.kind == "sigmoid":
        return (
            "**Probability** that a caption and an image belong together, each pair on its own"
            f" (a sigmoid, as in this model's training). {reading}"
        )
    single = (
        " With one caption it is always 100%; add captions to compare." if captions == 1 else ""
    )
    return (
        "**Probability** of each caption for an image, among the captions present: they sum to"
        f" 100% for every image (a softmax, as in this model's training).{single} {reading}"
    )


def show(gallery: Gallery, view: MatchView) -> list[list[Match]]:
    """Draw the ranked lists; return the matches drawn, for the figure."""
    lists = ranked(gallery.scores, view.direction)
    st.session_state[_LISTS] = len(lists)
    place = st.container()  # the pagination is below the grid
    if view.direction == "captions":
        groups, drawn = _caption_groups(gallery, view, lists)
    elif len(lists) == 1 or _opened(len(lists)):
        groups, drawn = _whole_list(gallery, view, lists)
    else:
        groups, drawn = _rows(gallery, view, lists)
    photos = [item.photo.source for item in gallery.images]
    sources = dict(zip(gallery.scores.images, photos, strict=True))
    groups = sharpened(GRID, groups, view.look.height, sources.get)
    with place:
        _way_back(view, len(lists))
        chosen = grid(GRID, groups, open_image, open_list, view.look)
    selection.actions(
        GRID,
        {name: sources[name] for name in chosen},
        lambda name: tray.add(f"{GRID}/{name}", sources[name]),
    )
    if PHOTO in st.query_params:
        large_view(gallery, {group.key: [tile.id for tile in group.tiles] for group in groups})
    return drawn


def open_list(number: str) -> None:
    """Show one caption's whole list; its number goes into the link."""
    st.query_params[SHOW] = number


def step(way: int) -> None:
    """Show the whole list of the next caption (1), or the one before (-1)."""
    lists = int(st.session_state.get(_LISTS, 1))
    open_list(str(min(max(_opened(lists) + way, 1), lists)))


def leave_list() -> None:
    """Show all captions again."""
    st.query_params.pop(SHOW, None)


def _opened(lists: int) -> int:
    """Return the number of the caption whose whole list is shown, from 1; 0 for all captions."""
    number = linked_number(SHOW, 0)
    return number if number <= lists else 0


def _way_back(view: MatchView, lists: int) -> None:
    if view.direction == "images" and lists > 1 and _opened(lists):
        st.button("All captions", icon=":material/arrow_back:", on_click=leave_list)


def _first(length: int, size: int, key: str, bind: Literal["query-params"] | None = None) -> int:
    """Draw the pagination of a longer list; return the index of the first item on the page."""
    pages = -(-length // size)
    return size * (st.pagination(pages, key=key, bind=bind) - 1) if pages > 1 else 0


def _rows(
    gallery: Gallery, view: MatchView, lists: Sequence[Sequence[Match]]
) -> tuple[list[Group], list[list[Match]]]:
    """Return a page of captions, each with the images that fit into one row."""
    first = _first(len(lists), _LISTS_A_PAGE, "match_page", "query-params")
    groups, drawn = [], []
    for number, matches in enumerate(lists[first : first + _LISTS_A_PAGE], first + 1):
        shown = _select(gallery, view, matches)
        drawn.append(shown[: view.top])
        group = _group(gallery, view, matches, shown[:_IN_A_ROW])
        more = f"Show all {len(shown):,}" if len(shown) > 1 else ""
        groups.append(replace(group, key=str(number), more=more, one_row=bool(more)))
    return groups, drawn


def _whole_list(
    gallery: Gallery, view: MatchView, lists: Sequence[Sequence[Match]]
) -> tuple[list[Group], list[list[Match]]]:
    """Return one caption with a page of its images."""
    number = max(_opened(len(lists)), 1)
    matches = lists[number - 1]
    passing = _select(gallery, view, matches)
    first = _first(len(passing), view.top, f"match_images_{number}_{view.top}")
    shown = passing[first : first + view.top]
    return [replace(_group(gallery, view, matches, shown), key=str(number))], [shown]


def _group(
    gallery: Gallery, view: MatchView, matches: Sequence[Match], shown: Sequence[Match]
) -> Group:
    notice = ""
    if not shown:
        notice = _none_reaches(gallery, view, matches)
    elif matches[0].percentile < FAIR:
        notice = _no_good_match(matches[0])
    tiles = [image_tile(gallery, match) for match in shown]
    return Group("", tiles, title=shorten(matches[0].caption, 120), notice=notice)


def _no_good_match(best: Match) -> str:
    return (
        f"No good match. The best image is {shorten(best.image, 40)}, and"
        f" {1 - best.percentile:.0%} of everyday captions match it better than this one."
    )


def _none_reaches(gallery: Gallery, view: MatchView, matches: Sequence[Match]) -> str:
    best = label(view.kind, max(gallery.value(match) for match in matches))
    minimum = label(view.kind, view.minimum)
    return f"No image reaches the minimum score of {minimum}; the best has {best}."


def _select(gallery: Gallery, view: MatchView, matches: Sequence[Match]) -> list[Match]:
    """Return the matches that reach the minimum, in the view's order."""
    passing = [match for match in matches if _reaches_minimum(gallery, view, match)]
    if view.sort == "Worst first":
        passing.reverse()
    if view.sort == "File name":
        passing = sorted(passing[: view.top], key=lambda match: match.image)
    return passing


def _caption_groups(
    gallery: Gallery, view: MatchView, lists: Sequence[Sequence[Match]]
) -> tuple[list[Group], list[list[Match]]]:
    """Return a page of images, each with its best captions."""
    columns = list(range(len(lists)))
    if view.sort == "File name":
        columns.sort(key=lambda column: gallery.scores.images[column])
    else:
        best = {column: gallery.value(lists[column][0]) for column in columns}
        columns.sort(key=best.__getitem__, reverse=view.sort == "Best first")
    passing = [
        [match for match in lists[column] if _reaches_minimum(gallery, view, match)]
        for column in columns
    ]
    shown = [matches for matches in passing if matches]
    first = _first(len(shown), view.top, f"match_images_{view.top}")
    drawn = shown[first : first + view.top]
    notice = "" if shown else _none_reaches(gallery, view, [each[0] for each in lists])
    tiles = [caption_tile(gallery, matches) for matches in drawn]
    return [Group("images", tiles, notice=notice)], drawn


def _reaches_minimum(gallery: Gallery, view: MatchView, match: Match) -> bool:
    return view.minimum == 0 or gallery.value(match) >= view.minimum


def downloads(
    encoder: Encoder, gallery: Gallery, view: MatchView, drawn: Sequence[Sequence[Match]]
) -> None:
    """Draw the download buttons; each file is made on the click."""

    def everything() -> list[Match]:
        return [match for matches in ranked(gallery.scores, view.direction) for match in matches]

    def figure() -> bytes:
        return to_figure(_panels(gallery, view, drawn), _footer(encoder, gallery.scores))

    with st.container(key="downloads", horizontal=True, vertical_alignment="center"):
        _download("CSV", lambda: to_csv(everything()), "captionlens.csv", "text/csv")
        _download(
            "JSON",
            lambda: to_json(everything(), provenance(encoder)),
            "captionlens.json",
            "application/json",
        )
        _download("Figure (PNG)", figure, "captionlens.png", "image/png")
        st.caption(
            "CSV and JSON contain every caption with every image; the figure shows what is on the"
            " page."
        )


def _download(name: str, data: Callable[[], str | bytes], file: str, mime: str) -> None:
    st.download_button(
        name, data, file_name=file, mime=mime, icon=":material/download:", on_click="ignore"
    )


def _panels(gallery: Gallery, view: MatchView, drawn: Sequence[Sequence[Match]]) -> list[Panel]:
    thumbnails = dict(
        zip(gallery.scores.images, (item.thumbnail for item in gallery.images), strict=True)
    )
    if view.direction == "captions":
        best = [match for matches in drawn for match in matches[:1]]
        return [
            Panel(
                "Best caption of each image",
                [
                    (
                        thumbnails[match.image],
                        f"{shorten(match.caption, 30)}\n{_label(gallery, match)}",
                    )
                    for match in best
                ],
            )
        ]
    return [
        Panel(
            matches[0].caption,
            [(thumbnails[match.image], _label(gallery, match)) for match in matches],
        )
        for matches in drawn
        if matches
    ]


def _label(gallery: Gallery, match: Match) -> str:
    return f"{shorten(match.image, 26)}\n{label(gallery.kind, gallery.value(match))}"


def _footer(encoder: Encoder, scores: Scores) -> str:
    return (
        f"{footer(encoder)} · "
        f"{count(len(scores.captions), 'caption')}, {count(len(scores.images), 'image')}"
    )
