"""What pages ask for: captions, and the word on what became of them and of the files."""

from collections.abc import Sequence

import streamlit as st

from components.encoder import CaptionList, Encoded, Encoder, Skipped, parse_captions
from components.settings import Settings
from components.ui.text import plain
from components.words import count, shorten

_NAMED = 5  # of many that are alike


def ask_captions(key: str, default: str) -> CaptionList:
    """Draw the caption box, which the link carries under ``key``; return its captions."""
    text = st.text_area(
        "Captions, one a line",
        default,
        height=170,
        key=key,
        bind="query-params",
        placeholder="a dog on a beach\na red bicycle",
        help="Blank lines and lines that begin with # are left out; equal lines count once.",
    )
    return parse_captions(text or "")


def explain_captions(encoder: Encoder, asked: CaptionList) -> None:
    """Draw what became of the captions: merged, dropped, cut, and how long they are."""
    readings = encoder.read(asked.captions)
    parts = [count(len(asked.captions), "caption")]
    if readings:
        longest = max(reading.tokens for reading in readings)
        parts.append(f"longest {longest} of {encoder.recipe.text.limit} tokens")
    if asked.merged:
        parts.append(f"{count(asked.merged, 'duplicate')} merged")
    st.caption(" · ".join(parts))
    if asked.dropped:
        limit = Settings().max_captions
        st.warning(f"{count(asked.dropped, 'caption')} above the limit of {limit} left out.")
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
    """Draw each file that gave no image, with its reason."""
    reasons = [item.reason for item in items if isinstance(item, Skipped)]
    warn_skipped(reasons, "file", "ranked", len(reasons))


def warn_skipped(reasons: Sequence[str], what: str, others: str, most: int = _NAMED) -> None:
    """Draw how many of ``what`` were skipped, ``most`` of the reasons, and that the others are."""
    if reasons:
        named = [f"- {plain(reason)}" for reason in reasons[:most]]
        more = [f"- and {len(reasons) - most:,} more"] if len(reasons) > most else []
        st.warning(
            "\n".join(
                [f"{count(len(reasons), what)} skipped; the others are {others}.", *named, *more]
            ),
            icon=":material/broken_image:",
        )


def explain_missing(missing: Sequence[str], where: str) -> None:
    """Draw which images of a table are not ``where`` they should be."""
    if missing:
        named = ", ".join(plain(shorten(name, 40)) for name in missing[:_NAMED])
        more = f" and {len(missing) - _NAMED:,} more" if len(missing) > _NAMED else ""
        st.warning(
            f"{count(len(missing), 'image')} of the table not among the {where}: {named}{more}.",
            icon=":material/image_not_supported:",
        )


def explain_notes(images: Sequence[Encoded]) -> None:
    """Draw what a person should know of an image: an animation's first frame, and the like."""
    notes = [f"{item.photo.name}: {item.photo.note}" for item in images if item.photo.note]
    if notes:
        st.caption(" ".join(plain(shorten(note, 120)) for note in notes))


def stop_where_nothing_is(captions: Sequence[str], images: Sequence[Encoded]) -> None:
    """Stop the page with a sentence where there are no captions or no images."""
    if not captions:
        st.info("Type a caption to rank the images.", icon=":material/edit:")
        st.stop()
    if not images:
        st.info("None of the files gave an image. Add others above.", icon=":material/image:")
        st.stop()
