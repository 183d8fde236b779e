"""Train: fine-tune a model on one's own pairs, or train the older matchers on them."""

import streamlit as st

from components import models
from components.errors import CaptionLensError
from components.settings import Settings
from components.ui.model_picker import pick_encoder
from components.ui.setup import setup
from components.ui.text import plain


def ask() -> None:
    """Draw what a run needs, and start it."""
    encoder = pick_encoder(key="train_base")
    left, right = st.columns(2, gap="large")
    with left:
        asked = training_inputs.ask_pairs()
    with right:
        if asked is None:
            return
        what = training_inputs.ask_recipe()
        images = training_inputs.decode(encoder, asked, what)
        job = training_inputs.ask_job(encoder, what, images)
        started = st.session_state.get("train_started", 0)
        name = st.text_input(
            "Name",
            runs.default_name(encoder, runs.tasks()),
            key=f"train_name_{started}",  # a new one, with a new name, for each run
            help="Under which it appears in every model picker",
        )
        models.refuse_taken(name)
        run = runs.Run(name, job, training_inputs.part(images, job.plan.seed))
        if view.ready_to_start(run):
            runs.start(run)
            st.session_state["train_started"] = started + 1
            st.rerun()


setup()
st.title("Train")
st.markdown("Fine-tune a model on your own images with captions, and see what it gains.")
if Settings().read_only:
    st.info("This copy is for looking alone: models are trained elsewhere.")
    st.stop()
with st.spinner("Loading what trains"):
    from components.ui.train import inputs as training_inputs
    from components.ui.train import runs, view
view.show()
try:
    ask()
except CaptionLensError as error:
    st.warning(plain(str(error)), icon=":material/error:")
