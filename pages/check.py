"""Check: the wrong captions, duplicates and leaks of a dataset of images with captions."""

import streamlit as st

from components.encoder import Encoder
from components.ui.check import downloads, inputs, labels, results, view
from components.ui.check.checking import Result, check_or_stop
from components.ui.check.subject import Subject
from components.ui.model_picker import pick_encoder
from components.ui.present import heading
from components.ui.setup import setup
from components.ui.workspace import workspace


@st.fragment
def explore(encoder: Encoder, subject: Subject, result: Result, presenting: bool) -> None:
    """Draw the summary and the list; a control or a click reruns only this."""
    results.summarise(subject, result.checked)
    shown = view.choose_view(subject, result.checked, presenting)
    results.show(encoder, subject, result, shown)
    downloads.show(encoder, subject, result)


setup()
presenting = heading(
    "Check", "The wrong captions, duplicates and leaks of a captioned dataset.", results.step
)
if inputs.ask_part() == "Labels":
    labels.show(pick_encoder())
    st.stop()
first, place, others = workspace()
with first:
    way = inputs.ask_way()
    manifest = inputs.ask_collection() if way == "Collection" else None
    table = inputs.ask_table() if way == "Upload" else None
with place, st.skeleton(height=480), others:
    encoder = pick_encoder(manifest.model if manifest else "", sentences=place)
    subject = inputs.subject_or_stop(encoder, way, manifest, table, place)
with place:
    result = check_or_stop(encoder, subject)
    explore(encoder, subject, result, presenting)
