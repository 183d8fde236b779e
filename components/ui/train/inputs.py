"""What a training run needs, asked of the person: pairs, a recipe, and its details."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np
import streamlit as st

from components.collection.manifest import Manifest
from components.collection.store import collections, open_collection
from components.datasets.captioned import Example
from components.datasets.pairs import read_pairs
from components.encoder import Encoder, best_device
from components.images import Source, source_of
from components.training.densenet_lstm import Margin
from components.training.dual import Tuning
from components.training.jobs import Job, decoding, decoding_of, dev_split, halves
from components.training.loader import DecodedExamples
from components.training.loop import Plan
from components.training.uploads import in_memory, parted
from components.ui import inputs
from components.ui.text import plain
from components.ui.uploader import uploads
from components.words import count

_MOST = 5_000  # images of a collection: all of them lie in memory while it trains
_MOST_CAPTIONS = 50_000
_RECIPES = {
    "Projections only": "projections",
    "Last two layers": "last",
    "LoRA": "lora",
    "Everything": "full",
    "CNN + BiLSTM, new": "matcher",
    "DenseNet + LSTM, new": "densenet-lstm",
}
_COSTS = {
    "Projections only": "The quickest: the towers stay, what joins them learns.",
    "Last two layers": "The last two layers of each tower learn, and what joins them.",
    "LoRA": "Small matrices beside every layer learn (Hu et al. 2022): little to forget by.",
    "Everything": "The slowest and the most able; with few pairs it forgets the most.",
    "CNN + BiLSTM, new": "From nothing: it scores pairs, and needs thousands to be of use.",
    "DenseNet + LSTM, new": "From nothing, by cosine; it needs thousands of pairs to be of use.",
}
_OLDER = ("matcher", "densenet-lstm")
_RATES = {"projections": 1e-4, "last": 2e-5, "lora": 2e-4, "full": 1e-5}


@dataclass(frozen=True)
class Asked:
    """The images, what belongs to each name, and what makes them other images."""

    key: tuple[object, ...]
    sources: Sequence[Source]
    examples: Mapping[str, Example]


def ask_pairs() -> Asked | None:
    """Draw the ways to give pairs; return them, None where some are still missing."""
    way = st.segmented_control(
        "Pairs from",
        ["Upload", "Collection"],
        default="Upload",
        required=True,
        key="train_from",
        bind="query-params",
    )
    return ask_uploads() if way == "Upload" else ask_collection()


def ask_uploads() -> Asked | None:
    """Draw the table's and the images' uploaders."""
    table = st.file_uploader(
        "A CSV or Parquet file with columns image and caption",
        type=["csv", "tsv", "parquet"],
        key="train_pairs",
        help="image is the name of an image below; an image may have several captions. A column"
        " split, with train and dev, says which images are held out; without it, a tenth is.",
    )
    given = uploads("train")
    if table is None or not given:
        st.info("Drop a table and its images.", icon=":material/table:")
        return None
    pairs = read_pairs(table.name, table.getvalue(), _MOST_CAPTIONS)
    captions: dict[str, list[str]] = {}
    for name, caption in pairs.pairs:
        captions.setdefault(name, []).append(caption)
    inputs.explain_missing(pairs.missing({each.name for each in given.values()}), "uploads")
    examples = {
        name: Example(Path(name), tuple(texts), pairs.splits.get(name, ""))
        for name, texts in captions.items()
    }
    return Asked(tuple(given), list(given.values()), examples)


def ask_collection() -> Asked | None:
    """Draw the choice of a collection whose images have captions."""
    names = [each.name for each in collections() if isinstance(each, Manifest)]
    if not names:
        st.info("There is no collection yet: index one on the Search page.")
        return None
    name = str(st.selectbox("Collection", names, key="train_collection", bind="query-params"))
    opened = open_collection(name)
    rows = np.arange(min(len(opened), _MOST))
    if "captions" not in opened.columns:
        st.info(f"The images of {plain(name)} have no captions: choose another collection.")
        return None
    st.caption("Its small images are used, up to 320 pixels.")
    ids = opened.ids(rows)
    examples = {
        id_: Example(Path(id_), tuple(texts), str(record.get("split") or ""))
        for id_, record in zip(ids, opened.records(rows), strict=True)
        if isinstance(texts := record.get("captions"), list) and texts
    }
    # Bytes only where they are decoded: the page runs at every click.
    sources = [source_of(partial(opened.thumbnail, row), id_) for row, id_ in enumerate(ids)]
    return Asked(opened.key, sources, examples)


@dataclass(frozen=True)
class _Details:
    epochs: int
    batch: int
    rate: float
    loss: str
    seed: int


def ask_recipe() -> str:
    """Draw the choice of a recipe; return its short name, a key of `_RATES` or an older matcher."""
    recipe = str(st.selectbox("Recipe", list(_RECIPES), key="train_recipe", bind="query-params"))
    st.caption(_COSTS[recipe])
    return _RECIPES[recipe]


def decode(encoder: Encoder, asked: Asked, what: str) -> DecodedExamples:
    """Return the images as a recipe takes them; draw which cannot be read."""
    if what in _OLDER:
        side, fit = decoding(what, encoder.spec.id)  # type: ignore[arg-type] # one of the two
    else:
        side, fit = decoding_of(encoder.recipe, encoder.spec.name)
    known = st.session_state.setdefault("train_images", {})
    key = (side, fit, asked.key, repr(asked.examples))
    if key not in known:
        known.clear()
        with st.spinner("Reading the images", show_time=True):
            known[key] = in_memory(asked.sources, asked.examples, side, fit)
    images: DecodedExamples = known[key]
    inputs.warn_skipped(images.skipped, "image", "used")
    return images


def ask_job(encoder: Encoder, what: str, images: DecodedExamples) -> Job:
    """Draw a recipe's details; return what they say. Raises TrainingError: too few images."""
    learned = len(halves(images.examples)[0])
    with st.popover("Details", icon=":material/tune:"):
        chosen = _ask_details(what, learned)
    older = what in _OLDER
    plan = Plan(
        chosen.epochs,
        chosen.rate,
        optimizer="adam" if older else "adamw",
        seed=chosen.seed,
        device=best_device(),
    )
    if older:
        margin = Margin(chosen.batch, train_backbone=True)
        return Job(what, plan, chosen.batch, margin=margin)  # type: ignore[arg-type] # the table's
    tuning = Tuning(what, loss=chosen.loss, batch=chosen.batch)  # type: ignore[arg-type] # likewise
    return Job("dual", plan, base=encoder.spec.id, tuning=tuning)


