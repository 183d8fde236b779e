"""The HTML report for stakeholders: one file, no network, no script.

Every name and caption is a stranger's: all text goes through `escape`, and the page's own policy
(Content-Security-Policy) allows images from inside the file and nothing else.
"""

import datetime
import io
from base64 import b64encode
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from html import escape
from threading import Event
from typing import Any

from PIL import Image

from components import explain
from components.encoder import Encoded, Encoder, bank_vectors, decode_for
from components.explain import Occlusion
from components.models import locate, weights_digest
from components.output.export import provenance
from components.output.matrix_figure import draw, footer, save
from components.scores import (
    FAIR,
    KS,
    Floats,
    Heatmap,
    Match,
    Retrieval,
    Scores,
    both_ways,
    known_pairs,
)

MOST_MAPS = 24  # captions whose best match is explained by a map
_STYLE = """
:root { color-scheme: light dark; }
body { font: 16px/1.5 system-ui, sans-serif; max-width: 70rem; margin: 2rem auto; padding: 0 1rem; }
h1, h2 { line-height: 1.2; }
img { max-width: 100%; height: auto; }
.matrix { background: white; }
.scroll { overflow-x: auto; }
table { border-collapse: collapse; }
th, td { text-align: left; vertical-align: top; padding: .35rem .75rem .35rem 0; }
tr { border-bottom: 1px solid #8888; }
.grid { display: grid; grid-template-columns: repeat(auto-fill, minmax(9rem, 1fr)); gap: 1rem; }
figure { margin: 0; }
figcaption { font-size: .85rem; overflow-wrap: anywhere; }
td img { width: 10rem; }
td small { display: block; max-width: 14rem; }
td { overflow-wrap: anywhere; }
"""


@dataclass(frozen=True)
class Maps:
    """JPEG bytes: where a caption matches, and where letters that mean nothing do.

    ``verdict`` is what the honesty check says of the first.
    """

    own: bytes
    gibberish: bytes
    verdict: str


def maps(encoder: Encoder, occlusion: Occlusion, caption: str, bank: Floats) -> Maps:
    """Return a caption's map over an image, the map of gibberish, and the honesty check."""
    limit = explain.full_colour(bank, occlusion.vector)
    text, nothing = encoder.texts([caption, explain.gibberish(caption)])
    own, other = explain.saliency(occlusion, text), explain.saliency(occlusion, nothing)
    checked = explain.curves(encoder, occlusion, own, text)
    drawn = [_jpeg(explain.overlay(occlusion.view, each, limit, 0.7)) for each in (own, other)]
    return Maps(drawn[0], drawn[1], explain.verdict(checked))


def _jpeg(image: Image.Image) -> bytes:
    out = io.BytesIO()
    image.save(out, "JPEG", quality=85)
    return out.getvalue()


@dataclass(frozen=True)
class Material:
    """What a report is made from; ``pairs`` are the known (image, caption)."""

    encoder: Encoder
    scores: Scores
    images: Sequence[Encoded]
    heatmap: Heatmap
    pairs: Sequence[tuple[str, str]]


def make(material: Material, tell: Callable[[tuple[int, int]], None], stop: Event) -> str:
    """Return the page, nothing where ``stop`` was set meanwhile.

    ``tell`` is called with how many best matches are explained, and of how many. Raises ImageError
    where an image cannot be read any more.
    """
    encoder, scores = material.encoder, material.scores
    bank, found = bank_vectors(encoder), {}
    wanted = list(enumerate(best_matches(scores)))[:MOST_MAPS]
    for row, (column, match) in wanted:
        tell((row, len(wanted)))
        if stop.is_set():
            return ""
        occlusion = explain.occlude(
            encoder, decode_for(encoder, material.images[column].photo.source)[1]
        )
        found[row] = maps(encoder, occlusion, match.caption, bank)
    thumbnails = [item.thumbnail for item in material.images]
    drawn = [thumbnails[i] for i in material.heatmap.columns]
    figure = save(draw(material.heatmap, drawn, footer(encoder)), "png")
    recalls = both_ways(scores.cosine, known_pairs(scores, material.pairs))
    return html(Report(scores, thumbnails, figure, found, recalls, receipt(encoder)))


def receipt(encoder: Encoder) -> dict[str, Any]:
    """Return what made the numbers, down to the digest of the weights, and when."""
    recipe = encoder.recipe
    pixels = asdict(recipe.pixels) if recipe.pixels else "transformers' own image processor"
    now = datetime.datetime.now(datetime.UTC).replace(microsecond=0)
    return {
        **provenance(encoder),
        "weights (SHA-256)": weights_digest(locate(encoder.spec)),
        "images are prepared by": pixels,
        "captions are prepared by": asdict(recipe.text),
        "date": now.isoformat(),
    }


def best_matches(scores: Scores) -> list[tuple[int, Match]]:
    """Return for each caption the column of its best image, and the match."""
    best = [scores.images_of(row)[0] for row in range(len(scores.captions))]
    return [(column, scores.match(row, column, 1)) for row, column in enumerate(best)]


@dataclass(frozen=True)
class Report:
    """What the report is made of.

    ``thumbnails`` are JPEG bytes by column of ``scores``, ``figure`` the matrix as PNG, ``maps``
    those of some captions' best matches by row, ``recalls`` by direction where known, ``about``
    the receipt.
    """

    scores: Scores
    thumbnails: Sequence[bytes]
    figure: bytes
    maps: Mapping[int, Maps]
    recalls: Mapping[str, Retrieval]
    about: Mapping[str, Any]


