"""The pairs of a collection whose images have captions, or of those selected on its map."""

import hashlib
from dataclasses import replace
from pathlib import Path

import numpy as np
import streamlit as st

from components.check.indexed import of_collection, selected
from components.collection.manifest import CollectionError, Manifest
from components.collection.store import FolderCollection
from components.encoder import Encoder
from components.images import Source
from components.ui.check.subject import Subject
from components.ui.search import map_selection
from components.ui.search.collection_picker import open_or_explain
from components.ui.search.photo import original
from components.ui.text import plain
from components.words import count

_KEPT = 2  # collections whose pairs are in memory


def collected(encoder: Encoder, manifest: Manifest) -> Subject | None:
    """Return the pairs of a collection; draw why there are none, and return None.

    Where the link has a selection of its map, they are those of the selected images.
    """
    subject = open_or_explain(encoder, manifest, lambda collection: _linked(encoder, collection))
    if map_selection.is_checked():
        _explain_selection(manifest, subject)
    if subject is None:
        return None
    if not len(subject.data):
        st.info(
            f"The images of {plain(manifest.name)} have no captions: choose another collection.",
            icon=":material/closed_caption_disabled:",
        )
        return None
    return subject


def _explain_selection(manifest: Manifest, subject: Subject | None) -> None:
    """Draw how many images are selected, if known, and a button to check the whole collection."""
    with st.container(horizontal=True, vertical_alignment="center"):
        if subject:
            size = count(len(subject.data.images), "image")
            name = plain(manifest.name)
            st.caption(
                f"{size} selected on the map of {name}, compared with each other.", width="content"
            )
        st.button(
            "Check the whole collection",
            icon=":material/deselect:",
            type="tertiary",
            key="check_whole",
            on_click=map_selection.check_all,
        )


def _linked(encoder: Encoder, collection: FolderCollection) -> Subject:
    """Return the pairs of what the link selects. Raises CollectionError where that is nothing."""
    whole = _subject(collection.key, collection)
    if not map_selection.is_checked():
        return whole
    ids = map_selection.checked_ids(encoder, collection)
    if not ids:
        name = collection.manifest.name
        raise CollectionError(
            f"The map of {name} has changed, and nothing is selected on it any more. Select images"
            " on the map again."
        )
    return _selected((*whole.key, hashlib.sha256("\0".join(ids).encode()).hexdigest()), whole, ids)


@st.cache_resource(max_entries=_KEPT, show_spinner=False)
def _selected(key: tuple[object, ...], _whole: Subject, _ids: tuple[str, ...]) -> Subject:
    images = {name: image for image, name in enumerate(_whole.data.images)}
    part = selected(_whole.indexed, _ids)
    names = part.data.images
    return replace(
        _whole,
        key=key,
        indexed=part,
        source=lambda image: _whole.source(images[names[image]]),
        alt=lambda image: names[image],
        place=None,
        selected_of=_whole.data.name,
    )


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
