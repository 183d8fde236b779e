"""The model picker, and its status line: device, library, precision, width."""

import streamlit as st

from components import models
from components.encoder import Encoder, load
from components.errors import CaptionLensError
from components.models import CATALOGUE, Located
from components.ui.setup import MATCH, MODELS, page
from components.ui.text import plain

_KEPT = 2  # encoders in memory: pages compare two


@st.cache_resource(max_entries=_KEPT, show_spinner=False)
def _encoder(model_id: str, revision: str, _located: Located) -> Encoder:
    return load(_located)


def pick_encoder(default: str | None = None, pairs: bool = False, key: str = "model") -> Encoder:
    """Draw the picker and the status line; return the encoder, or stop the page with a sentence.

    ``default`` is the model's id until a person or a link has chosen one. A model that scores pairs
    and has no vectors is accepted only with ``pairs``. The choice is in the link under ``key``.
    """
    with st.container(horizontal=True, vertical_alignment="bottom"):
        model_id = _pick(default or models.default_id(), key)
        status = st.container(horizontal=True, vertical_alignment="center")
    encoder = load_encoder(model_id)
    if encoder is None:
        st.stop()
    if encoder.head and not pairs:
        _say_pairs_only(encoder)
        st.stop()
    with status:
        _describe(encoder)
    if encoder.note:
        st.caption(f":material/info: {plain(encoder.note)} It runs on PyTorch, more slowly.")
    return encoder


def _say_pairs_only(encoder: Encoder) -> None:
    st.info(
        f"{plain(encoder.spec.name)} scores one image with one caption at a time and has no"
        " vectors, which this page needs. Choose another model, or use this one on Match.",
        icon=":material/join_inner:",
    )
    st.page_link(page(MATCH), label="Open Match", query_params={"model": encoder.spec.id})


def load_encoder(model_id: str) -> Encoder | None:
    """Return a model's encoder; draw a sentence and return None if it cannot be loaded."""
    try:
        return _loaded(models.locate(models.resolve(model_id)))
    except CaptionLensError as error:
        st.warning(plain(str(error)), icon=":material/download:")
        st.page_link(page(MODELS), label="Open Models")
        return None


def choices(default: str) -> list[str]:
    """Return the ids that a picker offers, those on disk first, including ``default``."""
    ready = [spec.id for spec in models.on_disk()]
    others = [card.spec.id for card in CATALOGUE if card.spec.id not in ready]
    options = [*ready, *others]
    return options if default in options else [*options, default]


def _pick(default: str, key: str) -> str:
    options = choices(default)
    # Ids, not names: a link contains what is shown, and names may change.
    chosen = st.selectbox(
        "Model",
        options,
        index=options.index(default),
        key=key,
        bind="query-params",
        accept_new_options=True,
        width=380,
        help="Turns images and captions into vectors. The Models page describes and downloads"
        " models.",
    )
    return str(chosen)


def _loaded(located: Located) -> Encoder:
    key = (located.spec.id, located.revision)
    first = key not in st.session_state.setdefault("loaded_models", set())
    if first:
        with st.spinner(_waiting(located), show_time=True):
            encoder = _encoder(*key, located)
        st.session_state["loaded_models"].add(key)
        return encoder
    return _encoder(*key, located)


def _waiting(located: Located) -> str:
    from components.encoder.runtimes.prepared import is_prepared

    if is_prepared(located):
        return f"Loading {plain(located.spec.name)}"
    return f"Preparing {plain(located.spec.name)} for this computer. This happens once."


def _describe(encoder: Encoder) -> None:
    runtime = encoder.runtime
    st.badge(plain(encoder.spec.name), icon=":material/deployed_code:", color="blue")
    st.badge(f"{runtime.device} · {runtime.library}", icon=":material/memory:", color="blue")
    st.badge(
        runtime.precision,
        icon=":material/straighten:",
        color="blue",
        help="The number format the model computes in: f32 is exact, bf16 and f16 are faster.",
    )
    if encoder.head:
        st.badge(
            "scores pairs", icon=":material/join_inner:", color="blue", help="It has no vectors"
        )
        return
    st.badge(
        f"{encoder.recipe.width} dimensions",
        icon=":material/scatter_plot:",
        color="blue",
        help=f"Width of its vectors. Revision {plain(encoder.revision[:12])}.",
    )
