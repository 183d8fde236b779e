"""Where the pairs come from: the example, an upload, or a collection whose images have captions."""

import streamlit as st
from streamlit.delta_generator import DeltaGenerator
from streamlit.runtime.uploaded_file_manager import UploadedFile

from components.collection.manifest import Manifest
from components.collection.store import collections, open_folder, published
from components.encoder import Encoder
from components.errors import CaptionLensError
from components.ui.check.collected import collected
from components.ui.check.example import EXCHANGED, example
from components.ui.check.subject import Subject
from components.ui.check.upload import uploaded
from components.ui.model_picker import choose_model
from components.ui.search import map_selection
from components.ui.setup import SEARCH, page
from components.ui.text import plain

_WAYS = ("Example", "Upload", "Collection")


def ask_part() -> str:
    """Draw the choice of what is checked; return it."""
    with st.container(key="inputs-part"):
        part = st.segmented_control(
            "Check",
            ["Captions", "Labels"],
            default="Captions",
            required=True,
            key="check_part",
            bind="query-params",
            label_visibility="collapsed",
        )
    return str(part)


def ask_way() -> str:
    """Draw the choice of where the pairs come from; return it."""
    way = st.segmented_control(
        "Pairs from",
        _WAYS,
        default=_WAYS[0],
        required=True,
        key="check_from",
        bind="query-params",
        help="An upload is a table with its images; a collection is one of the Search page, or made"
        " by `python cli.py check`.",
    )
    return str(way)


def ask_collection() -> Manifest | None:
    """Draw the choice of a collection; return it, None where there is none."""
    names = [each.name for each in collections() if isinstance(each, Manifest)]
    linked = st.query_params.get("check_in")
    if linked and linked not in names:
        names.append(linked)  # removed, or of another computer
    if not names:
        st.info("There is no collection yet. Create one on the Search page.")
        st.page_link(page(SEARCH), label="Open Search", icon=":material/search:")
        return None
    name = str(
        st.selectbox(
            "Collection", names, key="check_in", bind="query-params", on_change=_follow_model
        )
    )
    try:
        return published(name) or open_folder(name).manifest
    except CaptionLensError as error:
        st.warning(plain(str(error)), icon=":material/folder_off:")
        return None


def _follow_model() -> None:
    """Switch to the model that made the collection, of which nothing is selected."""
    map_selection.check_all()
    try:
        manifest = published(str(st.session_state["check_in"]))
    except CaptionLensError:
        return
    if manifest:
        choose_model(manifest.model)


def ask_table() -> UploadedFile | None:
    """Draw the table's uploader; return its file."""
    return st.file_uploader(
        "A CSV or Parquet file with columns image and caption",
        type=["csv", "tsv", "parquet"],
        key="check_pairs",
        help="image is the file name of an image below; an image may have several captions. The"
        " optional column split (train, test) shows images that are in two splits.",
    )


def subject_or_stop(
    encoder: Encoder,
    way: str,
    manifest: Manifest | None,
    table: UploadedFile | None,
    sentences: DeltaGenerator,
) -> Subject:
    """Return the pairs of a way, or stop the page; what is wrong is drawn into ``sentences``."""
    if way == "Example":
        st.caption(
            f"An example: the sample images, the captions of {len(EXCHANGED)} of them exchanged on"
            " purpose. Upload a table with its images, or choose a collection, to check your own."
        )
        return example(encoder)
    if way == "Upload":
        subject = uploaded(encoder, table, sentences)
    else:
        with sentences:
            subject = collected(encoder, manifest) if manifest else None
    if subject is None:
        st.stop()
    return subject
