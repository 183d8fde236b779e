"""Labelled images on the page: how many each label has, a grid of each, the large view."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import streamlit as st

from components.errors import CaptionLensError
from components.images import enlarge
from components.labels.labelled import Labelled
from components.ui import selection, tray
from components.ui.check.labelled_images import LabelImages
from components.ui.grid import Group, Line, Look, Tile, grid, stage
from components.ui.text import plain
from components.ui.thumbnails import sharpened
from components.words import count, shorten

GRID = "labels_grid"
SHOW, PHOTO = "labels_show", "labels_photo"  # in the link: the open label, the open image
SUSPICIOUS = "suspicious"
_IN_A_ROW = 14  # more than fit into a row
_LABELS_A_PAGE = 12
_IMAGES_A_PAGE = 48
_SCORES = 8  # labels in the large view
_ROW, _ROWS = 35, 8  # pixels of a row of the counts, and how many rows are seen at once
_PERCENT = st.column_config.ProgressColumn(format="%d%%", min_value=0, max_value=100)


@dataclass(frozen=True)
class LabelResult:
    """The images of the page, labelled."""

    images: LabelImages
    labelled: Labelled

    @property
    def order(self) -> list[int]:
        """The labels that images have, the most frequent first, "None of these" last."""
        counts = self.labelled.labelling.counts
        none = len(counts) - 1
        rows = [row for row in np.argsort(-counts[:none], kind="stable").tolist() if counts[row]]
        return [*rows, none] if counts[none] else rows


def summarise(result: LabelResult) -> None:
    """Draw how many images have a label, what the given labels tell, and the counts."""
    labelling = result.labelled.labelling
    none = int(labelling.counts[-1])
    st.markdown(
        f"{count(len(labelling), 'image')}: **{len(labelling) - none:,} with a label**,"
        f" {none:,} with none of these.{_explain_given(result.labelled)}"
    )
    _counts(result)


def _explain_given(labelled: Labelled) -> str:
    if labelled.opposed is None:
        return ""
    fitted = "" if labelled.fitted else " Too few labels are given to fit the confidences to them."
    return (
        f" The best label is the given one for {labelled.accuracy:.1%}; expected calibration error"
        f" {labelled.calibration_error:.3f}.{fitted}"
    )


def _counts(result: LabelResult) -> None:
    import pandas as pd

    labelling, order = result.labelled.labelling, result.order
    images = [labelling.images_of(row) for row in order]
    table = pd.DataFrame(
        {
            "Label": [labelling.names[row] for row in order],
            "Images": [len(rows) for rows in images],
            "Mean confidence": [_percent(labelling.confidence[rows].mean()) for rows in images],
        }
    )
    column = st.column_config
    st.dataframe(
        table,
        hide_index=True,
        height=_ROW * (min(len(table), _ROWS) + 1) + 3,
        key="labels_counts",
        column_config={
            "Label": column.TextColumn(width="small"),
            "Images": column.ProgressColumn(
                format="%d", min_value=0, max_value=max(map(len, images), default=1)
            ),
            "Mean confidence": _PERCENT,
        },
    )


def show(result: LabelResult, look: Look) -> None:
    """Draw a list of images for each label, the suspicious given labels first."""
    place = st.container()  # the pagination is below the grid
    lists = _lists(result)
    opened = st.query_params.get(SHOW, "")
    groups = _one_list(result, opened, *lists[opened]) if opened in lists else _rows(result, lists)
    numbers = {name: number for number, name in enumerate(result.labelled.images)}
    groups = sharpened(GRID, groups, look.height, lambda id_: result.images.local(numbers[id_]))
    with place:
        if opened in lists:
            st.button("All labels", icon=":material/arrow_back:", key="labels_all", on_click=_leave)
        chosen = grid(GRID, groups, _open_image, _open_label, look)
    sources = {name: result.images.source(numbers[name]) for name in chosen}
    selection.actions(GRID, sources, lambda name: tray.add(f"{GRID}/{name}", sources[name]))
    if PHOTO in st.query_params:
        orders = {group.key: [tile.id for tile in group.tiles] for group in groups}
        _large_view(result, numbers, orders)


def _rows(result: LabelResult, lists: Mapping[str, tuple[str, list[int]]]) -> list[Group]:
    """Return a page of labels, each with the images that fit into one row."""
    first = _first(len(lists), _LABELS_A_PAGE, "labels_page")
    return [
        _group(result, key, title, images[:_IN_A_ROW], len(images))
        for key, (title, images) in [*lists.items()][first : first + _LABELS_A_PAGE]
    ]


def _one_list(result: LabelResult, key: str, title: str, images: Sequence[int]) -> list[Group]:
    """Return a page of one label's images."""
    first = _first(len(images), _IMAGES_A_PAGE, f"labels_images_{key}")
    return [_group(result, key, title, images[first : first + _IMAGES_A_PAGE])]


