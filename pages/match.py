"""Match: captions against pictures, ranked, with scores that a person can read."""

import streamlit as st

from components.captions import CaptionList, parse
from components.encoder import Encoder
from components.pipeline import Encoded, Skipped, score_encoded
from components.samples import CAPTION
from components.settings import Settings
from components.ui import results, tray
from components.ui.gallery import Gallery
from components.ui.model_picker import pick_encoder
from components.ui.setup import setup
from components.ui.text import count, plain, shorten
from components.ui.uploader import uploads
from components.ui.vectors import encode_captions, encode_pictures


def ask_captions() -> CaptionList:
    """Draw the caption box; return its captions."""
    text = st.text_area(
        "Captions, one a line",
        CAPTION,
        height=170,
        key="match_captions",
        bind="query-params",
        placeholder="a dog on a beach\na red bicycle",
        help="Blank lines and lines that begin with # are left out; equal lines count once.",
    )
    return parse(text or "")


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
    for number, reading in enumerate(readings, start=1):
        if reading.cut:
            st.warning(
                f"Caption {number} has {reading.tokens} tokens; the model reads the first"
                f" {reading.limit}, up to “…{plain(reading.kept[-60:])}”.",
                icon=":material/content_cut:",
            )


def explain_skipped(skipped: list[Skipped]) -> None:
    """Draw each file that gave no picture, with its reason."""
    if skipped:
        reasons = "\n".join(f"- {plain(item.reason)}" for item in skipped)
        st.warning(
            f"{count(len(skipped), 'file')} skipped; the others are ranked.\n{reasons}",
            icon=":material/broken_image:",
        )


setup()
st.title("Match")
st.markdown("Upload pictures, type captions, and see every picture ranked.")
encoder = pick_encoder()

left, right = st.columns(2, gap="large")
with left:
    asked = ask_captions()
    explain_captions(encoder, asked)
with right:
    uploaded = uploads() | tray.tray()
    tray.show()
    items = encode_pictures(encoder, uploaded)
    explain_skipped([item for item in items if isinstance(item, Skipped)])
    if not uploaded:
        st.caption("An example with sample pictures. Add your own and they take their place.")

pictures = [item for item in items if isinstance(item, Encoded)]
notes = [f"{item.photo.name}: {item.photo.note}" for item in pictures if item.photo.note]
if notes:
    st.caption(" ".join(plain(shorten(note, 120)) for note in notes))
view = results.choose_view()
if not asked.captions:
    st.info("Type a caption to rank the pictures.", icon=":material/edit:")
    st.stop()
if not pictures:
    st.info("None of the files gave a picture. Add others above.", icon=":material/image:")
    st.stop()

texts = encode_captions(encoder, asked.captions)
scores = score_encoded(encoder, asked.captions, texts, pictures)
st.caption(results.explain(view.kind, encoder.recipe.score, len(asked.captions)))
gallery = Gallery(pictures, scores, view.kind, view.tile)
drawn = results.show(gallery, view)
st.divider()
results.downloads(encoder, gallery, view, drawn)