def html(made: Report) -> str:
    """Return the page."""
    rows, columns = made.scores.cosine.shape
    policy = "default-src 'none'; img-src data:; style-src 'unsafe-inline'"
    return "\n".join(
        [
            "<!DOCTYPE html>",
            '<html lang="en"><head><meta charset="utf-8">',
            f'<meta http-equiv="Content-Security-Policy" content="{policy}">',
            '<meta name="viewport" content="width=device-width, initial-scale=1">',
            f"<title>CaptionLens report</title><style>{_STYLE}</style></head><body>",
            "<h1>How well captions and images match</h1>",
            f"<p>{rows:,} captions against {columns:,} images, by {_text(made.about['model'])}, "
            f"{_text(made.about['date'])}.</p>",
            "<h2>Matrix</h2>",
            '<div class="scroll"><img class="matrix" alt="Heatmap of the scores; the table of '
            f'best matches follows" src="{_address(made.figure, "png")}"></div>',
            *_recalls(made.recalls),
            *_matches(made),
            *_images(made),
            "<h2>Receipt</h2><p>What made these numbers.</p>",
            _facts(made.about),
            "</body></html>",
        ]
    )


def _text(value: object) -> str:
    return escape(str(value), quote=True)


def _address(data: bytes, kind: str) -> str:
    return f"data:image/{kind};base64,{b64encode(data).decode()}"


def _image(data: bytes, alt: str) -> str:
    return f'<img src="{_address(data, "jpeg")}" alt="{_text(alt)}">'


def _recalls(recalls: Mapping[str, Retrieval]) -> list[str]:
    if not recalls:
        return []
    head = "".join(f"<th>{name}</th>" for name in _HEAD)
    lines = ["<h2>Retrieval</h2>", f"<table><tr>{head}</tr>"]
    for name, found in recalls.items():
        cells = [
            name,
            *(f"{share:.1%}" for share in found.recall),
            f"{found.median_rank:g}",
            f"{found.mrr:.3f}",
            f"{found.queries:,}",
            f"{found.gallery:,}",
        ]
        lines.append(f"<tr>{''.join(f'<td>{_text(cell)}</td>' for cell in cells)}</tr>")
    return [*lines, "</table>"]


_HEAD = ("", *(f"R@{k}" for k in KS), "median rank", "MRR", "queries", "gallery")


def _matches(made: Report) -> list[str]:
    lines = [
        "<h2>Best match of each caption</h2>",
        "<p>The cosine says how closely caption and image point the same way, from -1 to 1."
        " The percentile is the share of 1,000 everyday captions, written for no image, that"
        " fit the image less well; z is the distance from their mean in standard deviations."
        " Below 80% reads as no match, from there as weak, from 97% as fair, from 99% as"
        " strong.</p>",
        "<p>Maps: orange where hiding the image lowers the score, purple where it raises it;"
        " the line runs round the most salient tenth. Beside each, the map of letters that mean"
        " nothing: a map that looks like it tells little.</p>",
        "<table><tr><th>Caption</th><th>Image</th><th>Reads as</th><th>Where</th>"
        "<th>Gibberish</th></tr>",
    ]
    for row, (column, match) in enumerate(best_matches(made.scores)):
        nothing = "<br>No good match" if match.percentile < FAIR else ""
        reading = (
            f"<b>{_text(match.band)}</b>{nothing}<br>cosine {match.cosine:.3f}<br>"
            f"percentile {match.percentile:.1%}<br>z {match.zscore:.1f}"
        )
        shown = made.maps.get(row)
        cells = [
            _text(match.caption),
            f"{_image(made.thumbnails[column], match.image)}<br>{_text(match.image)}",
            reading,
            _own(shown, match) if shown else "",
            _image(shown.gibberish, f"The map of gibberish over {match.image}") if shown else "",
        ]
        lines.append(f"<tr>{''.join(f'<td>{cell}</td>' for cell in cells)}</tr>")
    return [*lines, "</table>"]


def _own(shown: Maps, match: Match) -> str:
    image = _image(shown.own, f"Where {match.image} matches: {match.caption}")
    return f"{image}<br><small>{_text(shown.verdict)}</small>"


def _images(made: Report) -> list[str]:
    lines = ["<h2>Images</h2>", '<div class="grid">']
    for column, jpeg in enumerate(made.thumbnails):
        row = made.scores.captions_of(column)[0]
        best = made.scores.match(row, column, 1)
        lines.append(
            f"<figure>{_image(jpeg, best.image)}<figcaption><b>{_text(best.image)}</b><br>"
            f"{_text(best.caption)}<br>{_text(best.band)}, {best.cosine:.3f}</figcaption></figure>"
        )
    return [*lines, "</div>"]


def _facts(about: Mapping[str, Any]) -> str:
    lines = []
    for name, value in about.items():
        told = (
            ", ".join(f"{key}: {each}" for key, each in value.items())
            if isinstance(value, dict)
            else value
        )
        lines.append(f"<tr><th>{_text(name)}</th><td>{_text(told)}</td></tr>")
    return f"<table>{''.join(lines)}</table>"
