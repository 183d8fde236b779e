"""The pairs of a collection whose images have captions."""

from pathlib import Path

import numpy as np
import streamlit as st

from components.check.caption_set import CaptionSet
from components.collection.manifest import CHECK, Manifest, OtherModel
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
    return of_collection(open_collection(name))


def of_collection(collection: Collection) -> Subject:
    """Return the pairs of a collection. Raises Damaged where its metadata is."""
    table = collection.table
    names = tuple(map(str, table["id"].to_pylist()))
    lists = _captions(collection)
    owner = np.repeat(np.arange(len(names)), [len(captions) for captions in lists])
    texts = tuple(caption for captions in lists for caption in captions)
    return Subject(
        key=("collection", *collection.key),
        data=CaptionSet(collection.manifest.name, names, _splits(collection), texts, owner),
        vectors=collection.vectors.rows(np.arange(len(names))),
        sizes=np.stack([_numbers(collection, "width"), _numbers(collection, "height")], axis=1),
        digests=[str(digest or "") for digest in table["digest"].to_pylist()],
        thumbnail=collection.thumbnail,
        source=lambda image: _source(collection, image),
        alt=lambda image: names[image],
        skipped=[(str(row["id"]), str(row["reason"])) for row in collection.skipped()],
        decisions=collection.folder / CHECK / "decisions.json",
        place=_place(collection),
    )


def _captions(collection: Collection) -> list[list[str]]:
    if "captions" not in collection.columns:
        return [[] for _ in range(len(collection))]
    cells = collection.table["captions"].to_pylist()
    lists = [cell if isinstance(cell, list) else [cell] if cell else [] for cell in cells]
    return [[str(caption) for caption in captions] for captions in lists]


def _splits(collection: Collection) -> tuple[str, ...]:
    if "split" not in collection.columns:
        return ()
    return tuple(str(split or "") for split in collection.table["split"].to_pylist())


def _numbers(collection: Collection, column: str) -> "np.ndarray[tuple[int], np.dtype[np.int64]]":
    values = collection.table[column].to_pylist()
    whole = [int(value) if isinstance(value, int | float) else 0 for value in values]
    return np.array(whole, dtype=np.int64)


def _source(collection: Collection, image: int) -> Source:
    return original(collection, collection.records(np.array([image]))[0])


def _place(collection: Collection) -> Path | None:
    """Return the table or dataset that a collection was made of, None for other sources."""
    source = collection.manifest.source
    return Path(source.location) if source.kind in {"table", "captions"} else None
