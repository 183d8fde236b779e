"""The pairs of a collection whose images have captions."""

from pathlib import Path

import numpy as np
import streamlit as st

from components.check.indexed import of_collection
from components.collection.manifest import Manifest
from components.collection.store import FolderCollection
from components.encoder import Encoder
from components.images import Source
from components.ui.check.subject import Subject
from components.ui.search.collection_picker import open_or_explain
from components.ui.search.photo import original
from components.ui.text import plain

_KEPT = 2  # collections whose pairs are in memory


def collected(encoder: Encoder, manifest: Manifest) -> Subject | None:
    """Return the pairs of a collection; draw why there are none, and return None."""
    subject = open_or_explain(
        encoder, manifest, lambda collection: _subject(collection.key, collection)
    )
    if subject is None:
        return None
    if not len(subject.data):
        st.info(
            f"The images of {plain(manifest.name)} have no captions: choose another collection.",
            icon=":material/closed_caption_disabled:",
        )
        return None
    return subject


@st.cache_resource(max_entries=_KEPT, show_spinner="Opening the collection")
def _subject(key: tuple[str, int, str], _collection: FolderCollection) -> Subject:
    collection = _collection
    indexed = of_collection(collection)
    return Subject(
        key=("collection", *key),
        indexed=indexed,
        source=lambda image: _source(collection, image),
        alt=lambda image: indexed.data.images[image],
        folder=collection.folder,
        place=_place(collection.manifest),
    )


def _source(collection: FolderCollection, image: int) -> Source:
    return original(collection, collection.records(collection.ids(np.array([image])))[0])


def _place(manifest: Manifest) -> Path | None:
    """Return the captioned dataset that a collection was made of, None for other sources."""
    source = manifest.source
    return Path(source.location) if source.kind == "captions" else None
