"""A query -> one vector: weighted and negative terms, an image, or both."""

import re
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from components.encoder import Encoder, parse_captions
from components.errors import CaptionLensError
from components.scores import Floats, unit

# Averaging a text's vector over phrasings: "prompt ensembling", Radford et al. 2021, section 3.1.4.
TEMPLATES = ("{}", "a photo of {}", "a close-up of {}", "a picture showing {}", "a scene with {}")
_MAX_TERMS = 16
_SEPARATOR = re.compile(r'"([^"]*)"|[,，、]')  # noqa: RUF001 - the commas of Chinese and Japanese
_WEIGHT = re.compile(r"\s*(?P<minus>[-\u2212])?\s*(?:(?P<number>\d{1,3}(?:\.\d{1,3})?)\s*[*×])?")  # noqa: RUF001


class QueryError(CaptionLensError):
    """A query that is empty or cancels out."""


@dataclass(frozen=True)
class Term:
    """A part of a query; a negative weight moves the query away from it."""

    text: str
    weight: float = 1.0

    @property
    def label(self) -> str:
        """The term as it is shown: "2 x dog"."""
        return self.text if self.weight == 1 else f"{self.weight:g} x {self.text}"


@dataclass(frozen=True)
class Query:
    """A unit vector (width,) and the weighted terms (terms, width) that sum up to it.

    ``is_text``: words only, with positive weights. Only such a query's cosines are comparable to
    those of captions, and thus to chance scores.
    """

    labels: tuple[str, ...]
    parts: Floats
    vector: Floats
    is_text: bool

    def contributions(self, vectors: Floats) -> Floats:
        """Return (n, terms) for unit ``vectors`` (n, width): a row's values sum to its cosine."""
        shares: Floats = vectors @ self.parts.T
        return shares


def parse(text: str) -> tuple[Term, ...]:
    """Return the terms of a text such as ``2*golden retriever, snow, -person``.

    Commas separate terms, except between double quotes; ``2*`` is a weight, ``-`` a negative one.
    Terms of weight 0, and those after the sixteenth, are left out.
    """
    terms = [_term(piece) for piece in _pieces(text)]
    return tuple(term for term in terms if term.text and term.weight)[:_MAX_TERMS]


def _pieces(text: str) -> list[str]:
    pieces, start = [""], 0
    for separator in _SEPARATOR.finditer(text):
        pieces[-1] += text[start : separator.start()]
        start = separator.end()
        if separator[1] is None:
            pieces.append("")
        else:
            pieces[-1] += separator[1]
    pieces[-1] += text[start:]
    return pieces


def _term(piece: str) -> Term:
    match = _WEIGHT.match(piece)
    assert match is not None  # noqa: S101 - every part of the pattern may be empty
    weight = float(match["number"] or 1) * (-1 if match["minus"] else 1)
    words = piece[match.end() :].replace("\n", " ").lstrip("# ")
    lines = parse_captions(words, limit=1).captions
    return Term(lines[0] if lines else "", weight)


def compose(
    encoder: Encoder,
    terms: Sequence[Term],
    image: Floats | None = None,
    image_weight: float = 1.0,
    templates: bool = False,
) -> Query:
    """Return the query of terms, of the unit vector (width,) of an image, or of both.

    The vector is the weighted sum, normalised. ``templates`` averages each term over TEMPLATES.
    Raises QueryError where the query is empty, or its terms cancel each other out.
    """
    labels = [term.label for term in terms]
    weighted = [
        term.weight * row
        for term, row in zip(terms, _texts(encoder, terms, templates), strict=True)
    ]
    if image is not None and image_weight:
        labels.append("the image" if image_weight == 1 else f"{image_weight:g} x the image")
        weighted.append(image_weight * image)
    if not weighted:
        raise QueryError("The query is empty. Type some words, or choose an image.")
    parts = np.stack(weighted).astype(np.float32)  # (terms, width)
    total = parts.sum(axis=0)
    length = np.sqrt(total @ total)
    if length < 1e-3:
        raise QueryError("The terms cancel each other out. Change their weights.")
    is_text = len(labels) == len(terms) and all(term.weight > 0 for term in terms)
    return Query(tuple(labels), parts / length, total / length, is_text)


def _texts(encoder: Encoder, terms: Sequence[Term], templates: bool) -> Floats:
    """Return (terms, width) unit vectors."""
    forms = TEMPLATES if templates else TEMPLATES[:1]
    rows = encoder.texts([form.format(term.text) for term in terms for form in forms])
    if len(forms) == 1 or not terms:
        return rows
    return unit(rows.reshape(len(terms), len(forms), -1).mean(axis=1))
