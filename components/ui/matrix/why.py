"""The panel that says why a caption matches an image: the ways to ask, and the words."""

from collections.abc import Sequence

import streamlit as st

from components import explain
from components.encoder import Encoded, Encoder
from components.errors import CaptionLensError
from components.scores import Cell, Floats, Scores
from components.ui.charts import contributions
from components.ui.matrix.changes import caption_changes, image_changes
from components.ui.matrix.subject import Subject
from components.ui.matrix.where import versus, where
from components.ui.text import plain
from components.ui.vectors import bank

_WAYS = ["Where", "Which words", "A rather than B", "Change the caption", "Change the image"]


def show(
    encoder: Encoder, scores: Scores, texts: Floats, images: Sequence[Encoded], cell: Cell
) -> None:
    """Draw the why panel of a cell; ``texts`` (captions, width)."""
    row, column = cell
    caption = scores.captions[row]
    subject = Subject(
        encoder,
        images[column],
        caption,
        texts[row],
        [other for other in scores.captions if other != caption],
        bank(encoder.key, encoder),
    )
    way = st.segmented_control(
        "Why", _WAYS, default="Where", required=True, key="matrix_why", bind="query-params"
    )
    draw = {
        "Where": where,
        "Which words": _words,
        "A rather than B": versus,
        "Change the caption": caption_changes,
        "Change the image": image_changes,
    }[str(way)]
    try:
        draw(subject)
    except CaptionLensError as error:
        st.warning(plain(str(error)), icon=":material/broken_image:")


def _words(subject: Subject) -> None:
    found = explain.words(subject.encoder, subject.caption, subject.item.vector)
    if not found:
        st.info("A caption of one word has none to leave out.", icon=":material/short_text:")
        return
    st.markdown(f"**{plain(subject.caption)}**")
    labels, changes = [word.text for word in found], [word.change for word in found]
    told = ", ".join(f"{word.text} {word.change:+.3f}" for word in found)
    st.image(contributions(labels, changes, full=0.2, decimals=3), width=320, alt=told)
    st.caption(
        "What the cosine loses without each word: to the right, the word helps the match; to the"
        " left, the caption fits better without it. A full bar is a cosine of 0.2. Words are told"
        " apart by spaces."
    )
