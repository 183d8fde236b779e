"""Ranked images on a page: tiles, their score bars, and the large view."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import streamlit as st

from components.encoder import Encoded
from components.images import enlarge, sample_captions
from components.scores import Match, Scores
from components.ui.reading import standing
from components.ui.text import plain
from components.words import shorten

ScoreKind = Literal["cosine", "percentile", "probability"]


@dataclass(frozen=True)
class Gallery:
    """What the tiles show: images, all their scores, which score, and the tiles' size."""

    images: Sequence[Encoded]
    scores: Scores
    kind: ScoreKind
    tile: int  # minimum width in pixels

    def value(self, match: Match) -> float:
        """Return a match's score of the kind that is shown."""
        return {
            "cosine": match.cosine or 0.0,  # None only for models whose page does not offer it
            "percentile": match.percentile,
            "probability": match.probability,
        }[self.kind]


def label(kind: ScoreKind, value: float) -> str:
    """Return a score as people read it."""
    return f"{value:.3f}" if kind == "cosine" else f"{value:.1%}"


def bar(gallery: Gallery, match: Match, text: str) -> None:
    """Draw a score bar with its band and standing; it is empty at 0 (or below) and full at 1."""
    value = gallery.value(match)
    shown = f"{text}**{label(gallery.kind, value)}** {match.band}"
    st.progress(min(max(value, 0.0), 1.0), shown)
    st.caption(standing(match.percentile, match.zscore))


def image_tiles(gallery: Gallery, row: int, shown: Sequence[tuple[int, Match]]) -> None:
    """Draw one caption's images, each (image index, match), in the order given."""
    with st.grid("auto", min_column_width=gallery.tile, gap="small", vertical_alignment="bottom"):
        for index, match in shown:
            with st.container(gap="xsmall", key=f"tile-{row}-{index}"):
                _image(gallery, index)
                _open_button(gallery, index, f"tile{row}")
                bar(gallery, match, f"#{match.rank} · ")


def caption_tiles(gallery: Gallery, shown: Sequence[tuple[int, Sequence[Match]]]) -> None:
    """Draw images, each (image index, its captions best first)."""
    width = max(gallery.tile, 240)  # a bar's text is a caption
    with st.grid("auto", min_column_width=width, gap="medium", vertical_alignment="bottom"):
        for index, matches in shown:
            with st.container(gap="xsmall", key=f"image-{index}"):
                _image(gallery, index)
                _open_button(gallery, index, "image")
                for match in matches:
                    bar(gallery, match, f"#{match.rank} {plain(shorten(match.caption))} · ")


def _image(gallery: Gallery, index: int) -> None:
    item = gallery.images[index]
    st.image(item.thumbnail, width="stretch", alt=_alt(gallery, index))


def _alt(gallery: Gallery, index: int) -> str:
    """Return an image's alternative text: a sample's caption, else the best of the captions."""
    name = gallery.scores.images[index]
    if isinstance(gallery.images[index].photo.source.data, Path):  # a sample: uploads are bytes
        return f"{name}: {sample_captions().get(name, 'a sample image')}"
    if len(gallery.scores.captions) < 2:
        return name
    best = gallery.scores.captions[gallery.scores.captions_of(index)[0]]
    return f"{name}; best caption: “{shorten(best, 80)}”"


def _open_button(gallery: Gallery, index: int, where: str) -> None:
    name = gallery.scores.images[index]
    if st.button(
        plain(shorten(name, 28)),
        key=f"open-{where}-{index}",
        type="tertiary",
        icon=":material/zoom_in:",
        help=f"Enlarge {plain(name)} and list its score for every caption",
    ):
        large_view(gallery, index)


@st.dialog("Image", width="large")
def large_view(gallery: Gallery, index: int) -> None:
    """Draw one image large, with its scores for every caption."""
    item = gallery.images[index]
    photo = item.photo
    st.subheader(plain(gallery.scores.images[index]))
    left, right = st.columns(2)
    left.image(enlarge(photo.source), width="stretch", alt=_alt(gallery, index))
    left.caption(f"{photo.width:,} x {photo.height:,} pixels. {photo.note}")
    with right:
        _score_table(gallery.scores, index)


def _score_table(scores: Scores, index: int) -> None:
    import pandas as pd

    matches = [
        scores.match(row, index, rank) for rank, row in enumerate(scores.captions_of(index), 1)
    ]
    cosines = {} if scores.pairs_only else {"Cosine": [match.cosine for match in matches]}
    table = pd.DataFrame(
        {
            "Rank": [match.rank for match in matches],
            "Caption": [match.caption for match in matches],
            **cosines,
            "Band": [match.band for match in matches],
            "Percentile": [match.percentile for match in matches],
            "z": [match.zscore for match in matches],
            "Probability": [match.probability for match in matches],
        }
    )
    progress = st.column_config.ProgressColumn
    st.dataframe(
        table,
        hide_index=True,
        column_config={
            "Cosine": progress(format="%.3f", min_value=0.0, max_value=1.0),
            "Percentile": progress(format="percent", min_value=0.0, max_value=1.0),
            "z": st.column_config.NumberColumn(format="%.1f"),
            "Probability": progress(format="percent", min_value=0.0, max_value=1.0),
        },
    )
