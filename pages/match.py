"""Match: images ranked for each caption, or captions for each image."""

import streamlit as st

from components.encoder import Encoded, Encoder, score_encoded
from components.images import EXAMPLE_CAPTION
from components.scores import Scores
from components.ui import inputs, tray
from components.ui.match import examples, results
from components.ui.match.gallery import Gallery
from components.ui.model_picker import pick_encoder
from components.ui.pictures import show_unranked
from components.ui.present import heading
from components.ui.setup import setup
from components.ui.uploader import uploads
from components.ui.vectors import bank, encode_captions, encode_images
from components.ui.workspace import workspace


@st.fragment
def explore(encoder: Encoder, scores: Scores, images: list[Encoded], presenting: bool) -> None:
    """Draw the ranked images; a control or a click reruns only this."""
    view = results.choose_view(encoder, len(scores.captions), presenting)
    gallery = Gallery(images, scores, view.kind)
    drawn = results.show(gallery, view)
    results.downloads(encoder, gallery, view, drawn)


setup()
presenting = heading("Match", "Images ranked by how well they match each caption.", results.step)
first, ranked, others = workspace()
with first:
    typed = inputs.ask_captions("match_captions", EXAMPLE_CAPTION)
with ranked, st.skeleton(height=480), others:
    encoder = pick_encoder(pairs=True, sentences=ranked)
    inputs.explain_captions(encoder, typed)
    uploaded = uploads("match") | tray.tray()
    tray.show()
    items = encode_images(encoder, uploaded)
    inputs.explain_skipped(items)
    images = [item for item in items if isinstance(item, Encoded)]
    inputs.explain_notes(images)
    if not uploaded:
        st.caption("An example with sample images; your uploads replace them.")
    background = bank(encoder.key, encoder)
with ranked:
    above = st.container()  # always there: a control that moves is no longer written to the link
    if not uploaded:
        with above:
            examples.show(typed.captions)
    inputs.stop_without_images(images)
    if not typed.captions:
        inputs.say_no_captions()
        show_unranked("match_unranked", images)
        st.stop()
    texts = encode_captions(encoder, typed.captions)
    scores = score_encoded(encoder, typed.captions, texts, images, background)
    explore(encoder, scores, images, presenting)
