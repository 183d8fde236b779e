"""The pairs of a collection whose images have captions."""

from pathlib import Path

import numpy as np
import streamlit as st

from components.check.indexed import of_collection
from components.collection.manifest import Manifest, OtherModel
from components.collection.store import Collection, open_collection
from components.encoder import Encoder
from components.errors import CaptionLensError
from components.images import Source
from components.ui.check.subject import Subject
from components.ui.model_picker import choose_model
from components.ui.search.photo import original
from components.ui.text import plain

_KEPT = 2  # open collections


def collected(encoder: Encoder, manifest: Manifest) -> Subject | None:
    """Return the pairs of a collection; draw why there are none, and return None."""
    try:
        manifest.check_model(encoder.spec.id, encoder.revision)
        subject = _subject(manifest.name, manifest.generation, manifest.updated)
    except OtherModel as error:
        _offer_its_model(encoder, manifest, str(error))
        return None
    except CaptionLensError as error:
        st.warning(plain(str(error)), icon=":material/folder_off:")
        return None
    if not len(subject.data):
        st.info(
            f"The images of {plain(manifest.name)} have no captions: choose another collection.",
            icon=":material/closed_caption_disabled:",
        )
        return None
    return subject


def _offer_its_model(encoder: Encoder, manifest: Manifest, sentence: str) -> None:
    st.warning(plain(sentence), icon=":material/deployed_code_alert:")
    if manifest.model != encoder.spec.id:
        st.button(
            f"Use {plain(manifest.model)}",
            type="primary",
            icon=":material/deployed_code:",
            on_click=choose_model,
            args=(manifest.model,),
        )


@st.cache_resource(max_entries=_KEPT, show_spinner="Opening the collection")
def _subject(name: str, generation: int, updated: str) -> Subject:
    collection = open_collection(name)
    indexed = of_collection(collection)
    return Subject(
        key=("collection", *collection.key),
        indexed=indexed,
        source=lambda image: _source(collection, image),
        alt=lambda image: indexed.data.images[image],
        folder=collection.folder,
        place=_place(collection.manifest),
    )


def _source(collection: Collection, image: int) -> Source:
    return original(collection, collection.records(np.array([image]))[0])


def _place(manifest: Manifest) -> Path | None:
    """Return the captioned dataset that a collection was made of, None for other sources."""
    source = manifest.source
    return Path(source.location) if source.kind == "captions" else None
