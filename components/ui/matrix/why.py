"""The panel that explains a cell's score: the choice of an explanation, and "Which words"."""

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


def show(
    encoder: Encoder, scores: Scores, texts: Floats, images: Sequence[Encoded], cell: Cell
) -> None:
    """Draw the explanations of a cell; ``texts`` (captions, width) are the captions' vectors."""
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
    chosen = st.segmented_control(
        "Why",
        list(_EXPLANATIONS),
        default="Where",
        required=True,
        key="matrix_why",
        bind="query-params",
    )
    try:
        _EXPLANATIONS[str(chosen)](subject)
    except CaptionLensError as error:
        st.warning(plain(str(error)), icon=":material/broken_image:")


def _words(subject: Subject) -> None:
    words = explain.words(subject.encoder, subject.caption, subject.item.vector)
    if not words:
        st.info("This needs a caption of two words or more.", icon=":material/short_text:")
        return
    st.markdown(f"**{plain(subject.caption)}**")
    labels, changes = [word.text for word in words], [word.change for word in words]
    alt_text = ", ".join(f"{word.text} {word.change:+.3f}" for word in words)
    st.image(contributions(labels, changes, full=0.2, decimals=3), width=320, alt=alt_text)
    st.caption(
        "How much the cosine falls without each word: to the right, the word helps the match; to"
        " the left, the caption matches better without it. A full bar is a cosine of 0.2. Words are"
        " split at spaces."
    )


_EXPLANATIONS = {
    "Where": where,
    "Which words": _words,
    "A versus B": versus,
    "Change the caption": caption_changes,
    "Change the image": image_changes,
}
