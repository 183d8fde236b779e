"""What the page lists: the kind of finding, the split, the order; all of it is in the link."""

from dataclasses import dataclass
from typing import Literal, cast

import numpy as np
import streamlit as st

from components.check.caption_set import Indices
from components.check.checked import WRONG, Checked
from components.check.decisions import Decisions
from components.check.findings.finding import KINDS, Finding
from components.output.check_json import leaks
from components.ui.check.subject import Subject
from components.ui.grid import Look
from components.ui.looks import choose_look
from components.ui.text import plain
from components.words import count

Sort = Literal["Most likely wrong", "Least likely wrong", "Lowest cosine", "Order of the table"]
Show = Literal["All", "Undecided", "Decided"]
KIND, PAGE = "check_kind", "check_page"  # in the link
_ACROSS = "Across splits"
_ALL_SPLITS = "All splits"
_PAGE_SIZES = (12, 24, 48, 96)
_ABOUT = """
**The percentage** is the probability that image and caption do not belong together. It is
calibrated on this dataset: a regression learns to tell its pairs from swaps that the program makes
itself, by the evidence that the large view of a pair shows.

**More likely wrong than right**: 50% or more.

**Expected precision** of a list: the mean of its probabilities, which is the share of its pairs
that are wrong if the probabilities are right.

**Estimated share**: how many of all pairs are wrong, including those that the evidence does not
single out.
"""


@dataclass(frozen=True)
class View:
    """What is listed, and how it looks; every field is part of the page's link."""

    kind: str
    split: str  # "" for all
    sort: Sort
    show: Show
    size: int  # pairs, or findings, on a page
    look: Look


def choose_view(subject: Subject, checked: Checked, presenting: bool) -> View:
    """Draw the controls of the list; return their state."""
    with st.container(key="inputs-kinds", gap="xsmall"):
        kind = _ask_kind(checked)
        st.caption(_explain(checked, kind))
    with st.container(key="inputs", horizontal=True, vertical_alignment="bottom"):
        show = st.segmented_control(
            "Show",
            ["All", "Undecided", "Decided"],
            default="All",
            required=True,
            key="check_show",
            bind="query-params",
            on_change=first_page,
        )
        split = _ask_split(subject)
        with st.popover("About the numbers", icon=":material/help:", type="tertiary"):
            st.markdown(f"{_ABOUT}\n{_not_found(checked)}")
        with st.popover("Display", icon=":material/tune:", type="tertiary"):
            sort, size, look = _details(presenting)
    return View(kind, split, sort, cast(Show, show), size, look)


def _ask_kind(checked: Checked) -> str:
    """Draw the kinds of findings with their numbers; return the chosen one."""
    counts = counted(checked)
    linked = st.query_params.get(KIND, WRONG)
    # Not bound to the link: it would have the label there, with a number that changes.
    st.session_state["check_kinds"] = linked if linked in counts else WRONG
    return str(
        st.pills(
            "Findings",
            list(counts),
            format_func=lambda kind: f"{kind} {counts[kind]:,}",
            required=True,
            key="check_kinds",
            label_visibility="collapsed",
            on_change=_open_kind,
        )
    )


def _open_kind() -> None:
    st.query_params[KIND] = str(st.session_state["check_kinds"])
    first_page()


def first_page() -> None:
    """Go back to the first page, because the list has changed."""
    st.query_params.pop(PAGE, None)
    st.session_state["check_listing"] = listing() + 1


def listing() -> int:
    """Return a number that changes with the list, for the keys of its widgets."""
    return int(st.session_state.get("check_listing", 0))


def counted(checked: Checked) -> dict[str, int]:
    """Return the number of findings of each kind that there is, wrong captions first."""
    return {kind: number for kind, number in checked.counts.items() if number or kind == WRONG}


def _explain(checked: Checked, kind: str) -> str:
    if kind == WRONG:
        return "Pairs of an image and a caption that do not seem to belong together."
    shares = [
        f"{count(leak.images, 'image')} of {leak.split} ({leak.share:.1%}) are in {leak.other} too."
        for leak in (leaks(checked) if kind == _ACROSS else [])
    ]
    return plain(" ".join([KINDS[kind], *shares]))


def _not_found(checked: Checked) -> str:
    """Return which other kinds of findings there are none of, in a sentence; "" without any."""
    counts = counted(checked)
    absent = [kind.lower() for kind in KINDS if kind not in counts]
    return f"**Not found**: {', '.join(absent)}." if absent else ""


def _ask_split(subject: Subject) -> str:
    splits = sorted(set(subject.data.splits) - {""})
    if not splits:
        return ""
    chosen = st.selectbox(
        "Split",
        [_ALL_SPLITS, *splits],
        key="check_split",
        bind="query-params",
        on_change=first_page,
        label_visibility="collapsed",
        width=150,
    )
    return "" if chosen == _ALL_SPLITS else str(chosen)


def _details(presenting: bool) -> tuple[Sort, int, Look]:
    sort = st.selectbox(
        "Sort",
        ["Most likely wrong", "Least likely wrong", "Lowest cosine", "Order of the table"],
        key="check_sort",
        bind="query-params",
        on_change=first_page,
    )
    size = st.select_slider(
        "Pairs on a page",
        _PAGE_SIZES,
        value=24,
        key="check_per",
        bind="query-params",
        on_change=first_page,
    )
    return cast(Sort, sort), int(size), choose_look("check", presenting)


def listed_pairs(subject: Subject, checked: Checked, view: View, taken: Decisions) -> Indices:
    """Return the rows of the pairs that a view lists, in its order."""
    order = _order(checked, view.sort)
    kept = [row for row in order.tolist() if _passes(subject, view, taken, row)]
    return np.array(kept, dtype=np.intp)


def _order(checked: Checked, sort: Sort) -> Indices:
    if sort == "Order of the table":
        return np.arange(len(checked.data))
    if sort == "Lowest cosine":
        return np.argsort(checked.evidence.cosine, kind="stable")
    return checked.order if sort == "Most likely wrong" else checked.order[::-1]


def _passes(subject: Subject, view: View, taken: Decisions, row: int) -> bool:
    data = subject.data
    if view.split and data.splits[data.owner[row]] != view.split:
        return False
    return is_shown(subject, view, taken, row)


def is_shown(subject: Subject, view: View, taken: Decisions, row: int) -> bool:
    """Return whether a pair is among the decided or undecided ones, as the view shows them."""
    decided = taken.get(subject.pair(row)) is not None
    return view.show == "All" or decided == (view.show == "Decided")


def listed_findings(subject: Subject, checked: Checked, view: View) -> list[Finding]:
    """Return the findings of a view's kind that concern its split."""
    found = [finding for finding in checked.findings if finding.kind == view.kind]
    if not view.split:
        return found
    splits = dict(zip(subject.data.images, subject.data.splits, strict=True))
    return [each for each in found if view.split in {splits.get(name) for name in each.images}]


def nothing_listed(view: View) -> str:
    """Return why a list is empty, and what to do."""
    if view.show != "All":
        return f"No pair here is {view.show.lower()}. Choose All to see every pair."
    return "This split has none of these. Choose another."
