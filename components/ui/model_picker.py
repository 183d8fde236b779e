"""The model picker, and its status line: device, library, precision, width."""

import streamlit as st
from streamlit.delta_generator import DeltaGenerator

from components import models
from components.encoder import Encoder, load
from components.errors import CaptionLensError
from components.models import CATALOGUE, Located
from components.server.counters import counted
from components.ui.setup import MATCH, MODELS, page
from components.ui.text import plain

_KEPT = 2  # encoders in memory: pages compare two


@st.cache_resource(max_entries=_KEPT, show_spinner=False)
def _encoder(model_id: str, revision: str, _located: Located) -> Encoder:
    return counted(load(_located))


def pick_encoder(
    default: str = "",
    pairs: bool = False,
    key: str = "model",
    sentences: DeltaGenerator | None = None,
) -> Encoder:
    """Draw the picker in a popover; return the encoder, or stop the page with a sentence.

    ``default`` is the model's id until a person or a link has chosen one. A model that scores pairs
    and has no vectors is accepted only with ``pairs``. The choice is in the link under ``key``.
    ``sentences``: where to draw what is wrong, if not beside the picker.
    """
    model_id = _chosen(default, key)
    place = st.container()
    wrong = sentences or st.container()
    with wrong:
        encoder = load_encoder(model_id, key)
    with place:
        _popover(model_id, encoder, key)
    if encoder is None:
        st.stop()
    if encoder.head and not pairs:
        with wrong:
            _say_pairs_only(encoder)
        st.stop()
    return encoder


def choose_model(model_id: str, key: str = "model") -> None:
    """Choose a model as the picker does; the page's next run loads it."""
    st.query_params[key] = model_id
    st.session_state[f"last_{key}"] = model_id


def offer_model(model_id: str, encoder: Encoder) -> None:
    """Draw the button that chooses another model than the one in use."""
    if model_id != encoder.spec.id:
        st.button(
            f"Use {plain(model_id)}",
            type="primary",
            icon=":material/deployed_code:",
            on_click=choose_model,
            args=(model_id,),
        )


def _chosen(default: str, key: str) -> str:
    """Return the id in the link; without one, ``default``, or what was chosen on another page."""
    linked = st.query_params.get(key)
    chosen = linked or default or st.session_state.get(f"last_{key}") or models.default_id()
    if not linked and chosen not in {default, models.default_id()}:
        st.query_params[key] = chosen
    return str(chosen)


def _say_pairs_only(encoder: Encoder) -> None:
    st.info(
        f"{plain(encoder.spec.name)} scores one image with one caption at a time and has no"
        " vectors, which this page needs. Choose another model, or use this one on Match.",
        icon=":material/join_inner:",
    )
    st.page_link(page(MATCH), label="Open Match", query_params={"model": encoder.spec.id})


def load_encoder(model_id: str, key: str = "") -> Encoder | None:
    """Return a model's encoder; draw a sentence and return None if it cannot be loaded.

    ``key``: the picker's, whose choice a button then sets to the model inside.
    """
    try:
        return _loaded(models.locate(models.resolve(model_id)))
    except CaptionLensError as error:
        st.warning(plain(str(error)), icon=":material/download:")
        with st.container(horizontal=True):
            if key:
                inside = models.default_id()
                st.button(
                    f"Use {plain(_name(inside))}",
                    icon=":material/deployed_code:",
                    on_click=choose_model,
                    args=(inside, key),
                )
            st.page_link(page(MODELS), label="Open Models", icon=":material/list:")
        return None


def choices(default: str) -> list[str]:
    """Return the ids that a picker offers, those on disk first, including ``default``."""
    ready = [spec.id for spec in models.on_disk()]
    others = [card.spec.id for card in CATALOGUE if card.spec.id not in ready]
    options = [*ready, *others]
    return options if default in options else [*options, default]


def _popover(model_id: str, encoder: Encoder | None, key: str) -> None:
    """Draw one line that names the model and its device; a click opens the picker."""
    runtime = f" · {encoder.runtime.device}, {encoder.runtime.precision}" if encoder else ""
    with st.popover(
        plain(f"{_name(model_id)}{runtime}"),
        icon=":material/deployed_code:",
        key=f"{key}_popover",
    ):
        _pick(model_id, key)
        if encoder:
            _describe(encoder)
        st.page_link(page(MODELS), label="All models", icon=":material/list:")


def _pick(model_id: str, key: str) -> None:
    # Not bound to the link: a bound widget would put the name there, and names may change.
    st.session_state[key] = model_id
    st.selectbox(
        "Model",
        choices(model_id),
        format_func=_name,
        key=key,
        on_change=lambda: choose_model(str(st.session_state[key]), key),
        accept_new_options=True,
        width=380,
        help="Turns images and captions into vectors. Another checkpoint's id can be typed.",
    )


def _name(model_id: str) -> str:
    try:
        return models.resolve(model_id).name
    except CaptionLensError:
        return model_id


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
    kind = "scores pairs, has no vectors" if encoder.head else f"{encoder.recipe.width} dimensions"
    st.caption(
        f"{runtime.device} · {runtime.library} · {runtime.precision} · {kind} · revision"
        f" {plain(encoder.revision[:12])}  \nf32 is exact; bf16, f16 and int8 are faster."
    )
    if encoder.note:
        st.caption(f":material/info: {plain(encoder.note)} It runs on PyTorch, more slowly.")
