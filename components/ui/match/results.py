"""The results on the Match page: their controls, the ranked lists, and the downloads."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Literal, cast

import streamlit as st

from components.encoder import Encoder
from components.output.export import Panel, footer, provenance, to_csv, to_figure, to_json
from components.scores import FAIR, Direction, Match, Scores, ranked
from components.ui.match.gallery import Gallery, ScoreKind, caption_tiles, image_tiles, label
from components.ui.reading import READING
from components.ui.text import plain
from components.ui.tiles import TILE_WIDTHS
from components.words import count, shorten

Sort = Literal["Best first", "Worst first", "File name"]
_TOPS = (6, 12, 24, 48, 96)
_LISTS_A_PAGE = 10


@dataclass(frozen=True)
class MatchView:
    """How the results are shown; every field is part of the page's link."""

    direction: Direction
    kind: ScoreKind
    top: int
    tile: int
    sort: Sort
    minimum: float


def choose_view(pairs: bool = False) -> MatchView:
    """Draw the controls of the results; return their state.

    A model that scores ``pairs`` has no cosine to show.
    """
    kinds = ["Cosine", "Percentile", "Probability"]
    with st.container(horizontal=True, vertical_alignment="bottom"):
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
            help="Each is explained below the controls",
        )
        with st.popover("Display", icon=":material/tune:"):
            top, tile, sort, minimum = _details()
    return MatchView(
        direction=cast(Direction, str(direction).lower()),
        kind=cast(ScoreKind, str(kind).lower()),
        top=top,
        tile=TILE_WIDTHS[tile],
        sort=sort,
        minimum=minimum,
    )


def _details() -> tuple[int, str, Sort, float]:
    top = st.select_slider(
        "Maximum shown", _TOPS, value=24, key="match_top", bind="query-params", help="In each list"
    )
    tile = st.segmented_control(
        "Image size",
        list(TILE_WIDTHS),
        default="Medium",
        required=True,
        key="match_size",
        bind="query-params",
    )
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
    return int(top), str(tile), cast(Sort, sort), float(minimum)


def explain_score(kind: ScoreKind, encoder: Encoder, captions: int) -> str:
    """Return what the shown score is, how it ranks, and the scale of its bar."""
    rule = encoder.recipe.score
    ranked_by = "each pair's probability" if encoder.head else "cosine"
    scale = f"Ranked by {ranked_by}. Bars run from 0 to 1. {READING}"
    if kind == "percentile":
        return f"**Percentile**: the caption's place among chance scores. {scale}"
    if kind == "cosine":
        return (
            "**Cosine**: how closely the two vectors point the same way, from -1 to 1. Compare it"
            f" within one model only: what counts as high differs between models. {scale}"
        )
    if rule.kind == "sigmoid":
        return (
            "**Probability** that a caption and an image belong together, each pair on its own"
            f" (a sigmoid, as this model was trained). {scale}"
        )
    single = (
        " With one caption it is always 100%; add captions to compare." if captions == 1 else ""
    )
    return (
        "**Probability** of each caption for an image, among the captions present: they sum to"
        f" 100% for every image (a softmax, as this model was trained).{single} {scale}"
    )


def show(gallery: Gallery, view: MatchView) -> list[list[Match]]:
    """Draw one page of the ranked lists; return the matches drawn, for the figure."""
    lists = ranked(gallery.scores, view.direction)
    pages = -(-len(lists) // _LISTS_A_PAGE) if view.direction == "images" else 1
    page = st.pagination(pages, key="match_page", bind="query-params") if pages > 1 else 1
    if view.direction == "captions":
        return _show_captions(gallery, view, lists)
    first = (page - 1) * _LISTS_A_PAGE
    drawn = lists[first : first + _LISTS_A_PAGE]
    return [_show_images(gallery, view, row, matches) for row, matches in enumerate(drawn, first)]


def _show_images(
    gallery: Gallery, view: MatchView, row: int, matches: Sequence[Match]
) -> list[Match]:
    order = gallery.scores.images_of(row)
    shown = _select(gallery, view, list(zip(order, matches, strict=True)))
    st.subheader(plain(shorten(gallery.scores.captions[row], 120)), divider="gray")
    if not shown:
        st.info(_none_reaches(gallery, view, matches), icon=":material/filter_alt:")
    elif matches[0].percentile < FAIR:
        st.info(_no_good_match(matches[0]), icon=":material/sentiment_neutral:")
    image_tiles(gallery, row, shown)
    return [match for _, match in shown]


def _no_good_match(best: Match) -> str:
    return (
        f"**No good match.** The best image is {plain(shorten(best.image, 40))}, and"
        f" {1 - best.percentile:.0%} of everyday captions match it better than this one."
    )


def _none_reaches(gallery: Gallery, view: MatchView, matches: Sequence[Match]) -> str:
    best = label(view.kind, max(gallery.value(match) for match in matches))
    minimum = label(view.kind, view.minimum)
    return f"No image reaches the minimum score of {minimum}; the best has {best}."


def _select(
    gallery: Gallery, view: MatchView, matches: list[tuple[int, Match]]
) -> list[tuple[int, Match]]:
    """Return the first ``top`` matches that reach the minimum, in the view's order."""
    passing = [pair for pair in matches if _reaches_minimum(gallery, view, pair[1])]
    if view.sort == "Worst first":
        passing.reverse()
    first = passing[: view.top]
    return sorted(first, key=lambda pair: pair[1].image) if view.sort == "File name" else first


def _show_captions(
    gallery: Gallery, view: MatchView, lists: Sequence[Sequence[Match]]
) -> list[list[Match]]:
    columns = list(range(len(lists)))
    if view.sort == "File name":
        columns.sort(key=lambda column: gallery.scores.images[column])
    else:
        best = {column: gallery.value(lists[column][0]) for column in columns}
        columns.sort(key=best.__getitem__, reverse=view.sort == "Best first")
    size = max(_TOPS[2], view.top)
    pages = -(-len(columns) // size)
    page = st.pagination(pages, key="match_images_page") if pages > 1 else 1
    shown = [(column, _passing(gallery, view, lists[column])) for column in columns]
    caption_tiles(gallery, shown[(page - 1) * size : page * size])
    return [matches for _, matches in shown]


def _passing(gallery: Gallery, view: MatchView, matches: Sequence[Match]) -> list[Match]:
    return [match for match in matches if _reaches_minimum(gallery, view, match)][: view.top]


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

    with st.container(horizontal=True):
        _download("CSV", lambda: to_csv(everything()), "captionlens.csv", "text/csv")
        _download(
            "JSON",
            lambda: to_json(everything(), provenance(encoder)),
            "captionlens.json",
            "application/json",
        )
        _download("Figure (PNG)", figure, "captionlens.png", "image/png")
    st.caption(
        "CSV and JSON contain every caption with every image; the figure shows what is on the page."
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
