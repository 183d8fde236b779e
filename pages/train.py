"""Train: fine-tune a model on images with captions, or train one of the older matchers."""

import streamlit as st

from components import models
from components.encoder import Encoder
from components.errors import CaptionLensError
from components.ui.account import Permission, explain, may
from components.ui.model_picker import pick_encoder
from components.ui.present import heading
from components.ui.setup import setup
from components.ui.text import plain
from components.ui.train import welcome
from components.ui.workspace import workspace


def ask_pairs(way: str) -> "training_inputs.Pairs | None":
    """Draw the ways to give pairs; return them, or None while some are missing or unreadable."""
    try:
        return training_inputs.ask_pairs(way)
    except CaptionLensError as error:
        st.warning(plain(str(error)), icon=":material/error:")
        return None


def show_results(way: str) -> None:
    """Draw this server's runs; without any, how to begin, and the last finished one."""
    view.show()
    ran = bool(runs.all_runs())
    finished = None if ran else last_finished()
    if way == "Upload" and not ran:
        welcome.introduce()
    welcome.show_samples(one_row=ran or finished is not None)
    if finished:
        last.show(finished)


def ask_run(encoder: Encoder, pairs: "training_inputs.Pairs") -> None:
    """Draw the inputs of a run on ``pairs``, and start it."""
    method = training_inputs.ask_method()
    images = training_inputs.decode(encoder, pairs, method)
    job = training_inputs.ask_job(encoder, method, images)
    started = st.session_state.get("train_started", 0)
    name = st.text_input(
        "Name",
        runs.default_name(encoder, runs.all_runs()),
        key=f"train_name_{started}",  # a new one, with a new name, for each run
        help="The new model's name in the app",
    )
    models.refuse_taken(name)
    run = runs.Run(name, job, training_inputs.split(images, job.plan.seed))
    if view.ready_to_start(run):
        runs.start(run)
        st.session_state["train_started"] = started + 1
        st.rerun()


setup()
heading(
    "Train",
    "Fine-tune a model on your own images with captions, and compare it before and after.",
)
if not may(Permission.TRAIN):
    explain(Permission.TRAIN)
    welcome.show_samples()
    st.stop()
first, results, others = workspace()
with results, st.skeleton(height=480):
    from components.training.finished import last_finished
    from components.ui.train import inputs as training_inputs
    from components.ui.train import last, runs, view
with first:
    way = training_inputs.ask_way()
with results:
    show_results(way)
with others:
    pairs = ask_pairs(way)
    encoder = pick_encoder(key="train_base", sentences=results)
    if pairs:
        try:
            ask_run(encoder, pairs)
        except CaptionLensError as error:
            st.warning(plain(str(error)), icon=":material/error:")
