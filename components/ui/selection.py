"""What can be done with the images that are selected in a grid."""

from collections.abc import Callable, Iterable, Mapping
from functools import partial

import streamlit as st
from streamlit.delta_generator import DeltaGenerator

from components.errors import CaptionLensError
from components.images import Source, read_source
from components.output.export import to_zip
from components.ui import tray
from components.ui.grid import clear_selection
from components.words import count


def actions(
    grid_key: str,
    chosen: Mapping[str, Source],
    add: Callable[[str], None],
    clear: Callable[[], None] | None = None,
    size: int = 0,
) -> DeltaGenerator | None:
    """Draw the actions on the ``chosen`` images of a grid, by id; nothing if there are none.

    ``add`` adds the image of an id to the tray; it may raise a CaptionLensError. ``clear`` selects
    nothing where the images were not selected in a grid, ``size`` is the number of all selected
    ones where not all are ``chosen``. Returns where further actions can be drawn.
    """
    if not chosen:
        return None
    clear = clear or partial(clear_selection, grid_key)
    row = st.container(
        key=f"{grid_key}_actions", horizontal=True, vertical_alignment="center", border=True
    )
    with row:
        st.markdown(f"**{count(size or len(chosen), 'image')} selected**", width="content")
        st.button(
            "Add to tray",
            icon=":material/playlist_add:",
            help="Adds them to the tray, whose images Match, Matrix and Train use",
            on_click=_add,
            args=(chosen, add, clear),
        )
        st.download_button(
            "Download",
            lambda: to_zip({source.name: read_source(source) for source in chosen.values()}),
            file_name="captionlens-images.zip",
            mime="application/zip",
            icon=":material/download:",
            on_click="ignore",
        )
        st.button(
            "Clear selection",
            icon=":material/deselect:",
            on_click=clear,
        )
    return row


def _add(ids: Iterable[str], add: Callable[[str], None], clear: Callable[[], None]) -> None:
    failed = []
    for id_ in ids:
        try:
            add(id_)
        except CaptionLensError as error:
            failed.append(str(error))
    clear()
    st.toast(f"{count(len(tray.tray()), 'image')} in the tray.", icon=":material/check:")
    for sentence in failed:
        st.toast(sentence, icon=":material/broken_image:")
