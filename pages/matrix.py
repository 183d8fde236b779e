"""Matrix: every caption against every image at once, how to read it, and why."""

from collections.abc import Sequence

import streamlit as st

from components.encoder import Encoded, Encoder, score_encoded
from components.output.report import Material
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
    """Return the scores of what is on the page, encoding what is new."""
    texts = encode_captions(encoder, captions)
    return score_encoded(encoder, captions, texts, images, bank(encoder.key, encoder))


@st.fragment
def explore(
    encoders: Sequence[Encoder],
    scored: Sequence[Scores],
    images: Sequence[Encoded],
    pairs: Sequence[Pair],
) -> None:
    """Draw the matrix and what it is made of; a click reruns this alone."""
    encoder, scores = encoders[0], scored[0]
    view = matrix_view.choose_view(comparing=len(encoders) > 1)
    st.caption(matrix_view.explain(view, encoder))
    above = st.container()  # the cell is chosen below the matrix, and framed in it
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
        matrix_downloads.show(Material(encoder, scores, images, heatmap, pairs))
        st.subheader("One cell, and why", divider="gray")
    matrix_view.show_cell(encoders, scored, images, cell)
    if len(encoders) > 1:
        st.caption(f"Why, for {plain(encoder.spec.name)}:")
    why.show(encoder, scores, encode_captions(encoder, scores.captions), images, cell)


setup()
st.title("Matrix")
st.markdown("Every caption against every image: how well they match, how to read it, and why.")
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
        st.caption("An example with sample images. Add your own and they take their place.")

images = [item for item in items if isinstance(item, Encoded)]
inputs.explain_notes(images)
inputs.stop_where_nothing_is(captions, images)
encoders, scored = [encoder], [score(encoder, captions, images)]
if second is not None:
    # Images that the first took and the second did not cannot be: both decode them alike.
    others = [item for item in encode_images(second, uploaded) if isinstance(item, Encoded)]
    if len(others) == len(images):
        encoders.append(second)
        scored.append(score(second, captions, others))
matrix_inputs.explain_missing(scored[0], pairs)
explore(encoders, scored, images, pairs)
