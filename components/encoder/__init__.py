"""Images and captions -> unit vectors, for any checkpoint on any runtime."""

from components.encoder.captions import CaptionList, parse_captions
from components.encoder.chance import bank_nouns, bank_vectors
from components.encoder.encoder import Encoder, batched
from components.encoder.loading import best_device, load
from components.encoder.pipeline import (
    Encoded,
    Skipped,
    decode_for,
    encode,
    lookahead,
    score_encoded,
)
from components.encoder.recipe import Pixels, Recipe
from components.encoder.tokenizer import CaptionTokenizer

__all__ = [
    "CaptionList",
    "CaptionTokenizer",
    "Encoded",
    "Encoder",
    "Pixels",
    "Recipe",
    "Skipped",
    "bank_nouns",
    "bank_vectors",
    "batched",
    "best_device",
    "decode_for",
    "encode",
    "load",
    "lookahead",
    "parse_captions",
    "score_encoded",
]
