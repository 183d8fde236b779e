"""The curated models: their table, the choice of one, its description and its actions."""

import pandas as pd
import streamlit as st

from components import models
from components.encoder.runtimes.prepared import int8_check
from components.errors import CaptionLensError
from components.models import CATALOGUE, ModelCard, ModelSpec
from components.ui.account import Permission, may, require, why_not
from components.ui.models import downloads
from components.ui.setup import MATCH, page
from components.ui.text import plain
from components.words import EMPTY, megabytes


def show_table(cards: tuple[ModelCard, ...]) -> None:
    """Draw the table of the curated models, and what its figures are."""
    shown = table(cards)
    right = {
        name: st.column_config.TextColumn(
            name.replace("caption to ", "to ").replace("image to ", "to "),
            alignment="right",
            help=f"Recall@1, {name}",
        )
        for name in shown.columns
        if " to " in name
    }
    st.dataframe(
        shown,
        hide_index=True,
        column_config={
            **right,
            "Size (MB)": st.column_config.NumberColumn(format="localized"),
        },
    )
    st.caption(
        "Published recall@1 in per cent, on the 1,000 images of Flickr30k's test set and the 5,000"
        " of COCO's with five captions each: the share of captions that rank their own image first"
        " (to image), and of images that rank one of their own captions first (to caption)."
        f" {EMPTY}: no published result."
    )


def table(cards: tuple[ModelCard, ...]) -> pd.DataFrame:
    """Return the curated models as a table; recalls are R@1 in per cent, as text."""
    recalls = {
        f"{gallery}, {direction}": [
            _recall(getattr(card, gallery.lower()), index) for card in cards
        ]
        for gallery in ("Flickr30k", "COCO")
        for index, direction in enumerate(("caption to image", "image to caption"))
    }
    return pd.DataFrame(
        {
            "Model": [card.spec.name for card in cards],
            "On disk": ["Yes" if models.is_on_disk(card.spec) else "No" for card in cards],
            "Size (MB)": [card.size_mb for card in cards],
            "Width": [card.width for card in cards],
            "Languages": [card.languages for card in cards],
            **recalls,
            "Licence": [card.licence for card in cards],
        }
    )


def _recall(published: tuple[float, float] | None, direction: int) -> str:
    """Return a recall as text, because a missing number would be shown as "None"."""
    return f"{published[direction]:.1f}" if published else EMPTY


def choose() -> str:
    """Draw the choice of a model, and return it: one on disk, of the table, or what was typed."""
    known = [card.spec.id for card in CATALOGUE]
    chosen = st.selectbox(
        "Model",
        [*known, *(spec.id for spec in models.on_disk() if spec.id not in known)],
        key="models_id",
        bind="query-params",
        accept_new_options=True,
        width=480,
        help=(
            "Choose one of the table, or type a Hub id such as org/name, the path of a folder,"
            " or TEXT + IMAGE: a Sentence-Transformers text tower with a CLIP image tower."
        ),
    )
    return str(chosen)


def describe(spec: ModelSpec) -> None:
    """Draw a model's description, and the buttons to use, download or remove it."""
    card = next((card for card in CATALOGUE if card.spec == spec), None)
    with st.container(border=True):
        st.header(plain(spec.name), anchor=False)
        st.markdown(plain(card.good_for) if card else f"`{spec.id}`")
        if card:
            size = f"{card.size_mb:,} MB, vectors of {card.width} dimensions"
            st.caption(f"{size}. {plain(card.languages)}. Licence: {plain(card.licence)}.")
        is_on_disk = models.is_on_disk(spec)
        check = int8_check(models.locate(spec)) if is_on_disk else None
        if check:
            st.caption(check.sentence())
        with st.container(horizontal=True, vertical_alignment="center"):
            if is_on_disk:
                st.page_link(page(MATCH), label="Use in Match", query_params={"model": spec.id})
            _change(spec, is_on_disk)


def _change(spec: ModelSpec, is_on_disk: bool) -> None:
    """Draw the button that downloads or removes a model, or why this session may not."""
    if not is_on_disk:
        if not may(Permission.DOWNLOAD):
            st.caption(why_not(Permission.DOWNLOAD))
        elif st.button("Download…", icon=":material/download:", key="download_ask"):
            downloads.ask(spec)
    elif spec.id != "pocket":
        if not may(Permission.REMOVE):
            st.caption(why_not(Permission.REMOVE))
        elif st.button("Remove…", icon=":material/delete:"):
            _ask_to_remove(spec)


@st.dialog("Remove this model?")
def _ask_to_remove(spec: ModelSpec) -> None:
    st.markdown(f"**{plain(spec.name)}** will be deleted from this computer's disk.")
    if spec.id.startswith("trained:"):
        st.caption("It was trained here: it cannot be downloaded again.")
    if st.button("Remove from disk", type="primary", icon=":material/delete:", key="remove"):
        try:
            require(Permission.REMOVE)
            st.toast(f"{megabytes(models.remove(spec))} freed.")
        except CaptionLensError as error:
            st.error(plain(str(error)), icon=":material/error:")
        else:
            st.rerun()
