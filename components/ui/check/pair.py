"""The large view of a pair: its image and captions, the evidence, and the decision about it."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import streamlit as st

from components.check.checked import SUSPECT
from components.check.decisions import Decision
from components.encoder import Encoder
from components.errors import CaptionLensError
from components.images import enlarge
from components.ui.check import deciding, rewriting
from components.ui.check.checking import Result
from components.ui.check.subject import Subject
from components.ui.grid import stage
from components.ui.pictures import small_square
from components.ui.text import plain
from components.words import count, shorten

PAIR = "check_pair"  # in the link: the id of the open pair
_SIDE = 120  # pixels of the small image that a caption may move to


def chance_wrong(probability: float) -> str:
    """Return a probability of being wrong as people read it."""
    if probability < 0.01:
        return "<1%"
    return ">99%" if probability > 0.99 else f"{probability:.0%}"


def open_pair(id_: str) -> None:
    """Open a pair, which puts its id into the link."""
    st.query_params[PAIR] = id_


def _close() -> None:
    st.query_params.pop(PAIR, None)


@dataclass(frozen=True)
class _Opened:
    """The open pair: its row, and the rows that the arrow keys step through."""

    encoder: Encoder
    subject: Subject
    result: Result
    order: Sequence[int]
    row: int

    @property
    def image(self) -> int:
        return int(self.subject.data.owner[self.row])

    @property
    def caption(self) -> str:
        return self.subject.data.captions[self.row]

    @property
    def suggestion(self) -> str:
        """A caption of the dataset that fits the image better, "" where there is none."""
        row = int(self.result.checked.suggestion[self.row])
        return self.subject.data.captions[row] if row >= 0 else ""

    @property
    def better_image(self) -> int | None:
        """The image that fits the caption better, None where its own fits best."""
        evidence = self.result.checked.evidence
        other = int(evidence.best_image[self.row])
        return other if other >= 0 and evidence.image_margin[self.row] < 0 else None


@st.dialog("Pair", width="large", on_dismiss=_close)
def pair_view(encoder: Encoder, subject: Subject, result: Result, order: Sequence[int]) -> None:
    """Draw the open pair. ``order``: the rows that are listed on the page."""
    row = subject.row_of(st.query_params.get(PAIR, ""))
    if row is None:
        st.info("This pair is not in the dataset.", icon=":material/image_not_supported:")
        return
    pair = _Opened(encoder, subject, result, order if row in order else [row], row)
    left, right = st.columns([3, 2], gap="medium")
    with left:
        _image(pair)
        _captions(pair)
    with right:
        _decision(pair)
        _actions(pair)
        _evidence(pair)


def _image(pair: _Opened) -> None:
    subject = pair.subject
    try:
        jpeg = enlarge(subject.source(pair.image))
    except CaptionLensError as error:
        jpeg = subject.indexed.thumbnail(pair.image)
        st.caption(f":material/info: Thumbnail shown instead. {plain(str(error))}")
    at = list(pair.order).index(pair.row)
    stage(
        jpeg,
        subject.alt(pair.image),
        (at + 1, len(pair.order)),
        key="check_stage",
        on_move=lambda way: open_pair(subject.ids[pair.order[at + way]]),
    )


def _decision(pair: _Opened) -> None:
    """Draw the caption, how probably it is wrong and why, and what was decided about it."""
    checked, subject = pair.result.checked, pair.subject
    suspects = checked.order[: checked.suspects].tolist()
    left = len(deciding.undecided(subject, suspects))
    st.caption(
        f"{plain(shorten(subject.data.images[pair.image], 60))} ·"
        f" {len(suspects) - left:,} of {count(len(suspects), 'suspect')} decided"
    )
    if suspects and not left:
        st.success(f"All {count(len(suspects), 'suspect')} decided.", icon=":material/check:")
    st.markdown(f"### “{plain(shorten(pair.caption, 400))}”")
    wrong = chance_wrong(float(checked.probability[pair.row]))
    st.markdown(f"**{wrong} likely wrong.** {plain(checked.reason(pair.row))}")
    taken = deciding.decisions(subject).get(subject.pair(pair.row))
    if taken:
        st.markdown(f":material/done: {plain(deciding.describe(taken))}")


def _actions(pair: _Opened) -> None:
    with st.container(horizontal=True):
        _button(pair, "Keep", Decision("keep"), ":material/check:", "K")
        _button(pair, "Drop", Decision("drop"), ":material/delete:", "D")
        st.button(
            "Rewrite",
            icon=":material/edit:",
            shortcut="W",
            key="check_rewrite",
            help="Opens a field for a new caption",
            on_click=rewriting.begin,
            args=(pair.subject.ids[pair.row],),
        )
        _undo(pair)
    if rewriting.is_open(pair.subject.ids[pair.row]):
        new = rewriting.ask(pair.encoder, pair.subject, pair.result, pair.row)
        if new:
            _button(pair, "Save", Decision("rewrite", new), ":material/save:", "Ctrl+Enter")
    if pair.suggestion:
        st.markdown(f"Fits this image better: “{plain(shorten(pair.suggestion, 200))}”")
        use = Decision("rewrite", pair.suggestion)
        _button(pair, "Use this caption", use, ":material/swap_horiz:", "S")
    _move(pair)


def _move(pair: _Opened) -> None:
    other = pair.better_image
    if other is None:
        return
    name = pair.subject.data.images[other]
    with st.container(horizontal=True, vertical_alignment="center"):
        jpeg = small_square(pair.subject.indexed.thumbnail(other), _SIDE)
        st.image(jpeg, width=_SIDE // 2, alt=f"The image that the caption fits best: {name}")
        with st.container(gap="xsmall"):
            st.markdown(f"Fits this caption better: {plain(shorten(name, 40))}")
            _button(pair, "Move here", Decision("move", image=name), ":material/move_item:", "M")


def _button(pair: _Opened, label: str, decision: Decision, icon: str, shortcut: str) -> None:
    """Draw the button of a decision, which opens the next pair that is not decided."""
    taken = deciding.decisions(pair.subject).get(pair.subject.pair(pair.row))
    st.button(
        label,
        icon=icon,
        shortcut=shortcut,
        key=f"check_{label.lower()}",
        type="primary" if taken == decision else "secondary",
        on_click=_decide,
        args=(pair, decision),
    )


def _decide(pair: _Opened, decision: Decision) -> None:
    deciding.decide(pair.subject, [pair.row], decision)
    following = _following(pair)
    if following is not None:
        open_pair(pair.subject.ids[following])


def _following(pair: _Opened) -> int | None:
    """Return the next pair without a decision: of the suspects after a suspect, else of all."""
    probability = pair.result.checked.probability
    at = list(pair.order).index(pair.row)
    others = [*pair.order[at + 1 :], *pair.order[:at]]
    if probability[pair.row] >= SUSPECT:
        others = [row for row in others if probability[row] >= SUSPECT]
    return next(iter(deciding.undecided(pair.subject, others)), None)


def _undo(pair: _Opened) -> None:
    last = deciding.decisions(pair.subject).last
    st.button(
        "Undo",
        icon=":material/undo:",
        shortcut="U",
        key="check_undo_pair",
        type="tertiary",
        disabled=last is None,
        help="Takes the last decision back, and opens its pair",
        on_click=_take_back,
        args=(pair,),
    )


def _take_back(pair: _Opened) -> None:
    last = deciding.undo(pair.subject)
    row = next((row for row in pair.order if pair.subject.pair(row) == last), None)
    if row is not None:
        open_pair(pair.subject.ids[row])


def _evidence(pair: _Opened) -> None:
    st.markdown("**Evidence**", help=_EXPLAINED)
    rows = _rows(pair)
    st.table({"Of this pair": list(rows), "Value": list(rows.values())}, border="horizontal")


_EXPLAINED = """
**Cosine**: how closely the vectors of caption and image point the same way, from -1 to 1.

