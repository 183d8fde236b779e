"""Decodes bytes or files to upright RGB images, or raises ImageError; thumbnails, samples."""

from components.images.colours import colour_names
from components.images.decoding import DECODE_SIDE, decode
from components.images.examples import EXAMPLE_CAPTION, EXAMPLE_SETS, ExampleSet
from components.images.folder import find_images, walk_images
from components.images.samples import (
    Credit,
    sample_captions,
    sample_credit,
    sample_sources,
)
from components.images.source import (
    SUFFIXES,
    ImageError,
    Photo,
    Source,
    read_source,
    source_of,
)
from components.images.thumbnails import data_url, enlarge, thumbnail

__all__ = [
    "DECODE_SIDE",
    "EXAMPLE_CAPTION",
    "EXAMPLE_SETS",
    "SUFFIXES",
    "Credit",
    "ExampleSet",
    "ImageError",
    "Photo",
    "Source",
    "colour_names",
    "data_url",
    "decode",
    "enlarge",
    "find_images",
    "read_source",
    "sample_captions",
    "sample_credit",
    "sample_sources",
    "source_of",
    "thumbnail",
    "walk_images",
]
