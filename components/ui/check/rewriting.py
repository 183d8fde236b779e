"""A new caption for a pair, scored against the old one while it is typed."""

import numpy as np
import streamlit as st

from components.encoder import Encoder, parse_captions
from components.scores import Floats, cosine, percentile
from components.ui.check import deciding
from components.ui.check.checking import Result
from components.ui.check.subject import Subject
from components.ui.vectors import bank

_LONGEST = 1000  # characters
_OPEN = "check_rewriting"  # in the session: the id of the pair whose field is open
_FOCUS_JS = """
const done = new WeakSet() // places that Streamlit has mounted this at: a run must not select again

export default function ({ parentElement: parent }) {
  if (done.has(parent)) return
  done.add(parent)
  let tries = 0 // the field may come later: Streamlit loads its code when it is first needed
  const timer = setInterval(() => {
    const field = document.querySelector(".st-key-check_new input")
    field?.focus()
    field?.select()
    if (field || ++tries > 100) clearInterval(timer)
  }, 50)
  return () => clearInterval(timer)
}
"""
_FOCUS = st.components.v2.component("focus_new_caption", html="<div>\n</div>", js=_FOCUS_JS)


def begin(id_: str) -> None:
    """Open the field of a pair, or close it."""
    st.session_state[_OPEN] = "" if is_open(id_) else id_


def is_open(id_: str) -> bool:
    """Return whether a pair's field is open."""
    return bool(st.session_state.get(_OPEN) == id_)


def ask(encoder: Encoder, subject: Subject, result: Result, row: int) -> str:
    """Draw the field and the scores of what is in it; return the new caption, "" without one."""
    taken = deciding.decisions(subject).get(subject.pair(row))
    with st.container(key="check_new"):
        text = st.text_input(
            "New caption",
            ((taken and taken.caption) or subject.data.captions[row])[:_LONGEST],
            max_chars=_LONGEST,
            key=f"check_new {subject.ids[row]}",
            live="300ms",
            help="Scored while you type; Ctrl+Enter saves it",
        )
    _FOCUS(key=f"check_focus {subject.ids[row]}")
    new = next(iter(parse_captions(text or "").captions), "")
    if new:
        _compare(encoder, subject, result, row, new)
    return new if new != subject.data.captions[row] else ""


def _compare(encoder: Encoder, subject: Subject, result: Result, row: int, new: str) -> None:
    """Draw how the old and the new caption stand, side by side."""
    old = _standing(encoder, subject, result, row, result.texts[row])
    scored = _standing(encoder, subject, result, row, encoder.texts([new])[0])
    st.table(
        {"Caption": list(old), "Old": list(old.values()), "New": list(scored.values())},
        border="horizontal",
    )


def _standing(
    encoder: Encoder, subject: Subject, result: Result, row: int, text: Floats
) -> dict[str, str]:
    """Return how a caption's unit vector (width,) stands with the image of a pair."""
    image = int(subject.data.owner[row])
    vector = subject.indexed.vectors[image][None]
    own = cosine(text[None], vector)
    chance = cosine(bank(encoder.key, encoder), vector)
    of_images = subject.indexed.vectors @ text
    of_captions = (result.texts @ vector[0])[subject.data.owner != image]
    images, captions = len(of_images), len(of_captions) + 1
    return {
        "Cosine": f"{own[0, 0]:.3f}",
        "Better than everyday captions": f"{percentile(own, chance)[0, 0]:.1%}",
        "Rank of this image for the caption": f"{_rank(of_images, own[0, 0]):,} of {images:,}",
        "Rank of this caption for the image": f"{_rank(of_captions, own[0, 0]):,} of {captions:,}",
    }


def _rank(cosines: Floats, own: float) -> int:
    return 1 + int(np.count_nonzero(cosines > own + 1e-6))
