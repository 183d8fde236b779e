"""The downloads of the Matrix page: the figure, the numbers, the report."""

from collections.abc import Callable
from functools import partial

import streamlit as st

from components.output.export import footer, matrix_to_csv, matrix_to_parquet, provenance
from components.output.matrix_figure import Form, draw, save
from components.output.report import ReportInput, make
from components.ui import tasks
from components.ui.tasks import Task
from components.ui.text import plain

_MIME: dict[Form, str] = {"png": "image/png", "svg": "image/svg+xml", "pdf": "application/pdf"}
_KEY = "report"


def show(report_input: ReportInput) -> None:
    """Draw the download buttons; each file is made on the click."""
    heatmap, encoder = report_input.heatmap, report_input.encoder
    thumbnails = [report_input.images[i].thumbnail for i in heatmap.columns]

    def figure(form: Form) -> bytes:
        return save(draw(heatmap, thumbnails, footer(encoder)), form)

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
    st.caption("PNG, SVG and PDF contain the figure; CSV and Parquet the numbers shown above.")
    _report(report_input)


def _button(name: str, data: Callable[[], str | bytes], suffix: str, mime: str) -> None:
    st.download_button(
        name,
        data,
        file_name=f"captionlens-matrix.{suffix}",
        mime=mime,
        icon=":material/download:",
        on_click="ignore",
    )


def _report(report_input: ReportInput) -> None:
    digests = tuple(item.photo.digest for item in report_input.images)
    content = (report_input.encoder.key, report_input.scores.captions, digests)
    reports = _reports()
    task = reports.get(_KEY)
    if task and task.subject != content:  # of other captions or images
        task.stop.set()
        reports.clear()
    if (not reports or (task and task.ended and not task.result)) and st.button(
        "Make the report",
        icon=":material/description:",
        help="One HTML file: the matrix, the best matches with their maps, and how it was made",
    ):
        tasks.start(reports, _KEY, Task(content, partial(make, report_input)))
        st.rerun()
    tasks.show(reports, _draw_running, _draw_ended)


def _draw_running(key: str, task: Task) -> None:
    done, total = task.progress or (0, 1)
    st.progress(done / total, f"Explaining the best matches: {done:,} of {total:,}")
    tasks.stop_button(key, task)


def _draw_ended(key: str, task: Task) -> None:
    with st.container(horizontal=True, vertical_alignment="center"):
        if task.result:
            st.download_button(
                f"Report ({len(task.result) / 1e6:.1f} MB)",
                task.result,
                file_name="captionlens-report.html",
                mime="text/html",
                icon=":material/download:",
                on_click="ignore",
            )
        else:
            st.info(plain(task.message or "The report was stopped."), icon=":material/pause:")
        tasks.close_button(_reports(), key)


def _reports() -> dict[str, Task]:
    """Return this session's report, running or ended."""
    reports: dict[str, Task] = st.session_state.setdefault("matrix_reports", {})
    return reports
