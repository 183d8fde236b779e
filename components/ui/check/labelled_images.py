"""The images that are labelled on the page: samples, uploads, or a collection."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import streamlit as st

from components.collection.records import Record
from components.collection.store import FolderCollection
from components.encoder import Encoded, Encoder
from components.images import Source
from components.labels.images import label_column
from components.scores import Floats, distinct
from components.ui import inputs, tray
from components.ui.check.inputs import ask_collection
from components.ui.grid import Picture
from components.ui.pictures import picture, sample_alt
from components.ui.search.collection_picker import open_or_explain
from components.ui.search.photo import original
from components.ui.search.photo import picture as stored_picture
from components.ui.uploader import uploads
from components.ui.vectors import encode_images, sample_images


@dataclass(frozen=True)
class LabelImages:
    """The images to label. Functions go by the number of an image.

    ``key`` identifies the content; ``chunks`` returns the unit vectors (m, width) in parts;
    ``vector`` one of them (width,). ``given`` are the labels that the images have already, ()
    without any.
    """

    key: tuple[object, ...]
    names: Sequence[str]
    chunks: Callable[[], Iterable[Floats]]
    vector: Callable[[int], Floats]
    picture: Callable[[int], Picture]
    source: Callable[[int], Source]
    given: Sequence[str] = ()

    def local(self, image: int) -> Source | None:
        """Return an image's source if reading it needs no other server."""
        source = self.source(image)
        return source if isinstance(source.data, bytes | Path) else None


def ask_images(encoder: Encoder) -> LabelImages | None:
    """Draw the choice of the images; return them, or None with a sentence that says why."""
    way = st.segmented_control(
        "Images",
        ["Samples", "Upload", "Collection"],
        default="Samples",
        required=True,
        key="labels_from",
        bind="query-params",
    )
    if way == "Collection":
        manifest = ask_collection()
        return open_or_explain(encoder, manifest, of_collection) if manifest else None
    if way == "Samples":
        return of_items(sample_images(encoder.key, encoder))
    return _uploaded(encoder)


def _uploaded(encoder: Encoder) -> LabelImages | None:
    uploaded = uploads("labels") | tray.tray()
    tray.show()
    if not uploaded:
        st.info("Upload images to label them.", icon=":material/upload:")
        return None
    items = encode_images(encoder, uploaded)
    inputs.explain_skipped(items)
    images = [item for item in items if isinstance(item, Encoded)]
    if not images:
        st.info("None of the files could be read as images.", icon=":material/image:")
        return None
    return of_items(images)


def of_items(items: Sequence[Encoded]) -> LabelImages:
    """Return encoded images to label."""
    names = distinct([item.photo.name for item in items])
    return LabelImages(
        key=tuple((item.photo.digest, item.photo.name) for item in items),
        names=names,
        chunks=lambda: [np.stack([item.vector for item in items])],
        vector=lambda row: items[row].vector,
        picture=lambda row: picture(items[row], names[row], sample_alt(items[row]) or names[row]),
        source=lambda row: items[row].photo.source,
    )


def of_collection(collection: FolderCollection) -> LabelImages:
    """Return a collection's images to label. Raises Damaged where its metadata is."""
    column = label_column(collection.columns)
    values = collection.table[column].to_pylist() if column else []

    names = collection.table["id"].to_pylist()

    def record(row: int) -> Record:
        return collection.records([names[row]])[0]

    return LabelImages(
        key=collection.key,
        names=names,
        chunks=collection.matrix.chunks,
        vector=lambda row: collection.matrix.rows(np.array([row]))[0],
        picture=lambda row: stored_picture(collection, record(row)),
        source=lambda row: original(collection, record(row)),
        given=["" if value is None else str(value) for value in values],
    )
