"""Matrix: the scores of all captions with all images, and why a caption matches an image."""

from collections.abc import Sequence

import streamlit as st

from components.encoder import Encoded, Encoder, score_encoded
from components.output.report import ReportInput
from components.scores import Scores
from components.ui import inputs, tray
from components.ui.matrix import compare as models_compared
from components.ui.matrix import downloads as matrix_downloads
from components.ui.matrix import inputs as matrix_inputs
from components.ui.matrix import view as matrix_view
from components.ui.matrix import why
from components.ui.matrix.inputs import Pair
from components.ui.model_picker import pick_encoder
from components.ui.setup import setup
from components.ui.text import plain
from components.ui.uploader import uploads
from components.ui.vectors import bank, encode_captions, encode_images


def score(encoder: Encoder, captions: Sequence[str], images: Sequence[Encoded]) -> Scores:
    """Return the scores of all captions with all images; only new ones are encoded."""
    texts = encode_captions(encoder, captions)
    return score_encoded(encoder, captions, texts, images, bank(encoder.key, encoder))


@st.fragment
def explore(
    encoders: Sequence[Encoder],
    scored: Sequence[Scores],
    images: Sequence[Encoded],
    pairs: Sequence[Pair],
) -> None:
    """Draw the matrix, one cell in detail, and why it scores so; a click reruns only this."""
    encoder, scores = encoders[0], scored[0]
    view = matrix_view.choose_view(comparing=len(encoders) > 1)
    st.caption(matrix_view.explain_score(view, encoder))
    above = st.container()  # the matrix frames the cell that is chosen below it
    cell = matrix_view.choose_cell(scores)
    with above:
        if len(encoders) > 1:
            both = (encoders[0], encoders[1]), (scored[0], scored[1])
            heatmap = models_compared.show(*both, images, view, cell)
        else:
            heatmap = matrix_view.heatmap_of(encoder, scores, view)
            matrix_view.draw(heatmap, scores, images, cell, "matrix_heat")
        names = [encoder.spec.name for encoder in encoders]
        matrix_view.show_retrieval(dict(zip(names, scored, strict=True)), pairs)
        matrix_view.as_table(heatmap)
        matrix_downloads.show(ReportInput(encoder, scores, images, heatmap, pairs))
        st.subheader("Selected cell", divider="gray")
    matrix_view.show_cell(encoders, scored, images, cell)
    if len(encoders) > 1:
        st.caption(f"Explanation for {plain(encoder.spec.name)}:")
    why.show(encoder, scores, encode_captions(encoder, scores.captions), images, cell)


setup()
st.title("Matrix")
st.markdown("Score every caption with every image, and see what explains a score.")
encoder = pick_encoder()
second = models_compared.pick_second(encoder)

left, right = st.columns(2, gap="large")
with left:
    captions, pairs = matrix_inputs.ask(encoder)
with right:
    uploaded = uploads("matrix") | tray.tray()
    tray.show()
    items = encode_images(encoder, uploaded)
    inputs.explain_skipped(items)
    if not uploaded:
        st.caption("An example with sample images; your uploads replace them.")

images = [item for item in items if isinstance(item, Encoded)]
inputs.explain_notes(images)
inputs.stop_if_empty(captions, images)
encoders, scored = [encoder], [score(encoder, captions, images)]
if second is not None:
    # Both models decode images in the same way: fewer of the second means that it was stopped.
    others = [item for item in encode_images(second, uploaded) if isinstance(item, Encoded)]
    if len(others) == len(images):
        encoders.append(second)
        scored.append(score(second, captions, others))
matrix_inputs.explain_missing(scored[0], pairs)
explore(encoders, scored, images, pairs)
