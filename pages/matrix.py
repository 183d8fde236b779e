"""Matrix: the scores of all captions with all images, and why a caption matches an image."""

from collections.abc import Sequence

import streamlit as st

from components.encoder import Encoded, Encoder, score_encoded
from components.output.report import ReportInput
from components.scores import Scores
from components.ui import inputs, tray
from components.ui.matrix import cell as matrix_cell
from components.ui.matrix import compare as models_compared
from components.ui.matrix import downloads as matrix_downloads
from components.ui.matrix import inputs as matrix_inputs
from components.ui.matrix import retrieval, why
from components.ui.matrix import view as matrix_view
from components.ui.matrix.inputs import Pair
from components.ui.matrix.view import Drawing
from components.ui.model_picker import pick_encoder
from components.ui.pictures import show_unranked
from components.ui.present import heading
from components.ui.setup import setup
from components.ui.text import plain
from components.ui.uploader import uploads
from components.ui.vectors import bank, encode_captions, encode_images
from components.ui.workspace import workspace


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
    presenting: bool,
) -> None:
    """Draw the matrix, one cell in detail, and why it scores so; a click reruns only this."""
    encoder, scores = encoders[0], scored[0]
    view = matrix_view.choose_view(encoder, len(encoders) > 1, presenting)
    matrix = st.container()  # it frames the cell that is chosen below it
    st.header("Selected cell", divider="gray")
    cell = matrix_cell.choose_caption(scores)
    with matrix:
        if len(encoders) > 1:
            both = (encoders[0], encoders[1]), (scored[0], scored[1])
            heatmap = models_compared.show(*both, images, view, cell)
        else:
            heatmap = matrix_view.heatmap_of(encoder, scores, view)
            place = Drawing("matrix_heat", cell, presenting)
            matrix_view.draw(heatmap, scores, images, place)
    matrix_cell.choose_image(heatmap, scores, images, cell)
    matrix_cell.show(encoders, scored, images, cell)
    explanation = st.container()  # the slowest part is computed last
    st.header("All scores", divider="gray")
    names = [encoder.spec.name for encoder in encoders]
    retrieval.show(dict(zip(names, scored, strict=True)), pairs)
    retrieval.as_table(heatmap)
    matrix_downloads.show(ReportInput(encoder, scores, images, heatmap, pairs))
    with explanation:
        if len(encoders) > 1:
            st.caption(f"Explanation for {plain(encoder.spec.name)}:")
        why.show(encoder, scores, encode_captions(encoder, scores.captions), images, cell)


setup()
presenting = heading("Matrix", "Every caption scored with every image.", matrix_cell.step)
first, results, others = workspace()
with others:
    models = st.container()
    uploaded = uploads("matrix") | tray.tray()
    tray.show()
with first:
    box = st.container()
    shown = None if uploaded else matrix_inputs.ask_samples()
with box:
    typed, pairs = matrix_inputs.ask(shown)
with results, st.skeleton(height=560), models:
    encoder = pick_encoder(sentences=results)
    second = models_compared.pick_second(encoder)
    inputs.explain_captions(encoder, typed)
with results, st.skeleton(height=560), others:
    items = encode_images(encoder, uploaded)[:shown]
    inputs.explain_skipped(items)
    images = [item for item in items if isinstance(item, Encoded)]
    inputs.explain_notes(images)
with results:
    inputs.stop_without_images(images)
    if not typed.captions:
        inputs.say_no_captions()
        show_unranked("matrix_unscored", images)
        st.stop()
    encoders, scored = [encoder], [score(encoder, typed.captions, images)]
    if second is not None:
        # Both models decode images in the same way: fewer of the second means it was stopped.
        again = encode_images(second, uploaded)[:shown]
        same = [item for item in again if isinstance(item, Encoded)]
        if len(same) == len(images):
            encoders.append(second)
            scored.append(score(second, typed.captions, same))
    matrix_inputs.explain_missing(scored[0], pairs)
    explore(encoders, scored, images, pairs, presenting)
