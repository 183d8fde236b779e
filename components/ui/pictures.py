"""Images as the photo grid shows them small: of the page's own images, and of the samples."""

import io
from collections.abc import Sequence
from dataclasses import replace
from functools import lru_cache
from pathlib import Path

import streamlit as st
from PIL import Image, ImageOps

from components.encoder import Encoded
from components.images import enlarge, sample_captions, sample_sources, source_of, thumbnail
from components.scores import distinct
from components.ui.grid import Group, Picture, Tile, grid

_SIDE = 240  # pixels: the longer side, enough for rows of 80 pixels on dense screens


@lru_cache(maxsize=512)
def smaller(jpeg: bytes) -> bytes:
    """Return a JPEG again, its longer side at most 240 pixels."""
    return enlarge(source_of(jpeg), _SIDE)


@lru_cache(maxsize=512)
def small_square(jpeg: bytes, side: int) -> bytes:
    """Return the centre of a JPEG as a square of at most ``side`` pixels."""
    image = Image.open(io.BytesIO(jpeg))
    image.draft("RGB", (side, side))
    return thumbnail(ImageOps.fit(image.convert("RGB"), (min(image.size),) * 2), side)


def picture(item: Encoded, name: str, alt: str) -> Picture:
    """Return an encoded image as the grid takes it."""
    return Picture(item.thumbnail, item.photo.width, item.photo.height, name, alt)


def small_picture(item: Encoded, name: str) -> Picture:
    """Return an encoded image as a small picture; a sample's caption is its alternative text."""
    return replace(picture(item, name, sample_alt(item)), thumbnail=smaller(item.thumbnail))


def sample_alt(item: Encoded) -> str:
    """Return a sample's caption; empty for an upload, which is bytes and not a file."""
    if not isinstance(item.photo.source.data, Path):
        return ""
    return sample_captions().get(item.photo.name, "a sample image")


def show_unranked(key: str, images: Sequence[Encoded]) -> None:
    """Draw the images of a page without captions, in a grid of ``key``."""
    names = distinct([item.photo.name for item in images])
    tiles = [
        Tile(name, picture(item, name, sample_alt(item) or name))
        for name, item in zip(names, images, strict=True)
    ]
    grid(key, [Group("unranked", tiles)], lambda *_: None)


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
