"""What is to be explained, and what a session keeps of it."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TypeVar

import streamlit as st

from components import explain
from components.encoder import Encoded, Encoder, decode_for
from components.explain import Curves, Occlusion
from components.scores import Floats

Kept = TypeVar("Kept")


@dataclass(frozen=True)
class Subject:
    """What is to be explained: an image and a caption, with what is known of them."""

    encoder: Encoder
    item: Encoded
    caption: str
    text: Floats  # (width,)
    others: Sequence[str]
    bank: Floats

    @property
    def limit(self) -> float:
        """The change of the cosine in full colour."""
        return explain.full_colour(self.bank, self.item.vector)


def occlusion_of(encoder: Encoder, item: Encoded) -> Occlusion:
    """Return an image looked at in parts, once for a session's last sixteen images."""
    kept: dict[object, Occlusion] = st.session_state.setdefault("looks", {})
    key = (encoder.key, item.photo.digest)
    found = kept.pop(key, None) or explain.occlude(
        encoder, decode_for(encoder, item.photo.source)[1]
    )
    return remember(kept, key, found, 16)  # 0.3 MB each


def checked_curves(subject: Subject, seen: Occlusion, salient: Floats, text: Floats) -> Curves:
    """Return the curves of a map, once for a session's last 64 maps."""
    kept: dict[object, Curves] = st.session_state.setdefault("curves", {})
    key = (subject.encoder.key, subject.item.photo.digest, salient.tobytes(), text.tobytes())
    found = kept.pop(key, None)
    if found is None:
        with st.spinner("Checking the map", show_time=True):
            found = explain.curves(subject.encoder, seen, salient, text)
    return remember(kept, key, found, 64)


def remember(kept: dict[object, Kept], key: object, value: Kept, most: int) -> Kept:
    """Keep ``value`` as the newest of at most ``most``."""
    kept[key] = value
    while len(kept) > most:
        del kept[next(iter(kept))]
    return value
