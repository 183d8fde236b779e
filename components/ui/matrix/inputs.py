"""The captions of the matrix: typed, or from a table of images and their captions."""

from collections.abc import Sequence

import streamlit as st

from components.datasets.pairs import Pairs, read_pairs
from components.encoder import Encoder
from components.errors import CaptionLensError
from components.images import sample_captions
from components.scores import Scores
from components.settings import Settings
from components.ui import inputs
from components.ui.text import plain
from components.words import count

Pair = tuple[str, str]  # (image, caption)


def ask(encoder: Encoder) -> tuple[Sequence[str], Sequence[Pair]]:
    """Draw the ways to enter captions; return the captions and the known pairs."""
    way = st.segmented_control(
        "Captions from",
        ["Text", "CSV of pairs"],
        default="Text",
        required=True,
        key="matrix_from",
        bind="query-params",
        help="A table also says which captions belong to which images, which gives recall",
    )
    if way == "Text":
        typed = inputs.ask_captions("matrix_captions", "\n".join(sample_captions().values()))
        inputs.explain_captions(encoder, typed)
        return typed.captions, list(sample_captions().items())
    pairs = _ask_pairs()
    return (pairs.captions, pairs.pairs) if pairs else ((), ())


def _ask_pairs() -> Pairs | None:
    file = st.file_uploader(
        "CSV or Parquet file with columns image and caption",
        type=["csv", "tsv", "parquet"],
        key="matrix_pairs",
        help="image: the file name of an uploaded image. An image may have several captions.",
    )
    if file is None:
        st.info("Upload a table here, and its images under Files.", icon=":material/table:")
        return None
    try:
        pairs = read_pairs(file.name, file.getvalue())
    except CaptionLensError as error:
        st.warning(plain(str(error)), icon=":material/broken_image:")
        return None
    if pairs.dropped:
        limit = Settings().max_captions
        st.warning(f"{count(pairs.dropped, 'caption')} above the limit of {limit} left out.")
    return pairs


def explain_missing(scores: Scores, pairs: Sequence[Pair]) -> None:
    """Draw which images of the table are not on the page."""
    missing = [name for name in dict(pairs) if name not in scores.images]
    if st.session_state.get("matrix_from") == "CSV of pairs":
        inputs.explain_missing(missing, "images on this page")
