"""The HTML report for stakeholders: one file, no network, no script.

Names and captions are untrusted: the template escapes every value, and the page's own
Content-Security-Policy allows images embedded in the file and nothing else.
"""

import datetime
import io
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from threading import Event
from typing import Any

from PIL import Image

from components import explain
from components.encoder import Encoded, Encoder, bank_vectors, decode_for
from components.explain import Occlusion
from components.images import data_url
from components.models import locate, weights_digest
from components.output.export import footer, provenance
from components.output.matrix_figure import draw, save
from components.scores import (
    FAIR,
    KS,
    Floats,
    Heatmap,
    Match,
    Retrieval,
    Scores,
    both_ways,
    explain_bands,
    known_pairs,
)

MAX_MAPS = 24  # captions whose best match is explained by a map
_TEMPLATE = Path(__file__).with_name("report.html.jinja")


@dataclass(frozen=True)
class Maps:
    """JPEG bytes: the map of a caption and that of random letters over the same image.

    ``verdict`` is the result of the faithfulness check of the caption's map.
    """

    own: bytes
    gibberish: bytes
    verdict: str


def maps(encoder: Encoder, occlusion: Occlusion, caption: str, bank: Floats) -> Maps:
    """Return a caption's map over an image with its faithfulness check, and gibberish's map."""
    limit = explain.full_colour(bank, occlusion.vector)
    text, random_letters = encoder.texts([caption, explain.gibberish(caption)])
    own, other = explain.saliency(occlusion, text), explain.saliency(occlusion, random_letters)
    checked = explain.curves(encoder, occlusion, own, text)
    drawn = [_jpeg(explain.overlay(occlusion.view, each, limit, 0.7)) for each in (own, other)]
    return Maps(drawn[0], drawn[1], explain.verdict(checked))


def _jpeg(image: Image.Image) -> bytes:
    out = io.BytesIO()
    image.save(out, "JPEG", quality=85)
    return out.getvalue()


@dataclass(frozen=True)
class ReportInput:
    """What a report is computed from; ``pairs`` are the known (image, caption) pairs."""

    encoder: Encoder
    scores: Scores
    images: Sequence[Encoded]
    heatmap: Heatmap
    pairs: Sequence[tuple[str, str]]


def make(inputs: ReportInput, progress: Callable[[tuple[int, int]], None], stop: Event) -> str:
    """Return the page, or an empty string where ``stop`` was set meanwhile.

    ``progress`` is called with the number of matches explained and their total. Raises ImageError
    where an image can no longer be read.
    """
    encoder, scores = inputs.encoder, inputs.scores
    bank, explained = bank_vectors(encoder), {}
    matches = best_matches(scores)[:MAX_MAPS]
    for row, (column, match) in enumerate(matches):
        progress((row, len(matches)))
        if stop.is_set():
            return ""
        image = decode_for(encoder, inputs.images[column].photo.source)[1]
        explained[row] = maps(encoder, explain.occlude(encoder, image), match.caption, bank)
    thumbnails = [item.thumbnail for item in inputs.images]
    shown = [thumbnails[i] for i in inputs.heatmap.columns]
    figure = save(draw(inputs.heatmap, shown, footer(encoder)), "png")
    recalls = both_ways(scores.cosine, known_pairs(scores, inputs.pairs))
    return html(Report(scores, thumbnails, figure, explained, recalls, receipt(encoder)))


def receipt(encoder: Encoder) -> dict[str, Any]:
    """Return `provenance` with the digest of the weights, the preprocessing and the date."""
    recipe = encoder.recipe
    pixels = asdict(recipe.pixels) if recipe.pixels else "transformers' own image processor"
    now = datetime.datetime.now(datetime.UTC).replace(microsecond=0)
    return {
        **provenance(encoder),
        "weights (SHA-256)": weights_digest(locate(encoder.spec)),
        "image preprocessing": pixels,
        "caption preprocessing": asdict(recipe.text),
        "date": now.isoformat(),
    }


def best_matches(scores: Scores) -> list[tuple[int, Match]]:
    """Return the column of each caption's best image, and the match."""
    best = [scores.images_of(row)[0] for row in range(len(scores.captions))]
    return [(column, scores.match(row, column, 1)) for row, column in enumerate(best)]


@dataclass(frozen=True)
class Report:
    """The contents of the page.

    ``thumbnails`` are JPEG bytes by column of ``scores``, ``figure`` the matrix as PNG, ``maps``
    those of captions' best matches by row, ``recalls`` by direction, empty without known pairs.
    """

    scores: Scores
    thumbnails: Sequence[bytes]
    figure: bytes
    maps: Mapping[int, Maps]
    recalls: Mapping[str, Retrieval]
    receipt: Mapping[str, Any]


def html(report: Report) -> str:
    """Return the page."""
    from jinja2 import Environment, StrictUndefined

    environment = Environment(
        autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True
    )
    environment.filters["data_url"] = data_url
    template = environment.from_string(_TEMPLATE.read_text(encoding="utf-8"))
    scores = report.scores
    best = [scores.captions_of(column)[0] for column in range(len(scores.images))]
    return template.render(
        vars(report),
        matches=best_matches(scores),
        captions=[scores.match(row, column, 1) for column, row in enumerate(best)],
        bands=explain_bands(),
        fair=FAIR,
        ks=KS,
    )