def _ask_details(what: str, learned: int) -> _Details:
    epochs = st.number_input("Epochs", 1, 1000, 10, key="train_epochs")
    batch = st.number_input(
        "Batch",
        2,
        learned,
        min(32, learned),
        key="train_batch",
        help="Pairs that compete in a step",
    )
    rate = st.number_input(
        "Learning rate",
        1e-7,
        1.0,
        _RATES.get(what, 1e-3),
        format="%.1e",
        key=f"train_rate_{what}",
    )
    loss = st.selectbox(
        "Loss", ["contrastive", "sigmoid", "triplet"], key="train_loss", disabled=what in _OLDER
    )
    seed = st.number_input("Seed", 0, 2**31 - 1, 0, key="train_seed")
    return _Details(int(epochs), int(batch), float(rate), str(loss), int(seed))


def part(images: DecodedExamples, seed: int) -> tuple[DecodedExamples, DecodedExamples]:
    """Return the images to learn from, and those held out; draw how many they are."""
    learn, dev = parted(images, seed)
    st.session_state["train_key"] = dev.key
    split = dev_split(images.examples)
    how = f"its split {plain(split)}" if split else "a tenth, drawn at random"
    st.caption(
        f"{count(len(learn.examples), 'image')} to learn from,"
        f" {count(len(dev.examples), 'image')} held out to measure on: {how}."
    )
    return learn, dev
