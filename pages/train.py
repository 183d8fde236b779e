"""Train: fine-tune a model on images with captions, or train one of the older matchers."""

import streamlit as st

from components import models
from components.errors import CaptionLensError
from components.settings import Settings
from components.ui.model_picker import pick_encoder
from components.ui.setup import setup
from components.ui.text import plain


def ask() -> None:
    """Draw the inputs of a run, and start it."""
    encoder = pick_encoder(key="train_base")
    left, right = st.columns(2, gap="large")
    with left:
        pairs = training_inputs.ask_pairs()
    with right:
        if pairs is None:
            return
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
st.title("Train")
st.markdown("Fine-tune a model on your own images with captions, and compare it before and after.")
if Settings().read_only:
    st.info("This installation is read-only: models cannot be trained here.")
    st.stop()
with st.spinner("Loading the training libraries"):
    from components.ui.train import inputs as training_inputs
    from components.ui.train import runs, view
view.show()
try:
    ask()
except CaptionLensError as error:
    st.warning(plain(str(error)), icon=":material/error:")
