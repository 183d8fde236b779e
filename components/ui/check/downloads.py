"""The downloads of the Check page, and decisions of an earlier session that are taken up again."""

import tempfile
from collections.abc import Callable
from contextlib import suppress
from functools import partial
from pathlib import Path

import streamlit as st

from components.check.checked import Checked
from components.check.decisions import Decisions
from components.encoder import Encoder
from components.errors import CaptionLensError
from components.output.check_json import to_json
from components.output.check_report import CheckReport, html
from components.output.checked_table import (
    check_output,
    checked_bytes,
    checked_csv,
    cleaned_csv,
    verdicts,
    write_checked,
)
from components.output.report import receipt
from components.ui.account import Permission, may
from components.ui.check import deciding
from components.ui.check.checking import Result
from components.ui.check.subject import Subject
from components.ui.text import plain
from components.words import count

_ENDINGS = (".csv", ".json", ".parquet", ".txt")


def show(encoder: Encoder, subject: Subject, result: Result) -> None:
    """Draw the download buttons; each file is made on the click."""
    checked = result.checked
    taken = deciding.decisions(subject)  # a file is made where there is no session

    def report() -> str:
        return html(CheckReport(checked, subject.indexed.thumbnail, taken, receipt(encoder)))

    with st.container(key="downloads", horizontal=True, vertical_alignment="center"):
        _tables(subject, checked, taken)
        _button("Report (HTML)", report, "captionlens-check.html", "text/html")
        _button(
            "JSON",
            lambda: to_json(checked, receipt(encoder)),
            "captionlens-check.json",
            "application/json",
        )
        _button(
            "Decisions",
            taken.to_json,
            "captionlens-decisions.json",
            "application/json",
            "Keeps the decisions for another session",
        )
        resuming = st.button(
            "Resume",
            icon=":material/upload:",
            key="check_resuming",
            help="Adds the decisions of a file that was downloaded here",
        )
    if resuming:
        _resume(subject)
    st.caption(
        "The checked table has, beside its own columns, the probability, findings, decision and new"
        " caption of each pair; in the cleaned table the decisions are carried out."
        f" {_kept_where(subject)}"
    )


def _tables(subject: Subject, checked: Checked, taken: Decisions) -> None:
    """Draw the downloads of the tables: in the dataset's own format, where its list is here."""
    for cleaned in (False, True):
        name = "cleaned" if cleaned else "checked"
        ending = _own_ending(subject, cleaned)
        file = f"captionlens-{name}{ending or '.csv'}"
        make = partial(_table, subject, checked, taken, cleaned, ending)
        _button(f"{name.capitalize()} table", make, file, "application/octet-stream")


def _own_ending(subject: Subject, cleaned: bool) -> str:
    """Return the ending of the dataset's list when it is written again; "" without a list."""
    if subject.table:
        return Path(subject.table.name).suffix.lower()
    if subject.place is None or not may(Permission.READ_PATHS):
        return ""
    for ending in (subject.place.suffix, *_ENDINGS):
        with suppress(CaptionLensError, OSError):
            check_output(subject.place, Path(tempfile.gettempdir()) / f"list{ending}", cleaned)
            return ending
    return ""


def _table(
    subject: Subject, checked: Checked, taken: Decisions, cleaned: bool, ending: str
) -> bytes:
    rows = verdicts(checked, taken)
    if subject.table:
        return checked_bytes(subject.table.name, subject.table.data, rows, cleaned)
    if not ending or subject.place is None:
        text = cleaned_csv(subject.data, taken) if cleaned else checked_csv(checked, taken)
        return text.encode()
    with tempfile.TemporaryDirectory() as folder:
        out = Path(folder) / f"list{ending}"
        write_checked(subject.place, out, rows, cleaned)
        return out.read_bytes()


def _button(
    name: str, data: Callable[[], str | bytes], file: str, mime: str, tip: str | None = None
) -> None:
    st.download_button(
        name,
        data,
        file_name=file,
        mime=mime,
        icon=":material/download:",
        on_click="ignore",
        help=tip,
    )


def _kept_where(subject: Subject) -> str:
    if deciding.in_file(subject):
        return "Decisions are kept with the collection."
    return "Decisions are kept in this session: download them to resume later."


@st.dialog("Resume")
def _resume(subject: Subject) -> None:
    """Draw the uploader of decisions that were downloaded before."""
    file = st.file_uploader(
        "Decisions of an earlier session", type=["json"], key="check_decisions_file"
    )
    if file and st.button("Apply", type="primary", icon=":material/check:", key="check_apply"):
        try:
            others = Decisions.from_json(file.getvalue().decode("utf-8-sig", "replace"), file.name)
        except CaptionLensError as error:
            st.warning(plain(str(error)), icon=":material/error:")
            return
        added = deciding.resume(subject, others)
        st.toast(f"{count(added, 'decision')} applied.", icon=":material/check:")
        st.rerun()
