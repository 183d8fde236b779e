"""Labels: a list of them over images; how many each has, which they are, the downloads."""

from collections.abc import Sequence

import streamlit as st

from components.encoder import Encoder
from components.errors import CaptionLensError
from components.labels.assign import Scorer
from components.labels.images import rows_of
from components.labels.label_list import (
    TEMPLATES,
    LabelList,
    label_vectors,
    parse_labels,
    parse_templates,
)
from components.labels.labelled import label_images, rows
from components.newest import keep
from components.output.export import provenance, rows_to_csv, rows_to_json
from components.ui.check import labelled_view
from components.ui.check.labelled_images import LabelImages, ask_images
from components.ui.check.labelled_view import LabelResult
from components.ui.looks import choose_look
from components.ui.text import plain
from components.ui.vectors import bank
from components.words import count

EXAMPLE = """dog | puppy
cat
astronaut
elephant
motorcycle | motorbike
bus
mountain
beach
pizza
flower | dahlia | dandelion
clock
bird | seagull | nuthatch"""
_LIMIT = 1_000  # labels on the page; the command line takes more
_KEPT = 2  # results of a session
_ABOUT = """
**The percentage** is the probability that a label is the image's, among all labels and
**None of these**. Each label competes with the others and with 1,000 everyday captions, which
together weigh as much as seven labels.

It is chosen so that of the images with 80%, about eight in ten are right; how well that holds
depends on the labels. General ones, such as man or woman, come out as “None of these” too
often. Where the images have labels already, the confidences are fitted to them.

**A label's vector** is the mean over its synonyms and phrases.
"""


def show(encoder: Encoder) -> None:
    """Draw the labels, the choice of images, and the labelled images."""
    with st.container(key="inputs-labels"):
        left, right = st.columns([1, 1], gap="medium")
        with left:
            listed = _ask_labels()
        with right:
            images = ask_images(encoder)
            with st.popover("Phrases", icon=":material/format_quote:", type="tertiary"):
                templates = _ask_templates()
    if images is None or not listed.labels or not templates:
        if not listed.labels:
            st.info("Type a label to sort the images by.", icon=":material/edit:")
        return
    _explore(encoder, _result(encoder, images, listed, templates))


def _ask_labels() -> LabelList:
    text = st.text_area(
        "Labels, one per line",
        EXAMPLE,
        height=200,
        key="labels_list",
        bind="query-params",
        placeholder="dog | puppy\ncat",
        help="Synonyms follow after a comma or a bar. Lines that begin with # are ignored.",
    )
    listed = parse_labels(text or "", _LIMIT)
    if listed.merged:
        st.caption(f"{count(listed.merged, 'repeated label')} merged.")
    if listed.dropped:
        st.warning(f"{count(listed.dropped, 'label')} above the limit of {_LIMIT:,} left out.")
    return listed


def _ask_templates() -> tuple[str, ...]:
    """Draw the phrases; return them, none with a sentence where one cannot be used."""
    text = st.text_area(
        "Phrases around each label",
        "\n".join(TEMPLATES),
        height=120,
        key="labels_phrases",
        bind="query-params",
        help="One per line, {} in place of the label. A label's vectors are averaged over them.",
    )
    try:
        return parse_templates(text or "")
    except CaptionLensError as error:
        st.warning(plain(str(error)), icon=":material/error:")
        return ()


def _result(
    encoder: Encoder, images: LabelImages, listed: LabelList, templates: Sequence[str]
) -> LabelResult:
    """Return the labelled images, kept in the session: the last results, by what made them."""
    place = st.empty()  # drawn in every run, so that what follows never moves
    key = (images.key, encoder.key, listed.labels, tuple(templates))
    kept: dict[object, LabelResult] = st.session_state.setdefault("labels_results", {})
    if key not in kept:
        bar = place.progress(0.0, "Encoding the labels")

        def progress(done: int, total: int) -> None:
            bar.progress(done / total, f"Encoded {done:,} of {total:,} phrases of labels")

        vectors = label_vectors(encoder.texts, listed.labels, templates, progress)
        scorer = Scorer(vectors, bank(encoder.key, encoder))
        bar.progress(1.0, f"Labelling {count(len(images.names), 'image')}")
        given = rows_of(images.given, listed.labels) if images.given else None
        labelled = label_images(images.names, listed.names, scorer, images.chunks(), given)
        keep(kept, key, LabelResult(images, labelled), _KEPT)
        place.empty()
    return kept[key]


@st.fragment
def _explore(encoder: Encoder, result: LabelResult) -> None:
    """Draw the counts and the grid; a click reruns only this."""
    labelled_view.summarise(result)
    with st.container(key="inputs-labels-view", horizontal=True, vertical_alignment="center"):
        with st.popover("About the confidence", icon=":material/help:", type="tertiary"):
            st.markdown(_ABOUT)
        with st.popover("Display", icon=":material/tune:", type="tertiary"):
            look = choose_look("labels", False)
    labelled_view.show(result, look)
    _downloads(encoder, result)


def _downloads(encoder: Encoder, result: LabelResult) -> None:
    """Draw the download buttons; each file is made on the click."""

    def table() -> list[dict[str, object]]:
        return rows(result.labelled, result.images.given)

    with st.container(key="downloads", horizontal=True, vertical_alignment="center"):
        for name, data, mime in (
            ("CSV", lambda: rows_to_csv(table()), "text/csv"),
            ("JSON", lambda: rows_to_json(table(), provenance(encoder)), "application/json"),
        ):
            st.download_button(
                name,
                data,
                file_name=f"captionlens-labels.{name.lower()}",
                mime=mime,
                icon=":material/download:",
                on_click="ignore",
                key=f"labels_{name.lower()}",
            )
        st.caption("Each image with its two best labels and their confidences.")
