"""The image and caption to explain, and the session's cache of their explanations."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TypeVar

import streamlit as st

from components import explain
from components.encoder import Encoded, Encoder, decode_for
from components.explain import Curves, Occlusion
from components.scores import Floats

Kept = TypeVar("Kept")
_WAITING = 360  # pixels: about the height of an explanation


@dataclass(frozen=True)
class Subject:
    """The image and caption to explain, with their model and vectors."""

    encoder: Encoder
    item: Encoded
    caption: str
    text: Floats  # (width,)
    others: Sequence[str]  # the page's other captions
    bank: Floats  # (1000, width) of the background captions

    @property
    def limit(self) -> float:
        """The change of the cosine that is drawn in full colour."""
        return explain.full_colour(self.bank, self.item.vector)


@contextmanager
def waiting(sentence: str) -> Iterator[None]:
    """Draw what is being computed, above the shape of what will stand there, until it is done."""
    with st.spinner(sentence, show_time=True), st.skeleton(height=_WAITING):
        yield


def occlusion_of(encoder: Encoder, item: Encoded) -> Occlusion:
    """Return an image's occlusion; the session caches the last sixteen."""
    kept: dict[object, Occlusion] = st.session_state.setdefault("occlusions", {})
    key = (encoder.key, item.photo.digest)
    occlusion = kept.pop(key, None) or explain.occlude(
        encoder, decode_for(encoder, item.photo.source)[1]
    )
    return remember(kept, key, occlusion, 16)  # 0.3 MB each


def checked_curves(subject: Subject, occlusion: Occlusion, salient: Floats, text: Floats) -> Curves:
    """Return the deletion and insertion curves of a map; the session caches the last 64."""
    kept: dict[object, Curves] = st.session_state.setdefault("curves", {})
    key = (subject.encoder.key, subject.item.photo.digest, salient.tobytes(), text.tobytes())
    curves = kept.pop(key, None)
    if curves is None:
        with st.spinner("Checking the map", show_time=True):
            curves = explain.curves(subject.encoder, occlusion, salient, text)
    return remember(kept, key, curves, 64)


def remember(kept: dict[object, Kept], key: object, value: Kept, size: int) -> Kept:
    """Return ``value``, now the newest of at most ``size`` in the cache."""
    kept[key] = value
    while len(kept) > size:
        del kept[next(iter(kept))]
    return value
