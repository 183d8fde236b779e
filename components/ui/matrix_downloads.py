"""What can be taken away from the Matrix page: the figure, the numbers, the report."""

from collections.abc import Callable, Sequence
from functools import partial

import streamlit as st

from components import heatmap as print_
from components import report
from components.encoder import Encoder
from components.export import matrix_to_csv, matrix_to_parquet, provenance
from components.heatmap import Form
from components.match import Scores
from components.matrix import Heatmap, known_pairs
from components.pipeline import Encoded
from components.report import MOST_MAPS, Maps, Report, best_matches
from components.retrieval import both_ways
from components.ui.text import count
from components.ui.vectors import bank
from components.ui.why import looked

_MIME: dict[Form, str] = {"png": "image/png", "svg": "image/svg+xml", "pdf": "application/pdf"}
_REPORT = "matrix_report"  # in the session: what it was made of, and the page


def show(
    encoder: Encoder,
    scores: Scores,
    pictures: Sequence[Encoded],
    heatmap: Heatmap,
    pairs: Sequence[tuple[str, str]],
) -> None:
    """Draw the download buttons; each file is made when it is asked for."""
    thumbnails = [pictures[i].thumbnail for i in heatmap.columns]

    def figure(form: Form) -> bytes:
        return print_.save(print_.draw(heatmap, thumbnails, print_.footer(encoder)), form)

    with st.container(horizontal=True):
        for form, mime in _MIME.items():
            _button(form.upper(), partial(figure, form), form, mime)
        _button("CSV", lambda: matrix_to_csv(heatmap), "csv", "text/csv")
        _button(
            "Parquet",
            lambda: matrix_to_parquet(heatmap, provenance(encoder)),
            "parquet",
            "application/vnd.apache.parquet",
        )
    st.caption("The figure, with its thumbnails; CSV and Parquet hold the numbers shown above.")
    _report(encoder, scores, pictures, lambda: figure("png"), pairs)


def _button(name: str, data: Callable[[], str | bytes], suffix: str, mime: str) -> None:
    st.download_button(
        name,
        data,
        file_name=f"captionlens-matrix.{suffix}",
        mime=mime,
        icon=":material/download:",
        on_click="ignore",
    )


def _report(
    encoder: Encoder,
    scores: Scores,
    pictures: Sequence[Encoded],
    figure: Callable[[], bytes],
    pairs: Sequence[tuple[str, str]],
) -> None:
    made_of = (encoder.key, scores.captions, tuple(item.photo.digest for item in pictures))
    place = st.container(horizontal=True, vertical_alignment="center")
    if place.button(
        "Make the report",
        icon=":material/description:",
        help="One HTML file for stakeholders: matrix, best matches, maps of why, and a receipt",
    ):
        found = _maps(encoder, scores, pictures)
        about = report.receipt(encoder)
        thumbnails = [item.thumbnail for item in pictures]
        recalls = both_ways(scores.cosine, known_pairs(scores, pairs))
        made = Report(scores, thumbnails, figure(), found, recalls, about)
        page = report.html(made)
        st.session_state[_REPORT] = (made_of, page)
    kept, page = st.session_state.get(_REPORT, (None, ""))
    if kept == made_of:
        place.download_button(
            f"Report ({len(page) / 1e6:.1f} MB)",
            page,
            file_name="captionlens-report.html",
            mime="text/html",
            icon=":material/download:",
            on_click="ignore",
        )


def _maps(encoder: Encoder, scores: Scores, pictures: Sequence[Encoded]) -> dict[int, Maps]:
    """Return maps of the first captions' best matches, with progress and a stop."""
    place = st.empty()
    wanted = list(enumerate(best_matches(scores)))[:MOST_MAPS]
    with place.container(horizontal=True, vertical_alignment="center"):
        bar = st.progress(0.0, "Explaining the best matches")
        st.button("Stop", icon=":material/stop_circle:", key="stop_report")  # ends this run
    found = {}
    for done, (row, (column, match)) in enumerate(wanted, start=1):
        seen = looked(encoder, pictures[column])
        found[row] = report.maps(encoder, seen, match.caption, bank(encoder.key, encoder))
        bar.progress(done / len(wanted), f"Explained {done:,} of {count(len(wanted), 'match')}")
    place.empty()
    return found
