"""Match: images ranked for each caption, or captions for each image."""

import streamlit as st

from components.encoder import Encoded, score_encoded
from components.images import EXAMPLE_CAPTION
from components.ui import inputs, tray
from components.ui.match import results
from components.ui.match.gallery import Gallery
from components.ui.model_picker import pick_encoder
from components.ui.setup import setup
from components.ui.uploader import uploads
from components.ui.vectors import bank, encode_captions, encode_images

setup()
st.title("Match")
st.markdown("Upload images, type captions, and see the images ranked for each caption.")
encoder = pick_encoder(pairs=True)

left, right = st.columns(2, gap="large")
with left:
    typed = inputs.ask_captions("match_captions", EXAMPLE_CAPTION)
    inputs.explain_captions(encoder, typed)
with right:
    uploaded = uploads("match") | tray.tray()
    tray.show()
    items = encode_images(encoder, uploaded)
    inputs.explain_skipped(items)
    if not uploaded:
        st.caption("An example with sample images; your uploads replace them.")

images = [item for item in items if isinstance(item, Encoded)]
inputs.explain_notes(images)
view = results.choose_view(pairs=encoder.head is not None)
inputs.stop_if_empty(typed.captions, images)

texts = encode_captions(encoder, typed.captions)
scores = score_encoded(encoder, typed.captions, texts, images, bank(encoder.key, encoder))
st.caption(results.explain_score(view.kind, encoder, len(typed.captions)))
gallery = Gallery(images, scores, view.kind, view.tile)
drawn = results.show(gallery, view)
st.divider()
results.downloads(encoder, gallery, view, drawn)
