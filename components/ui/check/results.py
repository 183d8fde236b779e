"""The results on the Check page: their summary, the grid of pairs or findings, its pages."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import streamlit as st

from components.check.checked import SUSPECT, WRONG, Checked
from components.check.decisions import Action, Decision, Decisions
from components.check.findings.finding import Finding
from components.encoder import Encoder
from components.images import Source
from components.ui.check import deciding
from components.ui.check.checking import Result
from components.ui.check.pair import PAIR, chance_wrong, open_pair, pair_view
from components.ui.check.subject import Subject
from components.ui.check.view import (
    PAGE,
    View,
    first_page,
    is_shown,
    listed_findings,
    listed_pairs,
    listing,
    nothing_listed,
)
from components.ui.grid import Group, Line, Tile, clear_selection, grid
from components.ui.links import linked_number
from components.ui.thumbnails import sharpened
from components.words import count, shorten

GRID = "check_grid"
_IN_A_GROUP = 24  # images of a finding that are shown
_UNREADABLE = "Unreadable"
_ALL: tuple[tuple[str, Action, str], ...] = (
    ("Keep", "keep", ":material/check:"),
    ("Drop", "drop", ":material/delete:"),
)


@dataclass(frozen=True)
class Listed:
    """What is listed: a page of it as the grid's lists, and all rows, for the large view."""

    groups: Sequence[Group]
    rows: Sequence[int]


def summarise(subject: Subject, checked: Checked) -> None:
    """Draw how many pairs there are, how many are suspect, and how many of those are decided."""
    data, suspects = subject.data, checked.suspects
    sentence = (
        f"{count(len(data), 'pair')} of {count(len(data.images), 'image')}:"
        f" **{suspects:,} more likely wrong than right**"
    )
    if suspects:
        sentence += f"; expected precision of this list {checked.precision(suspects):.0%}"
    known = _explain_known(subject, checked)
    st.markdown(f"{sentence}. Estimated share of wrong pairs: {checked.share:.1%}.{known}")
    with st.container(key="inputs-review", horizontal=True, vertical_alignment="center"):
        _review(subject, checked)
    deciding.explain(subject)


def _explain_known(subject: Subject, checked: Checked) -> str:
    """Return where the pairs that are known to be wrong are in the list; "" without any."""
    if not subject.known:
        return ""
    order = checked.order.tolist()
    last = 1 + max(order.index(row) for row in subject.known)
    number = len(subject.known)
    where = "come first" if last == number else f"are among the first {last:,}"
    return f" The {number:,} captions exchanged on purpose {where}."


def _review(subject: Subject, checked: Checked) -> None:
    suspects = checked.order[: checked.suspects].tolist()
    left = deciding.undecided(subject, suspects)
    st.button(
        "Review",
        type="primary",
        icon=":material/rate_review:",
        key="check_review",
        disabled=not left,
        help="Opens the first suspect that nothing is decided about yet",
        on_click=lambda: open_pair(subject.ids[left[0]]),
    )
    st.button(
        "Undo",
        icon=":material/undo:",
        type="tertiary",
        key="check_undo",
        disabled=deciding.decisions(subject).last is None,
        help="Takes the last decision back",
        on_click=_undo,
        args=(subject,),
    )
    st.caption(f"{len(suspects) - len(left):,} of {count(len(suspects), 'suspect')} decided")


def _undo(subject: Subject) -> None:
    deciding.undo(subject)


def show(encoder: Encoder, subject: Subject, result: Result, view: View) -> None:
    """Draw what a view lists, the pagination, and the open pair."""
    place = st.container()  # the pagination is below the grid
    listed = (_pairs if view.kind == WRONG else _findings)(subject, result.checked, view)
    groups = sharpened(GRID, listed.groups, view.look.height, lambda id_: _source(subject, id_))
    with place:
        if groups:
            chosen = grid(GRID, groups, lambda id_, _: open_pair(id_), look=view.look)
            _decide_chosen(subject, chosen)
        elif view.kind != _UNREADABLE:
            st.info(nothing_listed(view), icon=":material/filter_alt:")
    if PAIR in st.query_params:
        pair_view(encoder, subject, result, listed.rows)


def _source(subject: Subject, id_: str) -> Source | None:
    row = subject.row_of(id_)
    source = None if row is None else subject.source(int(subject.data.owner[row]))
    return source if source and isinstance(source.data, bytes | Path) else None


def _pairs(subject: Subject, checked: Checked, view: View) -> Listed:
    """Return the listed pairs: suspects in a list of their own, where the worst are first."""
    taken = deciding.decisions(subject)
    rows = listed_pairs(subject, checked, view, taken).tolist()
    first = _first(len(rows), view.size)
    tiles = [
        (row, _tile(subject, checked, taken, row, (rank, len(rows))))
        for rank, row in enumerate(rows[first : first + view.size], first + 1)
    ]
    suspects = [tile for row, tile in tiles if checked.probability[row] >= SUSPECT]
    others = [tile for row, tile in tiles if checked.probability[row] < SUSPECT]
    named = [("More likely wrong than right", suspects), ("More likely right than wrong", others)]
    if view.sort == "Least likely wrong":
        named.reverse()
    elif view.sort != "Most likely wrong":
        named = [("", [tile for _, tile in tiles])]
    return Listed([Group(title, shown, title) for title, shown in named if shown], rows)


