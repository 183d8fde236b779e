"""The Train page's inputs: pairs, a method, and its details."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TypeVar, get_args

import numpy as np
import streamlit as st

from components.collection.manifest import Manifest
from components.collection.store import collections, open_folder
from components.datasets.captioned import Example
from components.datasets.pairs import read_pairs
from components.encoder import Encoder
from components.images import Source, sample_captions, sample_sources, source_of
from components.training.dual import LossName
from components.training.jobs import Job
from components.training.loader import DecodedExamples, TrainDev
from components.training.split import dev_split, split_decoded, split_examples
from components.training.uploads import in_memory
from components.ui import inputs
from components.ui.text import plain
from components.ui.train.methods import METHODS, Details, Method
from components.ui.uploader import uploads
from components.words import count

Kept = TypeVar("Kept")
_MAX_IMAGES = 5_000  # of a collection: all are in memory during training
_MAX_CAPTIONS = 50_000


@dataclass(frozen=True)
class Pairs:
    """Images, the example of each image's name, and a ``key`` that identifies the images."""

    key: tuple[object, ...]
    sources: Sequence[Source]
    examples: Mapping[str, Example]


def ask_way() -> str:
    """Draw the choice of where the pairs come from; return it."""
    way = st.segmented_control(
        "Pairs from",
        ["Upload", "Samples", "Collection"],
        default="Upload",
        required=True,
        key="train_from",
        bind="query-params",
    )
    return str(way)


def ask_pairs(way: str) -> Pairs | None:
    """Draw the inputs of a way to give pairs; return them, or None while some are missing."""
    return {"Upload": ask_uploads, "Samples": samples, "Collection": ask_collection}[way]()


def samples() -> Pairs:
    """Return the sample images with their captions; every third is held out."""
    st.caption(f"{count(len(sample_captions()), 'sample image')}, each with one caption.")
    examples = {
        name: Example(Path(name), (caption,), "train" if number % 3 else "dev")
        for number, (name, caption) in enumerate(sample_captions().items(), 1)
    }
    return Pairs(("samples",), sample_sources(), examples)


def ask_uploads() -> Pairs | None:
    """Draw the table's and the images' uploaders."""
    table = st.file_uploader(
        "A CSV or Parquet file with columns image and caption",
        type=["csv", "tsv", "parquet"],
        key="train_pairs",
        help="image is the file name of an image below; an image may have several captions. The"
        " optional column split (train, dev) says which images are held out; without it, a tenth"
        " of them is.",
    )
    given = uploads("train")
    if table is None or not given:
        st.info("Upload a table and its images.", icon=":material/table:")
        return None
    rows = read_pairs(table.name, table.getvalue(), _MAX_CAPTIONS)
    captions: dict[str, list[str]] = {}
    for name, caption in rows.pairs:
        captions.setdefault(name, []).append(caption)
    inputs.explain_missing(rows.missing({each.name for each in given.values()}), "uploads")
    examples = {
        name: Example(Path(name), tuple(texts), rows.splits.get(name, ""))
        for name, texts in captions.items()
    }
    return Pairs(tuple(given), list(given.values()), examples)


def ask_collection() -> Pairs | None:
    """Draw the choice of a collection whose images have captions."""
    names = [each.name for each in collections() if isinstance(each, Manifest)]
    if not names:
        st.info("There is no collection yet. Create one on the Search page.")
        return None
    name = str(st.selectbox("Collection", names, key="train_collection", bind="query-params"))
    opened = open_folder(name)
    if "captions" not in opened.columns:
        st.info(f"The images of {plain(name)} have no captions: choose another collection.")
        return None
    st.caption("Training uses its thumbnails, up to 320 pixels.")
    ids = opened.ids(np.arange(min(len(opened), _MAX_IMAGES)))
    examples = {
        id_: Example(Path(id_), tuple(texts), str(record.get("split") or ""))
        for id_, record in zip(ids, opened.records(ids), strict=True)
        if isinstance(texts := record.get("captions"), list) and texts
    }
    # Read where they are decoded, not at every run of the page.
    sources = [source_of(partial(opened.thumbnail_at, row), id_) for row, id_ in enumerate(ids)]
    return Pairs(opened.key, sources, examples)


def ask_method() -> Method:
    """Draw the choice of a method; return it."""
    name = str(st.selectbox("Method", list(METHODS), key="train_method", bind="query-params"))
    st.caption(METHODS[name].summary)
    return METHODS[name]


def decode(encoder: Encoder, pairs: Pairs, method: Method) -> DecodedExamples:
    """Return the images decoded for a method; draw which cannot be read."""
    decoding = method.decoding(encoder)

    def read() -> DecodedExamples:
        with st.spinner("Reading the images", show_time=True):
            return in_memory(pairs.sources, pairs.examples, *decoding)

    images = _last("train_images", (decoding, pairs.key, repr(pairs.examples)), read)
    inputs.warn_skipped(images.skipped, "image", "used")
    return images


def ask_job(encoder: Encoder, method: Method, images: DecodedExamples) -> Job:
    """Draw a method's details; return its job. Raises TrainingError where images are too few."""
    trained = len(split_examples(images.examples)[0])
    with st.popover("Details", icon=":material/tune:"):
        details = _ask_details(method, trained)
    return method.job(encoder, details)


def _ask_details(method: Method, trained: int) -> Details:
    """Draw the fields; ``trained`` is the number of images to train on."""
    epochs = st.number_input("Epochs", 1, 1000, 10, key="train_epochs")
    batch = st.number_input(
        "Batch size",
        2,
        trained,
        min(32, trained),
        key="train_batch",
        help="Pairs in a step, which are compared with each other",
    )
    rate = st.number_input(
        "Learning rate",
        1e-7,
        1.0,
        method.rate,
        format="%.1e",
        key=f"train_rate_{method.rate}",
    )
    loss: LossName = st.selectbox(
        "Loss", get_args(LossName), key="train_loss", disabled=not method.chooses_loss
    )
    seed = st.number_input("Seed", 0, 2**31 - 1, 0, key="train_seed")
    return Details(int(epochs), int(batch), float(rate), loss, int(seed))


def split(images: DecodedExamples, seed: int) -> TrainDev:
    """Return the images to train on, and those held out; draw how many they are."""
    # The last one is kept: its pixels may take 0.75 GB, too much to copy at each click.
    learn, dev = _last("train_split", (images.key, seed), lambda: split_decoded(images, seed))
    st.session_state["train_key"] = dev.key
    name = dev_split(images.examples)
    how = f"its split {plain(name)}" if name else "a tenth, drawn at random"
    st.caption(
        f"{count(len(learn.examples), 'image')} to train on,"
        f" {count(len(dev.examples), 'image')} held out for evaluation: {how}."
    )
    return learn, dev


def _last(name: str, key: object, make: Callable[[], Kept]) -> Kept:
    """Return what ``make`` returns for a key; the session keeps the last under ``name``."""
    kept: dict[object, Kept] = st.session_state.setdefault(name, {})
    if key not in kept:
        kept.clear()
        kept[key] = make()
    return kept[key]
