"""Images from a person: dropped, browsed, a whole folder, pasted, or from the camera."""

from collections.abc import Iterable

import streamlit as st
from streamlit.runtime.uploaded_file_manager import UploadedFile

from components.images import SUFFIXES, Source, source_of
from components.settings import Settings
from components.ui.text import plain
from components.words import count, shorten

_TYPES = list(SUFFIXES)


def uploads(page: str) -> dict[str, Source]:
    """Draw the ways to add images; return this session's images by upload id, oldest first.

    ``page`` begins the widgets' keys.
    """
    files, folder, paste, camera = st.tabs(
        ["Files", "Folder", "Paste", "Camera"], key=f"{page}_upload", on_change="rerun"
    )
    with files:
        dropped = st.file_uploader(
            "Drop images here", type=_TYPES, accept_multiple_files=True, key=f"{page}_files"
        )
    with folder:
        tree = st.file_uploader(
            "A whole folder", type=_TYPES, accept_multiple_files="directory", key=f"{page}_folder"
        )
    with paste:
        pasted = st.chat_input(
            "Click here and paste an image",
            accept_file="multiple",
            file_type=_TYPES,
            key=f"{page}_paste",
        )
    with camera:
        # Drawn only when asked for: the browser asks for permission as soon as it is there.
        shot = st.camera_input("Take an image", key=f"{page}_camera") if camera.open else None
    _remember([*(pasted.files if pasted else ()), *([shot] if shot else ())])
    return _within_limit([*(dropped or ()), *(tree or ()), *_remembered().values()])


def _remembered() -> dict[str, UploadedFile]:
    """Pasted and camera images: their widgets forget them with the next rerun."""
    kept: dict[str, UploadedFile] = st.session_state.setdefault("kept_uploads", {})
    return kept


def _remember(new: Iterable[UploadedFile]) -> None:
    kept = _remembered()
    removed: set[str] = st.session_state.setdefault("removed_uploads", set())
    kept.update({file.file_id: file for file in new if file.file_id not in removed})
    if kept and st.button(
        f"Remove {count(len(kept), 'pasted or camera image')}", icon=":material/delete:"
    ):
        removed.update(kept)  # the camera goes on showing its last image
        kept.clear()
        st.rerun()


def _within_limit(files: list[UploadedFile]) -> dict[str, Source]:
    limit = Settings().max_files
    if len(files) > limit:
        left_out = ", ".join(plain(shorten(file.name, 40)) for file in files[limit : limit + 5])
        more = len(files) - limit - 5
        st.warning(
            f"{count(len(files) - limit, 'image')} above the limit of {limit} left out:"
            f" {left_out}{f' and {more} more' if more > 0 else ''}.",
            icon=":material/filter_none:",
        )
    return {file.file_id: source_of(file.getvalue(), file.name) for file in files[:limit]}
