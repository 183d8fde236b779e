"""The downloads of the Check page, and the decisions that are taken up again."""

import streamlit as st

from components.check.decisions import Decisions
from components.encoder import Encoder
from components.errors import CaptionLensError
from components.ui.check import deciding
from components.ui.check.checking import Result
from components.ui.check.subject import Subject
from components.ui.text import plain
from components.words import count


def show(encoder: Encoder, subject: Subject, result: Result) -> None:
    """Draw the download buttons; each file is made on the click."""
    with st.container(key="downloads", horizontal=True, vertical_alignment="center"):
        st.download_button(
            "Decisions (JSON)",
            lambda: deciding.decisions(subject).to_json(),
            file_name="captionlens-decisions.json",
            mime="application/json",
            icon=":material/download:",
            on_click="ignore",
        )
        with st.popover("Resume", icon=":material/upload:", key="check_resume_popover"):
            _resume(subject)


def _resume(subject: Subject) -> None:
    """Draw the uploader of decisions that were downloaded before."""
    file = st.file_uploader(
        "Decisions from an earlier session", type=["json"], key="check_decisions_file"
    )
    if file and st.button("Apply", icon=":material/check:", key="check_apply"):
        try:
            others = Decisions.from_json(file.getvalue().decode("utf-8-sig", "replace"), file.name)
        except CaptionLensError as error:
            st.warning(plain(str(error)), icon=":material/error:")
            return
        deciding.resume(subject, others)
        st.toast(f"{count(len(others), 'decision')} applied.", icon=":material/check:")
        st.rerun(scope="fragment")