**Everyday captions**: 1,000 captions that were written for no image.

**Rank**: 1 is the best of the dataset. A right pair usually has low ranks both ways.

**Neighbours**: the images, or captions, of the dataset that are most similar.
"""


def _rows(pair: _Opened) -> dict[str, str]:
    """Return what speaks for or against the pair, and its values as people read them."""
    evidence, row = pair.result.checked.evidence, pair.row
    images = len(pair.subject.data.images)
    others = len(pair.subject.data) - len(pair.subject.data.captions_of(pair.image)) + 1
    rows = {
        "Cosine": f"{evidence.cosine[row]:.3f}",
        "Better than everyday captions": f"{evidence.percentile[row]:.1%}",
        "Rank of this image for the caption": f"{evidence.image_rank[row]:,} of {images:,}",
        "Rank of this caption for the image": f"{evidence.caption_rank[row]:,} of {others:,}",
        "Cosine with the image's other captions": _mean(evidence.siblings[row]),
        "Cosine with captions of neighbouring images": _mean(evidence.near_captions[row]),
        "Cosine with images of neighbouring captions": _mean(evidence.near_images[row]),
    }
    return {name: value for name, value in rows.items() if value}


def _mean(value: float) -> str:
    return "" if np.isnan(value) else f"{value:.3f}"


def _captions(pair: _Opened) -> None:
    """Draw the captions of an image that has several, each with its evidence."""
    rows = pair.subject.data.captions_of(pair.image).tolist()
    if len(rows) < 2:
        return
    import pandas as pd

    checked, data = pair.result.checked, pair.subject.data
    evidence = checked.evidence
    table = pd.DataFrame(
        {
            "Caption": [data.captions[row] for row in rows],
            "Wrong": [checked.probability[row] for row in rows],
            "Cosine": [evidence.cosine[row] for row in rows],
            "Everyday": [evidence.percentile[row] for row in rows],
            "With the others": [evidence.siblings[row] for row in rows],
        }
    )
    share = st.column_config.ProgressColumn
    st.dataframe(
        table,
        hide_index=True,
        column_config={
            "Caption": st.column_config.TextColumn(width="medium"),
            "Wrong": share(
                format="percent", min_value=0.0, max_value=1.0, help="Probability of being wrong"
            ),
            "Cosine": st.column_config.NumberColumn(format="%.3f"),
            "Everyday": share(
                format="percent",
                min_value=0.0,
                max_value=1.0,
                help="Share of 1,000 everyday captions that fit the image less well",
            ),
            "With the others": st.column_config.NumberColumn(
                format="%.3f", help="Mean cosine with the image's other captions"
            ),
        },
    )
