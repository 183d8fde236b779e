"""Train: fine-tune a model on one's own pairs, or train the older matchers on them."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import streamlit as st

from components.collection.manifest import Manifest
from components.collection.store import collections, open_collection
from components.encoder import Encoder
from components.errors import CaptionLensError
from components.images import Source, source_of
from components.pairs import read_pairs
from components.settings import Settings
from components.ui.model_picker import pick_encoder
from components.ui.setup import setup
from components.ui.text import count, plain, shorten
from components.ui.uploader import uploads

_MOST = 5_000  # pictures of a collection: all of them lie in memory while it trains
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
_RATES = {"projections": 1e-4, "last": 2e-5, "lora": 2e-4, "full": 1e-5}


@dataclass(frozen=True)
class Asked:
    """The pictures, each name's captions, and what makes them other pictures."""

    key: tuple[object, ...]
    sources: Sequence[Source]
    captions: Mapping[str, Sequence[str]]


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
    """Draw the table's and the pictures' uploaders."""
    table = st.file_uploader(
        "A CSV or Parquet file with columns image and caption",
        type=["csv", "tsv", "parquet"],
        key="train_pairs",
        help="image is the name of a picture below; a picture may have several captions",
    )
    given = uploads("train")
    if table is None or not given:
        st.info("Drop a table and its pictures.", icon=":material/table:")
        return None
    captions: dict[str, list[str]] = {}
    for name, caption in read_pairs(table.name, table.getvalue(), _MOST_CAPTIONS).pairs:
        captions.setdefault(name, []).append(caption)
    missing = [name for name in captions if name not in {each.name for each in given.values()}]
    if missing:
        named = ", ".join(plain(shorten(name, 40)) for name in missing[:5])
        st.warning(
            f"{count(len(missing), 'picture')} of the table not among the uploads: {named}.",
            icon=":material/image_not_supported:",
        )
    return Asked(tuple(given), list(given.values()), captions)


def ask_collection() -> Asked | None:
    """Draw the choice of a collection whose pictures have captions."""
    names = [each.name for each in collections() if isinstance(each, Manifest)]
    if not names:
        st.info("There is no collection yet: index one on the Search page.")
        return None
    name = str(st.selectbox("Collection", names, key="train_collection", bind="query-params"))
    opened = open_collection(name)
    rows = np.arange(min(len(opened), _MOST))
    if "captions" not in opened.columns:
        st.info(f"The pictures of {plain(name)} have no captions: choose another collection.")
        return None
    st.caption("Its small pictures are used, up to 320 pixels.")
    ids = opened.ids(rows)
    captions = {
        id_: texts
        for id_, record in zip(ids, opened.records(rows), strict=True)
        if isinstance(texts := record.get("captions"), list) and texts
    }
    sources = [source_of(opened.thumbnail(row), id_) for row, id_ in enumerate(ids)]
    return Asked(opened.key, sources, captions)


def ask_job(encoder: Encoder, pictures: int) -> "Job":
    """Draw the recipe and its details; return what they say."""
    recipe = str(st.selectbox("Recipe", list(_RECIPES), key="train_recipe", bind="query-params"))
    st.caption(_COSTS[recipe])
    what = _RECIPES[recipe]
    with st.popover("Details", icon=":material/tune:"):
        epochs = int(st.number_input("Epochs", 1, 1000, 10, key="train_epochs"))
        most = max(2, pictures - math.ceil(pictures / 10))  # a tenth is held out
        batch = int(
            st.number_input(
                "Batch",
                2,
                max(2, most),
                min(32, most),
                key="train_batch",
                help="Pairs that compete in a step",
            )
        )
        rate = float(
            st.number_input(
                "Learning rate",
                1e-7,
                1.0,
                _RATES.get(what, 1e-3),
                format="%.1e",
                key=f"train_rate_{what}",
            )
        )
        loss = st.selectbox(
            "Loss",
            ["contrastive", "sigmoid", "triplet"],
            key="train_loss",
            disabled=what in {"matcher", "densenet-lstm"},
        )
        seed = int(st.number_input("Seed", 0, 2**31 - 1, 0, key="train_seed"))
    older = what in {"matcher", "densenet-lstm"}
    plan = Plan(
        epochs, rate, optimizer="adam" if older else "adamw", seed=seed, device=best_device()
    )
    if older:
        margin = Margin(batch, train_backbone=True)
        return Job(what, plan, batch, margin=margin)  # type: ignore[arg-type] # the table's words
    tuning = Tuning(what, loss=loss, batch=batch)  # type: ignore[arg-type] # the tables' words
    return Job("dual", plan, base=encoder.spec.id, tuning=tuning)


def prepare(encoder: Encoder, asked: Asked, job: "Job") -> "tuple[Pictures, Pictures]":
    """Return the pictures as the job takes them: to learn from, and held out."""
    dual = job.kind == "dual"
    side, fit = decoding_of(encoder.recipe, encoder.spec.name) if dual else decoding(job)
    known = st.session_state.setdefault("train_pictures", {})
    key = (side, fit, asked.key, repr(asked.captions))
    if key not in known:
        known.clear()
        with st.spinner("Reading the pictures", show_time=True):
            known[key] = in_memory(asked.sources, asked.captions, side, fit)
    whole = known[key]
    for reason in whole.skipped[:5]:
        st.warning(plain(reason), icon=":material/broken_image:")
    learn, dev = parted(whole, job.plan.seed)
    st.session_state["train_key"] = dev.key
    st.caption(
        f"{count(len(learn.examples), 'picture')} to learn from,"
        f" {count(len(dev.examples), 'picture')} held out to measure on."
    )
    return learn, dev


def ask() -> None:
    """Draw what a run needs, and start it."""
    left, right = st.columns(2, gap="large")
    with left:
        asked = ask_pairs()
    with right:
        encoder = pick_encoder(key="train_base")
        if asked is None:
            return
        job = ask_job(encoder, sum(each.name in asked.captions for each in asked.sources))
        name = st.text_input(
            "Name",
            training.default_name(encoder, training.tasks()),
            key="train_name",
            help="Under which it appears in every model picker",
        )
        models.refuse_taken(name)
        run = training.Run(name, job, prepare(encoder, asked, job))
        costs = st.session_state.setdefault("train_costs", {})
        if training.ready_to_start(run, costs):
            training.start(run)
            st.rerun()


setup()
st.title("Train")
st.markdown("Fine-tune a model on your own pictures with captions, and see what it gains.")
if Settings().read_only:
    st.info("This copy is for looking alone: models are trained elsewhere.")
    st.stop()
with st.spinner("Loading what trains"):
    from components import models
    from components.encoder import best_device
    from components.training.densenet_lstm import Margin
    from components.training.dual import Tuning
    from components.training.jobs import Job, decoding, decoding_of
    from components.training.loader import Pictures
    from components.training.loop import Plan
    from components.training.uploads import in_memory, parted
    from components.ui import training
training.show()
try:
    ask()
except CaptionLensError as error:
    st.warning(plain(str(error)), icon=":material/error:")
