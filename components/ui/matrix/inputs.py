"""The captions of the matrix, typed or from a table of pairs, and how many samples it shows."""

from collections.abc import Sequence

import streamlit as st

from components.datasets.pairs import Pairs, read_pairs
from components.encoder import CaptionList
from components.errors import CaptionLensError
from components.images import sample_captions
from components.scores import Scores
from components.settings import Settings
from components.ui import inputs
from components.ui.text import plain
from components.words import count

Pair = tuple[str, str]  # (image, caption)
_CAPTIONS, _SAMPLES = "matrix_captions", "matrix_samples"
_FIRST = 10  # sample images, in the order of captions.csv: as many as a screen shows large
_CHOICES = {f"First {_FIRST}": _FIRST, "All": len(sample_captions())}


def ask_samples() -> int:
    """Draw the choice of how many sample images are on the page; return it."""
    chosen = st.segmented_control(
        "Sample images",
        list(_CHOICES),
        default=next(iter(_CHOICES)),
        required=True,
        key=_SAMPLES,
        bind="query-params",
        on_change=_exchange_captions,
        help=f"An example: the first {_FIRST} of {len(sample_captions())} sample images fit on a"
        " screen. Your uploads replace them.",
    )
    return _CHOICES[str(chosen)]


def _example(images: int) -> str:
    return "\n".join(list(sample_captions().values())[:images])


def _exchange_captions() -> None:
    """Replace the captions by those of the chosen sample images, unless they were edited."""
    examples = {name: _example(images) for name, images in _CHOICES.items()}
    if st.session_state.get(_CAPTIONS) in examples.values():
        st.session_state[_CAPTIONS] = examples[str(st.session_state[_SAMPLES])]


def ask(samples: int | None) -> tuple[CaptionList, Sequence[Pair]]:
    """Draw the ways to enter captions; return the captions and the known pairs.

    The example: the captions of the first ``samples`` images; None if the samples are not shown.
    """
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
        return inputs.ask_captions(_CAPTIONS, _example(samples or _FIRST)), list(
            sample_captions().items()
        )
    pairs = _ask_pairs()
    return (
        (CaptionList(pairs.captions, 0, 0), pairs.pairs) if pairs else (CaptionList((), 0, 0), ())
    )


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
