"""The pairs of an upload: a table, and the images that it names."""

import hashlib
from collections.abc import Mapping, Sequence

import numpy as np
import streamlit as st
from streamlit.delta_generator import DeltaGenerator
from streamlit.runtime.uploaded_file_manager import UploadedFile

from components.check.caption_set import CaptionSet
from components.check.indexed import Indexed
from components.datasets.pairs import Pairs, read_pairs
from components.encoder import Encoded, Encoder
from components.errors import CaptionLensError
from components.images import Source, source_of
from components.ui import inputs
from components.ui.check.subject import Subject, Table
from components.ui.text import plain
from components.ui.uploader import uploads
from components.ui.vectors import encode_images
from components.words import count

_MAX_CAPTIONS = 50_000


def uploaded(
    encoder: Encoder, table: UploadedFile | None, sentences: DeltaGenerator
) -> Subject | None:
    """Draw the uploader of the images; return the pairs, None while table or images are missing.

    ``sentences``: where to draw what is missing.
    """
    given = uploads("check")
    with sentences:
        if table is None or not given:
            st.info("Upload a table and its images.", icon=":material/table:")
            return None
        return _paired(encoder, table, given)


def _paired(encoder: Encoder, table: UploadedFile, given: Mapping[str, Source]) -> Subject | None:
    read = Table(table.name, table.getvalue())
    try:
        pairs = read_pairs(read.name, read.data, _MAX_CAPTIONS)
    except CaptionLensError as error:
        st.warning(plain(str(error)), icon=":material/broken_image:")
        return None
    if pairs.dropped:
        st.warning(f"{count(pairs.dropped, 'caption')} above the limit of {_MAX_CAPTIONS:,}.")
    named = _named(given, pairs)
    items = encode_images(encoder, named) if named else []
    inputs.explain_skipped(items)
    missing = pairs.missing({source.name for source in named.values()})
    inputs.explain_missing(missing, "uploads")
    images = [item for item in items if isinstance(item, Encoded)]
    inputs.explain_notes(images)
    skipped = [(item.source.name, item.reason) for item in items if not isinstance(item, Encoded)]
    skipped += [(name, f"{name} is not among the uploads.") for name in missing]
    return _of_upload(read, pairs, images, skipped)


def _named(given: Mapping[str, Source], pairs: Pairs) -> dict[str, Source]:
    """Return the uploads that the table names, each name once."""
    names = {name for name, _ in pairs.pairs}
    first: dict[str, str] = {}
    for key, source in given.items():
        bare = source.name.rpartition("/")[2]
        if bare in names:
            first.setdefault(bare, key)
    return {key: source_of(given[key].data, name) for name, key in first.items()}


def _of_upload(
    table: Table, pairs: Pairs, images: Sequence[Encoded], skipped: Sequence[tuple[str, str]]
) -> Subject | None:
    names = tuple(item.photo.name for item in images)
    number = {each: position for position, each in enumerate(names)}
    kept = [(image, caption) for image, caption in pairs.pairs if image in number]
    if not kept:
        st.info(
            "None of the table's images could be read. The column image holds the file names of"
            " the uploads.",
            icon=":material/image:",
        )
        return None
    splits = tuple(pairs.splits.get(each, "") for each in names)
    owner = np.array([number[image] for image, _ in kept])
    data = CaptionSet(table.name, names, splits, tuple(caption for _, caption in kept), owner)
    digests = [item.photo.digest for item in images]
    content = repr([table.name, digests, names, splits, kept, skipped]).encode()
    return Subject(
        key=("upload", hashlib.sha256(content).hexdigest()),
        indexed=indexed(data, images, skipped),
        source=lambda image: images[image].photo.source,
        alt=lambda image: names[image],
        private=True,
        table=table,
    )


def indexed(
    data: CaptionSet, images: Sequence[Encoded], skipped: Sequence[tuple[str, str]] = ()
) -> Indexed:
    """Return a dataset with its encoded images, which have thumbnails."""
    return Indexed(
        data,
        np.stack([item.vector for item in images]),
        np.array([(item.photo.width, item.photo.height) for item in images]),
        [item.photo.digest for item in images],
        lambda image: images[image].thumbnail,
        skipped,
    )
