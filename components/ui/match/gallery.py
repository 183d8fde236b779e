"""The ranked images on the Match page: their tiles, and the large view."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import streamlit as st

from components.encoder import Encoded
from components.images import enlarge
from components.scores import FAIR, Match, Scores
from components.ui.credits import sample_credit_line
from components.ui.grid import Line, Picture, Tile, stage
from components.ui.pictures import picture, sample_alt
from components.ui.reading import standing
from components.ui.text import plain
from components.words import shorten

ScoreKind = Literal["cosine", "percentile", "probability"]
PHOTO = "match_photo"  # in the link: the name of the open image
_LINES = 3  # captions below an image


@dataclass(frozen=True)
class Gallery:
    """What the tiles show: images, all their scores, and which score."""

    images: Sequence[Encoded]
    scores: Scores
    kind: ScoreKind

    def value(self, match: Match) -> float:
        """Return a match's score of the kind that is shown."""
        return {
            "cosine": match.cosine or 0.0,  # None only for models whose page does not offer it
            "percentile": match.percentile,
            "probability": match.probability,
        }[self.kind]

    def score(self, match: Match) -> str:
        """Return the score that is shown, as people read it."""
        return label(self.kind, self.value(match))


def label(kind: ScoreKind, value: float) -> str:
    """Return a score as people read it."""
    return f"{value:.3f}" if kind == "cosine" else f"{value:.1%}"


def image_tile(gallery: Gallery, match: Match) -> Tile:
    """Return an image's tile in the list of one caption."""
    return Tile(
        match.image,
        _shown(gallery, match.image),
        rank=match.rank,
        of=len(gallery.images),
        score=gallery.score(match),
        band=match.band,
        detail=standing(match.percentile, match.zscore),
        best=match.rank == 1 and match.percentile >= FAIR,
    )


def caption_tile(gallery: Gallery, matches: Sequence[Match]) -> Tile:
    """Return an image's tile with its best captions below."""
    lines = [Line(match.caption, gallery.score(match), match.band) for match in matches[:_LINES]]
    name = matches[0].image
    return Tile(name, _shown(gallery, name), lines=tuple(lines))


def _shown(gallery: Gallery, name: str) -> Picture:
    index = gallery.scores.images.index(name)
    return picture(gallery.images[index], name, alt(gallery, index))


def alt(gallery: Gallery, index: int) -> str:
    """Return an image's alternative text: a sample's caption, else the best of the captions."""
    name = gallery.scores.images[index]
    if sample := sample_alt(gallery.images[index]):
        return sample
    if len(gallery.scores.captions) < 2:
        return name
    best = gallery.scores.captions[gallery.scores.captions_of(index)[0]]
    return f"best caption: “{shorten(best, 80)}”"


def open_image(name: str, row: str) -> None:
    """Open an image of a caption's list; its name goes into the link."""
    st.query_params[PHOTO] = name
    st.session_state["match_photo_row"] = row


def _close() -> None:
    st.query_params.pop(PHOTO, None)


@st.dialog("Image", width="large", on_dismiss=_close)
def large_view(gallery: Gallery, orders: Mapping[str, Sequence[str]]) -> None:
    """Draw the open image large, with its scores for every caption.

    ``orders``: the names in each list on the page, by the list's key.
    """
    name = st.query_params.get(PHOTO, "")
    if name not in gallery.scores.images:
        st.info("This image is no longer on the page.", icon=":material/image_not_supported:")
        return
    index = gallery.scores.images.index(name)
    row = st.session_state.get("match_photo_row", "")
    order = list(orders.get(row) or next(iter(orders.values()), ()))
    if name not in order:
        order = list(gallery.scores.images)
    _large(gallery, index, order)


def _large(gallery: Gallery, index: int, order: Sequence[str]) -> None:
    item, name = gallery.images[index], gallery.scores.images[index]
    at = order.index(name)
    left, right = st.columns([3, 2], gap="medium")
    with left:
        stage(
            enlarge(item.photo.source),
            alt(gallery, index),
            (at + 1, len(order)),
            key="match_stage",
            on_move=lambda way: open_image(
                order[at + way], st.session_state.get("match_photo_row", "")
            ),
        )
    with right:
        st.markdown(f"**{plain(shorten(name, 80))}**")
        photo = item.photo
        st.caption(f"{photo.width:,} x {photo.height:,} pixels. {plain(photo.note)}")
        if isinstance(photo.source.data, Path) and (credit := sample_credit_line(name)):
            st.caption(credit)
        _score_table(gallery.scores, index)


def _score_table(scores: Scores, index: int) -> None:
    import pandas as pd

    matches = [
        scores.match(row, index, rank) for rank, row in enumerate(scores.captions_of(index), 1)
    ]
    cosines = {} if scores.pairs_only else {"Cosine": [match.cosine for match in matches]}
    table = pd.DataFrame(
        {
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
            "Caption": st.column_config.TextColumn(width="medium"),
            "Cosine": progress(format="%.3f", min_value=0.0, max_value=1.0),
            "Percentile": progress(format="percent", min_value=0.0, max_value=1.0),
            "z": st.column_config.NumberColumn(format="%.1f"),
            "Probability": progress(format="percent", min_value=0.0, max_value=1.0),
        },
    )
