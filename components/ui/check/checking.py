"""The check of a dataset on the page: captions encoded, evidence, findings; with progress."""

from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass

import numpy as np
import streamlit as st
from streamlit.delta_generator import DeltaGenerator

from components.check.checked import Checked
from components.check.indexed import check_indexed, encode_captions
from components.encoder import Encoder
from components.errors import CaptionLensError
from components.newest import keep
from components.scores import Floats
from components.ui.check import deciding
from components.ui.check.subject import Subject
from components.ui.text import plain
from components.words import count

_KEPT = 3  # results of this server, and of each session
_ENCODING = 0.6  # share of the progress bar
_BATCH = 256  # captions between two steps of the progress bar
Key = tuple[object, ...]
Report = Callable[[float, str], object]  # takes the share that is done, and what is being done


@dataclass(frozen=True)
class Result:
    """A check with the unit vectors (m, width) of the captions."""

    checked: Checked
    texts: Floats


def check_or_stop(encoder: Encoder, subject: Subject) -> Result:
    """Return the check of a dataset, or stop the page with a sentence.

    Each dataset is checked once; progress is shown, and a stop keeps the captions encoded so far.
    """
    place = st.empty()  # drawn in every run, so that what follows never moves
    key = (*subject.key, *encoder.key)
    results = _results(subject)
    result = results.get(key)
    if result is None:
        with place.container(horizontal=True, vertical_alignment="center"):
            bar = st.progress(0.0, f"Checking {count(len(subject.data), 'pair')}")
            stopped = st.button("Stop", icon=":material/stop_circle:", key="check_stop")
        if stopped:
            _stop(place)
        try:
            result = keep(results, key, _checked(encoder, subject, bar.progress), _KEPT)
        except CaptionLensError as error:
            place.info(plain(str(error)), icon=":material/fact_check:")
            st.stop()
        place.empty()
    return result


def _stop(place: DeltaGenerator) -> None:
    with place.container(horizontal=True, vertical_alignment="center"):
        st.info("Stopped. The captions encoded so far are kept.", icon=":material/pause:")
        st.button("Resume", icon=":material/play_arrow:", key="check_resume")
    st.stop()


def _checked(encoder: Encoder, subject: Subject, bar: Report) -> Result:
    def encoding(share: float, of: str) -> None:
        bar(_ENCODING * share, of)

    def checking(share: float, of: str) -> None:
        bar(_ENCODING + (1 - _ENCODING) * share, of)

    texts = _texts(encoder, subject, encoding)
    return Result(check_indexed(encoder, subject.indexed, texts, checking), texts)


def _texts(encoder: Encoder, subject: Subject, report: Callable[[float, str], None]) -> Floats:
    """Return (m, width) unit vectors of the captions; the batches of a stopped run are kept."""
    captions = subject.data.captions
    # A file for each selection would never be removed.
    if deciding.in_file(subject) and subject.folder and not subject.selected_of:
        with suppress(OSError):  # where it cannot be written, they are encoded again next time
            return encode_captions(encoder, captions, subject.folder, report)
    parts: dict[Key, list[Floats]] = st.session_state.setdefault("check_captions", {})
    key = (*subject.key, *encoder.key)
    batches = parts[key] if key in parts else keep(parts, key, [], _KEPT)
    for first in range(_BATCH * len(batches), len(captions), _BATCH):
        batches.append(encoder.texts(captions[first : first + _BATCH]))
        report(min(first + _BATCH, len(captions)) / len(captions), "Encoding captions")
    del parts[key]
    return np.concatenate(batches)


def _results(subject: Subject) -> dict[Key, Result]:
    """Return where results are kept: those of uploads in their session, others for all sessions."""
    if subject.private:
        kept: dict[Key, Result] = st.session_state.setdefault("check_results", {})
        return kept
    return _shared()


@st.cache_resource(show_spinner=False)
def _shared() -> dict[Key, Result]:
    return {}
