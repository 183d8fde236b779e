"""The image and caption to explain, and the session's cache of their explanations."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import streamlit as st

from components import explain
from components.encoder import Encoded, Encoder, decode_for
from components.explain import Curves, Occlusion
from components.newest import keep
from components.scores import Floats

_OCCLUSIONS, _CURVES = 16, 64  # cached; an occlusion has 0.3 MB
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
    """Return an image's occlusion; the session caches the last sixteen.

    Those of files on this computer, such as the samples, are shared by all sessions.
    """
    key = (encoder.key, item.photo.digest)
    if _is_file(item):
        return _occlusion_of_file(key, encoder, item)
    kept: dict[object, Occlusion] = st.session_state.setdefault("occlusions", {})
    occlusion = kept.pop(key, None) or _occlusion(encoder, item)
    return keep(kept, key, occlusion, _OCCLUSIONS)


def _is_file(item: Encoded) -> bool:
    return isinstance(item.photo.source.data, Path)


def _occlusion(encoder: Encoder, item: Encoded) -> Occlusion:
    return explain.occlude(encoder, decode_for(encoder, item.photo.source)[1])


@st.cache_resource(max_entries=_OCCLUSIONS, show_spinner=False)
def _occlusion_of_file(key: object, _encoder: Encoder, _item: Encoded) -> Occlusion:
    return _occlusion(_encoder, _item)


def checked_curves(subject: Subject, occlusion: Occlusion, salient: Floats, text: Floats) -> Curves:
    """Return the deletion and insertion curves of a map; the session caches the last 64.

    Those of files on this computer are shared by all sessions.
    """
    key = (subject.encoder.key, subject.item.photo.digest, salient.tobytes(), text.tobytes())
    made = partial(explain.curves, subject.encoder, occlusion, salient, text)
    if _is_file(subject.item):
        return _curves_of_file(key, made)
    kept: dict[object, Curves] = st.session_state.setdefault("curves", {})
    curves = kept.pop(key, None) or _checked(made)
    return keep(kept, key, curves, _CURVES)


def _checked(made: Callable[[], Curves]) -> Curves:
    with st.spinner("Checking the map", show_time=True):
        return made()


@st.cache_resource(max_entries=_CURVES, show_spinner="Checking the map")
def _curves_of_file(key: object, _made: Callable[[], Curves]) -> Curves:
    return _made()