def _lists(result: LabelResult) -> dict[str, tuple[str, list[int]]]:
    """Return the title and the images of each list by its key: the label's number in the list."""
    labelled = result.labelled
    names = labelled.labelling.names
    lists: dict[str, tuple[str, list[int]]] = {}
    suspicious = labelled.suspicious.tolist()
    if suspicious:
        title = f"Suspicious given labels: {count(len(suspicious), 'image')}"
        lists[SUSPICIOUS] = (title, suspicious)
    for row in result.order:
        images = labelled.labelling.images_of(row).tolist()
        lists[str(row + 1)] = (f"{shorten(names[row], 80)}: {count(len(images), 'image')}", images)
    return lists


def _group(result: LabelResult, key: str, title: str, images: Sequence[int], of: int = 0) -> Group:
    """Return a list of images; with ``of`` as its first row, and a button for all of them."""
    tile = _suspicious_tile if key == SUSPICIOUS else _tile
    more = f"Show all {of:,}" if of > 1 else ""
    return Group(key, [tile(result, image) for image in images], title, more=more, one_row=of > 1)


def _tile(result: LabelResult, image: int) -> Tile:
    labelling = result.labelled.labelling
    second = labelling.names[labelling.second[image]]
    return Tile(
        result.labelled.images[image],
        result.images.picture(image),
        score=f"{labelling.confidence[image]:.0%}",
        detail=f"then {shorten(second, 40)}, {labelling.second_confidence[image]:.0%}",
    )


def _suspicious_tile(result: LabelResult, image: int) -> Tile:
    opposed, names = result.labelled.opposed, result.labelled.labelling.names
    assert opposed is not None  # noqa: S101 - nothing is suspicious without
    given = shorten(result.images.given[image], 60)
    other = shorten(names[opposed.other[image]], 60)
    return Tile(
        result.labelled.images[image],
        result.images.picture(image),
        lines=(
            Line(f"given: {given}", f"{opposed.confidence[image]:.0%}"),
            Line(f"rather: {other}", f"{opposed.other_confidence[image]:.0%}"),
        ),
    )


def _first(length: int, size: int, key: str) -> int:
    """Draw the pagination of a longer list; return the index of the first item on the page."""
    pages = -(-length // size)
    return size * (st.pagination(pages, key=key) - 1) if pages > 1 else 0


def _open_label(key: str) -> None:
    st.query_params[SHOW] = key


def _leave() -> None:
    st.query_params.pop(SHOW, None)


def _open_image(name: str, group: str) -> None:
    st.query_params[PHOTO] = name
    st.session_state["labels_photo_group"] = group


def _close() -> None:
    st.query_params.pop(PHOTO, None)


@st.dialog("Image", width="large", on_dismiss=_close)
def _large_view(
    result: LabelResult, numbers: Mapping[str, int], orders: Mapping[str, Sequence[str]]
) -> None:
    """Draw the open image large, with its most probable labels.

    ``orders``: the names in each list on the page, by the list's key.
    """
    name = st.query_params.get(PHOTO, "")
    if name not in numbers:
        st.info("This image is no longer on the page.", icon=":material/image_not_supported:")
        return
    group = str(st.session_state.get("labels_photo_group", ""))
    order = next(
        (names for names in (orders.get(group), *orders.values()) if names and name in names),
        [name],
    )
    left, right = st.columns([3, 2], gap="medium")
    with left:
        _stage(result, numbers[name], order, group)
    with right:
        st.markdown(f"**{plain(shorten(name, 80))}**")
        if result.images.given:
            st.caption(f"Given label: {plain(shorten(result.images.given[numbers[name]], 80))}")
        _scores(result, numbers[name])


def _stage(result: LabelResult, image: int, order: Sequence[str], group: str) -> None:
    shown = result.images.picture(image)
    try:
        jpeg = enlarge(result.images.source(image))
    except CaptionLensError as error:
        jpeg = shown.thumbnail
        st.caption(f":material/info: Thumbnail shown instead. {plain(str(error))}")
    at = list(order).index(result.labelled.images[image])
    stage(
        jpeg,
        shown.alt,
        (at + 1, len(order)),
        key="labels_stage",
        on_move=lambda way: _open_image(order[at + way], group),
    )


def _scores(result: LabelResult, image: int) -> None:
    """Draw the most probable labels of an image."""
    import pandas as pd

    shares = result.labelled.scorer.probabilities(result.images.vector(image)[None])[0]
    best = np.argsort(-shares, kind="stable")[:_SCORES]
    names = result.labelled.labelling.names
    table = pd.DataFrame(
        {
            "Label": [names[row] for row in best],
            "Confidence": [_percent(shares[row]) for row in best],
        }
    )
    st.dataframe(table, hide_index=True, column_config={"Confidence": _PERCENT})


def _percent(share: np.floating) -> int:
    """Return a probability as `_PERCENT` draws it."""
    return round(100 * float(share))
