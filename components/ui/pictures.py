"""Images as the photo grid shows them small: of the page's own images, and of the samples."""

import io
from functools import lru_cache

import streamlit as st
from PIL import Image, ImageOps

from components.encoder import Encoded
from components.images import enlarge, sample_captions, sample_sources, thumbnail
from components.ui.grid import Picture, Tile

_SIDE = 240  # pixels: the longer side, enough for rows of 80 pixels on dense screens


@lru_cache(maxsize=512)
def smaller(jpeg: bytes, side: int = _SIDE) -> bytes:
    """Return a JPEG again, its longer side at most ``side`` pixels."""
    image = Image.open(io.BytesIO(jpeg))
    image.draft("RGB", (side, side))
    return thumbnail(image.convert("RGB"), side)


@lru_cache(maxsize=512)
def small_square(jpeg: bytes, side: int) -> bytes:
    """Return the centre of a JPEG as a square of at most ``side`` pixels."""
    image = Image.open(io.BytesIO(jpeg))
    image.draft("RGB", (side, side))
    return thumbnail(ImageOps.fit(image.convert("RGB"), (min(image.size),) * 2), side)


def small_picture(item: Encoded, name: str) -> Picture:
    """Return an encoded image as a small picture; a sample's caption is its alternative text."""
    alt = sample_captions().get(name, "")
    return Picture(smaller(item.thumbnail), item.photo.width, item.photo.height, name, alt)


@st.cache_resource(max_entries=1, show_spinner=False)
def sample_tiles() -> list[Tile]:
    """Return a tile for each sample image, in the order of captions.csv; no model is needed."""
    captions = sample_captions()
    return [
        Tile(source.name, _read(enlarge(source, 320), source.name, captions[source.name]))
        for source in sample_sources()
    ]


def _read(jpeg: bytes, name: str, alt: str) -> Picture:
    with Image.open(io.BytesIO(jpeg)) as image:
        return Picture(jpeg, *image.size, name, alt)
