"""The caption box that pages share, and what was merged, cut or skipped of captions and files."""

from collections.abc import Sequence

import streamlit as st

from components.encoder import CaptionList, Encoded, Encoder, Skipped, parse_captions
from components.settings import Settings
from components.ui.text import plain
from components.words import and_more, count, shorten

_NAMED = 5  # of a list that may be long


def ask_captions(key: str, default: str) -> CaptionList:
    """Draw the caption box, whose text is in the link under ``key``; return its captions."""
    text = st.text_area(
        "Captions, one per line",
        default,
        height=118,
        key=key,
        bind="query-params",
        placeholder="a dog on a beach\na red bicycle",
        help="Blank lines and lines that begin with # are ignored; duplicates are merged.",
    )
    return parse_captions(text or "")


def explain_captions(encoder: Encoder, typed: CaptionList) -> None:
    """Draw how many captions there are, how long, and which were merged, left out or cut."""
    readings = encoder.read(typed.captions)
    parts = [count(len(typed.captions), "caption")]
    if readings:
        longest = max(reading.tokens for reading in readings)
        parts.append(f"longest {longest} of {encoder.recipe.text.limit} tokens")
    if typed.merged:
        parts.append(f"{count(typed.merged, 'duplicate')} merged")
    st.caption(" · ".join(parts))
    if typed.dropped:
        limit = Settings().max_captions
        st.warning(f"{count(typed.dropped, 'caption')} above the limit of {limit} left out.")
    cut = [
        f"Caption {number} has {reading.tokens} tokens; the model reads the first"
        f" {reading.limit}, up to “…{plain(reading.kept[-60:])}”."
        for number, reading in enumerate(readings, start=1)
        if reading.cut
    ]
    if cut:
        more = [f"{count(len(cut) - _NAMED, 'more caption')} cut."] if len(cut) > _NAMED else []
        st.warning("\n\n".join([*cut[:_NAMED], *more]), icon=":material/content_cut:")


def explain_skipped(items: Sequence[Encoded | Skipped]) -> None:
    """Draw the files that could not be read as images, each with its reason."""
    reasons = [item.reason for item in items if isinstance(item, Skipped)]
    warn_skipped(reasons, "file", "ranked", len(reasons))


def warn_skipped(reasons: Sequence[str], noun: str, verb: str, shown: int = _NAMED) -> None:
    """Draw how many were skipped, the first reasons, and that the others are e.g. "ranked"."""
    if reasons:
        named = [f"- {plain(reason)}" for reason in reasons[:shown]]
        more = [f"- and {len(reasons) - shown:,} more"] if len(reasons) > shown else []
        st.warning(
            "\n".join(
                [f"{count(len(reasons), noun)} skipped; the others are {verb}.", *named, *more]
            ),
            icon=":material/broken_image:",
        )


def explain_missing(missing: Sequence[str], where: str) -> None:
    """Draw which images of a table are not among the ``where``, such as "uploads"."""
    if missing:
        named = and_more([plain(shorten(name, 40)) for name in missing], _NAMED)
        st.warning(
            f"{count(len(missing), 'image')} of the table not among the {where}: {named}.",
            icon=":material/image_not_supported:",
        )


def explain_notes(images: Sequence[Encoded]) -> None:
    """Draw the images' notes, such as "first frame of an animation"."""
    notes = [f"{item.photo.name}: {item.photo.note}" for item in images if item.photo.note]
    if notes:
        st.caption(" ".join(plain(shorten(note, 120)) for note in notes))


def say_no_captions() -> None:
    """Draw what to do on a page without captions."""
    st.info("Type a caption to rank the images.", icon=":material/edit:")


def stop_without_images(images: Sequence[Encoded]) -> None:
    """Stop the page with a sentence if there are no images."""
    if not images:
        st.info(
            "None of the files could be read as images. Add other files.", icon=":material/image:"
        )
        st.stop()