def _tile(
    subject: Subject, checked: Checked, decisions: Decisions, row: int, place: tuple[int, int]
) -> Tile:
    """Return a pair's tile; ``place`` is its rank and the length of the list."""
    evidence, data = checked.evidence, subject.data
    taken = decisions.get(subject.pair(row))
    return Tile(
        subject.ids[row],
        subject.picture(row),
        *place,
        f"{chance_wrong(float(checked.probability[row]))} likely wrong",
        detail=f"cosine {evidence.cosine[row]:.3f}",
        mark=deciding.WORDS[taken.action] if taken else "",
        lines=(
            Line(shorten(data.captions[row], 200), whole=True),
            Line(checked.reason(row), whole=True, muted=True),
            *_instead(checked, row, taken),
        ),
    )


def _instead(checked: Checked, row: int, taken: Decision | None) -> tuple[Line, ...]:
    """Return what is to be instead of a pair by its decision, or else what would fit better."""
    if taken:
        new = taken.caption or taken.image
        name = {"rewrite": "New:", "move": "Moves to:"}.get(taken.action, "")
    else:
        better = int(checked.suggestion[row])
        new, name = (checked.data.captions[better] if better >= 0 else ""), "Fits better:"
    return (Line(shorten(new, 200), name, whole=True),) if new else ()


def _findings(subject: Subject, checked: Checked, view: View) -> Listed:
    """Return a list for each finding, with the images or pairs that it concerns."""
    found = listed_findings(subject, checked, view)
    size = max(view.size // 2, 1)
    first = _first(len(found), size)
    shown = found[first : first + size]
    if view.kind == _UNREADABLE:
        _list_unreadable(shown)
        return Listed([], [])
    lists = [_tiles(subject, view, finding) for finding in shown]
    if all(len(tiles) < 2 for tiles in lists):
        groups = [Group(view.kind, [_because(*each) for each in _singles(lists, shown)])]
    else:
        groups = [
            Group(str(number), tiles, finding.detail)
            for number, (tiles, finding) in enumerate(zip(lists, shown, strict=True), first)
        ]
    ids = dict.fromkeys(tile.id for group in groups for tile in group.tiles)
    rows = [row for id_ in ids if (row := subject.row_of(id_)) is not None]
    return Listed([group for group in groups if group.tiles], rows)


def _singles(
    lists: Sequence[Sequence[Tile]], found: Sequence[Finding]
) -> list[tuple[Tile, Finding]]:
    return [(tiles[0], finding) for tiles, finding in zip(lists, found, strict=True) if tiles]


def _because(tile: Tile, finding: Finding) -> Tile:
    """Return the tile of a finding about one image, with what was found below it."""
    why = Line(finding.detail, whole=True, muted=True)
    return replace(tile, lines=(*tile.lines, why))


def _tiles(subject: Subject, view: View, finding: Finding) -> list[Tile]:
    """Return the pairs that a finding concerns, or the first ones of its images."""
    firsts = [subject.first_row(name) for name in finding.images]
    rows = finding.rows or tuple(row for row in firsts if row is not None)
    taken = deciding.decisions(subject)
    shown = [row for row in rows[:_IN_A_GROUP] if is_shown(subject, view, taken, row)]
    return [_found(subject, taken, row) for row in shown]


def _found(subject: Subject, decisions: Decisions, row: int) -> Tile:
    data = subject.data
    taken = decisions.get(subject.pair(row))
    return Tile(
        subject.ids[row],
        subject.picture(row),
        score=data.splits[data.owner[row]],
        mark=deciding.WORDS[taken.action] if taken else "",
        lines=(Line(shorten(data.captions[row], 200), whole=True),),
    )


def _list_unreadable(found: Sequence[Finding]) -> None:
    import pandas as pd

    named = {"Image": [each.images[0] for each in found], "Why": [each.detail for each in found]}
    st.dataframe(pd.DataFrame(named), hide_index=True)


def _first(length: int, size: int) -> int:
    """Draw the pagination of a longer list; return the index of the first item on the page."""
    pages = -(-length // size)
    if pages < 2:
        return 0
    page = min(max(linked_number(PAGE, 1), 1), pages)
    # Not bound to the link: a bound widget would keep its page when the list changes.
    key = f"check_pages_{listing()}"
    return size * (st.pagination(pages, default=page, key=key, on_change=_turn, args=(key,)) - 1)


def _turn(key: str) -> None:
    st.query_params[PAGE] = str(st.session_state[key])


def step(way: int) -> None:
    """Turn to the next page (1), or the one before (-1); a page too far is the last."""
    page = linked_number(PAGE, 1) + way
    first_page()
    st.query_params[PAGE] = str(max(page, 1))


def _decide_chosen(subject: Subject, chosen: Sequence[str]) -> None:
    """Draw the decisions about all selected pairs; nothing if none is selected."""
    if not chosen:
        return
    with st.container(
        key="check_chosen", horizontal=True, vertical_alignment="center", border=True
    ):
        st.markdown(f"**{count(len(chosen), 'pair')} selected**", width="content")
        for label, action, icon in _ALL:
            st.button(
                label,
                icon=icon,
                key=f"check_all_{action}",
                on_click=_decide_all,
                args=(subject, chosen, Decision(action)),
            )
        st.button(
            "Clear selection",
            icon=":material/deselect:",
            on_click=clear_selection,
            args=(GRID,),
        )


def _decide_all(subject: Subject, chosen: Sequence[str], decision: Decision) -> None:
    rows = [row for id_ in chosen if (row := subject.row_of(id_)) is not None]
    deciding.decide(subject, rows, decision)
    clear_selection(GRID)
