"""Caches of vectors, so that no image and no caption is encoded twice.

Vectors of uploads and captions are cached in `st.session_state`: only what is on the page, for the
two models used last. Those of samples and background captions are shared by all sessions.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import streamlit as st
from streamlit.delta_generator import DeltaGenerator

from components.encoder import Encoded, Encoder, Skipped, bank_vectors, encode
from components.images import Source, sample_sources
from components.newest import keep
from components.scores import Floats
from components.ui.text import plain
from components.words import count, shorten

Item = Encoded | Skipped
_MODELS = 2  # a page compares two


@st.cache_resource(max_entries=4, show_spinner="Encoding the sample images")
def sample_images(key: tuple[str, str, str], _encoder: Encoder) -> list[Encoded]:
    """Return the encoded samples, shared by all sessions (read only)."""
    return [
        item
        for item in encode(_encoder, sample_sources(), thumbnails=True)
        if isinstance(item, Encoded)
    ]


@st.cache_resource(max_entries=4, show_spinner="Encoding everyday captions")
def bank(key: tuple[str, str, str], _encoder: Encoder) -> Floats:
    """Return (1000, width) vectors of the background captions, shared by all sessions."""
    return bank_vectors(_encoder)


def encode_captions(encoder: Encoder, captions: Sequence[str]) -> Floats:
    """Return (captions, width) unit vectors; only new captions are encoded."""
    known: dict[str, Floats] = _cache("caption_vectors", encoder)
    new = [caption for caption in captions if caption not in known]
    rows = known | dict(zip(new, encoder.texts(new), strict=True))
    _keep("caption_vectors", encoder, {caption: rows[caption] for caption in captions})
    return np.stack([rows[caption] for caption in captions])


def encode_images(encoder: Encoder, uploads: dict[str, Source]) -> Sequence[Item]:
    """Return each upload's vector and thumbnail, or why it was skipped; the samples if none.

    Only new uploads are encoded, with progress and a stop button; a stop keeps what is done.
    """
    place = st.empty()  # drawn in every run, so that what follows never moves
    if not uploads:
        return sample_images(encoder.key, encoder)
    known: dict[str, Item] = _cache("image_vectors", encoder)
    rows = {key: known[key] for key in uploads if key in known}
    _keep("image_vectors", encoder, rows)
    new = {key: source for key, source in uploads.items() if key not in rows}
    if new:
        _encode_new(encoder, new, rows, place)
    return [rows[key] for key in uploads if key in rows]


def _encode_new(
    encoder: Encoder, new: dict[str, Source], rows: dict[str, Item], place: DeltaGenerator
) -> None:
    with place.container(horizontal=True, vertical_alignment="center"):
        bar = st.progress(0.0, f"Encoding {count(len(new), 'image')}")
        stop_key = f"stop_encoding {encoder.key}"  # a page may encode with two models
        stopped = st.button("Stop", icon=":material/stop_circle:", key=stop_key)
    if stopped:
        _say_stopped(len(new), place, stop_key)
        return
    for done, (key, item) in enumerate(
        zip(new, encode(encoder, list(new.values()), thumbnails=True), strict=True), start=1
    ):
        rows[key] = item  # the session's own dictionary: a stop loses nothing
        name = plain(shorten(new[key].name, 40))
        bar.progress(done / len(new), f"Encoded {done:,} of {len(new):,}: {name}")
    place.empty()


def _say_stopped(left: int, place: DeltaGenerator, stop_key: str) -> None:
    with place.container(horizontal=True, vertical_alignment="center"):
        st.info(f"Stopped. {count(left, 'image')} not encoded yet.", icon=":material/pause:")
        st.button("Resume", icon=":material/play_arrow:", key=f"resume {stop_key}")


def _cache(name: str, encoder: Encoder) -> dict[str, Any]:
    """Return what this session has cached of a model."""
    return dict(st.session_state.get(name, {}).get(encoder.key, {}))


def _keep(name: str, encoder: Encoder, rows: Mapping[str, Any]) -> None:
    keep(st.session_state.setdefault(name, {}), encoder.key, rows, _MODELS)
