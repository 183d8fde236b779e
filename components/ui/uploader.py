"""Image uploads: files, a whole folder, pasted, or from the camera."""

from collections.abc import Iterable

import streamlit as st
from streamlit.runtime.uploaded_file_manager import UploadedFile

from components.images import SUFFIXES, Source, source_of
from components.settings import Settings
from components.ui.reconnecting import are_lost
from components.ui.text import plain
from components.words import and_more, count, shorten

_TYPES = list(SUFFIXES)
_LOST = "Your uploads were lost with the connection to the server. Upload them again."


def uploads(page: str) -> dict[str, Source]:
    """Draw the ways to upload images; return this session's images by upload id, oldest first.

    ``page`` is the prefix of the widgets' keys.
    """
    files, folder, paste, camera = st.tabs(
        ["Files", "Folder", "Paste", "Camera"], key=f"{page}_upload", on_change="rerun"
    )
    again = st.session_state.get(f"{page}_lost", "")
    fields = f"{page}_files{again}", f"{page}_folder{again}"
    with files:
        dropped = st.file_uploader(
            "Upload images", type=_TYPES, accept_multiple_files=True, key=fields[0]
        )
    with folder:
        tree = st.file_uploader(
            "Upload a folder", type=_TYPES, accept_multiple_files="directory", key=fields[1]
        )
    lost = [are_lost(field) for field in fields]
    if any(lost):
        st.session_state[f"{page}_lost"] = "_again"  # other fields, which list no files
        st.rerun()
    if again and not dropped and not tree:
        st.warning(_LOST, icon=":material/cloud_off:")
    with paste:
        pasted = st.chat_input(
            "Click here, then paste an image",
            accept_file="multiple",
            file_type=_TYPES,
            key=f"{page}_paste",
        )
    with camera:
        # Drawn only when the tab is open: the browser asks for permission as soon as it is drawn.
        shot = st.camera_input("Take a photo", key=f"{page}_camera") if camera.open else None
    _remember([*(pasted.files if pasted else ()), *([shot] if shot else ())])
    return _within_limit([*(dropped or ()), *(tree or ()), *_remembered().values()])


def _remembered() -> dict[str, UploadedFile]:
    """Return the pasted and camera images: their widgets lose them at the next rerun."""
    uploaded: dict[str, UploadedFile] = st.session_state.setdefault("kept_uploads", {})
    return uploaded


def _remember(new: Iterable[UploadedFile]) -> None:
    kept = _remembered()
    removed: set[str] = st.session_state.setdefault("removed_uploads", set())
    kept.update({file.file_id: file for file in new if file.file_id not in removed})
    if kept and st.button(
        f"Remove {count(len(kept), 'pasted or camera image')}", icon=":material/delete:"
    ):
        removed.update(kept)  # the camera keeps showing its last photo
        kept.clear()
        st.rerun()


def _within_limit(files: list[UploadedFile]) -> dict[str, Source]:
    limit = Settings().max_files
    if len(files) > limit:
        left_out = [plain(shorten(file.name, 40)) for file in files[limit:]]
        st.warning(
            f"{count(len(left_out), 'image')} above the limit of {limit} left out:"
            f" {and_more(left_out)}.",
            icon=":material/filter_none:",
        )
    return {file.file_id: source_of(file.getvalue(), file.name) for file in files[:limit]}
