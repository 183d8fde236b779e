"""Decodes bytes or files to upright RGB images, or raises ImageError; thumbnails, samples."""

from components.images.colours import colour_names
from components.images.decoding import DECODE_SIDE, decode
from components.images.folder import find_images
from components.images.samples import EXAMPLE_CAPTION, sample_captions, sample_sources
from components.images.source import SUFFIXES, ImageError, Photo, Source, source_of
from components.images.thumbnails import enlarge, thumbnail

__all__ = [
    "DECODE_SIDE",
    "EXAMPLE_CAPTION",
    "SUFFIXES",
    "ImageError",
    "Photo",
    "Source",
    "colour_names",
    "decode",
    "enlarge",
    "find_images",
    "sample_captions",
    "sample_sources",
    "source_of",
    "thumbnail",
]
