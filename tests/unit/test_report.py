"""The report is one self-contained file with a receipt, and untrusted text stays text."""

import hashlib
import io
import re
from html.parser import HTMLParser

import numpy as np
import pytest
from PIL import Image

from components import explain
from components.encoder import Encoder, load
from components.images import decode, samples
from components.models import locate, weights_digest
from components.models.catalogue import POCKET
from components.output import report
from components.output.report import Maps, Report
from components.scores import (
    Calibration,
    ScoreRule,
    both_ways,
    explain_bands,
    known_pairs,
    score,
    unit,
)
from components.version import version
from tests.unit.helpers import jpeg

pytestmark = pytest.mark.slow  # converts or trains a model

ATTACK = "<img src=x onerror=alert(1)>.png"
SCRIPT = '"><script>alert(2)</script>'


class Tags(HTMLParser):
    """Collects a page's tags with their attributes, and its text."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.text = ""
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))

    def handle_data(self, data: str) -> None:
        self.text += data


def example() -> Report:
    rng = np.random.default_rng(0)
    texts, vectors, bank = (unit(rng.standard_normal((n, 8))) for n in (2, 3, 40))
    rule = ScoreRule("softmax", 20.0)
    captions, images = [SCRIPT, "a & b"], [ATTACK, "b.jpg", "javascript:alert(3)"]
    scores = score(captions, images, texts, vectors, Calibration(rule, bank))
    recalls = both_ways(scores.cosine, known_pairs(scores, [(ATTACK, SCRIPT)]))
    maps = {0: Maps(jpeg("red"), jpeg("blue"), f"passes both {SCRIPT}")}
    receipt = {"model": SCRIPT, "date": "2026-01-01", "versions": {ATTACK: SCRIPT}}
    return Report(scores, [jpeg("teal")] * 3, b"\x89PNG", maps, recalls, receipt)


def test_untrusted_text_is_no_markup() -> None:
    page = Tags(report.html(example()))
    kinds = {tag for tag, _ in page.tags}
    assert not kinds & {"script", "iframe", "object", "embed", "link", "base", "form", "a"}
    for tag, attributes in page.tags:
        assert not [name for name in attributes if name.startswith("on")]
        if tag == "img":
            assert str(attributes["src"]).startswith("data:image/")
            assert attributes["alt"]
    assert ATTACK in page.text
    assert page.text.count(f"passes both {SCRIPT}") == 1
    alts = [attributes["alt"] for tag, attributes in page.tags if tag == "img"]
    assert any(str(alt).startswith("Where ") and str(alt).endswith(SCRIPT) for alt in alts)


def test_the_page_allows_only_embedded_images() -> None:
    page = Tags(report.html(example()))
    policy = next(a["content"] for t, a in page.tags if t == "meta" and "http-equiv" in a)
    assert policy == "default-src 'none'; img-src data:; style-src 'unsafe-inline'"
    assert "http" not in re.sub(r"http-equiv", "", report.html(example()))


def test_the_page_shows_every_number() -> None:
    shown = example()
    text = Tags(report.html(shown)).text
    for row in (0, 1):
        best = shown.scores.match(row, shown.scores.images_of(row)[0], 1)
        assert f"{best.band}" in text
        assert f"cosine {best.cosine:.3f}" in text
        assert f"percentile {best.percentile:.1%}" in text
        assert f"z {best.zscore:.1f}" in text
    for column in range(3):
        best = shown.scores.match(shown.scores.captions_of(column)[0], column, 1)
        assert f"{best.band}, {best.cosine:.3f}" in text
    figures = shown.recalls["caption to image"]
    assert f"caption to image{figures.recall[0]:.1%}{figures.recall[1]:.1%}" in text
    assert "2 captions against 3 images" in text
    assert explain_bands() in text
    assert f"versions{ATTACK}: {SCRIPT}" in text


@pytest.fixture(scope="module")
def encoder() -> Encoder:
    return load("pocket")


def test_the_receipt_names_the_weights(encoder: Encoder) -> None:
    receipt = report.receipt(encoder)
    expected = hashlib.sha256((POCKET / "model.safetensors").read_bytes()).hexdigest()
    assert receipt["weights (SHA-256)"] == {"model.safetensors": expected}
    assert receipt["image preprocessing"]["height"] == 224
    assert {"model", "revision", "precision", "versions", "date"} <= receipt.keys()
    assert receipt["versions"]["captionlens"] == version()


def test_two_towers_have_two_digests(encoder: Encoder) -> None:
    pocket = locate(encoder.spec)
    both = type(pocket)(pocket.spec, pocket.image, pocket.image, pocket.revision)
    digests = weights_digest(both)
    assert digests.keys() == {"image/model.safetensors", "text/model.safetensors"}


def test_maps_are_images_of_the_models_view(encoder: Encoder) -> None:
    bank = encoder.texts([f"thing {i}" for i in range(20)])
    occlusion = explain.occlude(encoder, decode(samples.sample_sources()[0])[1])
    caption = "a metal staircase"
    maps = report.maps(encoder, occlusion, caption, bank)
    vectors = encoder.texts([caption, explain.gibberish(caption)])
    limit = explain.full_colour(bank, occlusion.vector)
    for text, jpeg_bytes in zip(vectors, (maps.own, maps.gibberish), strict=True):
        salient = explain.saliency(occlusion, text)
        expected = np.asarray(explain.overlay(occlusion.view, salient, limit, 0.7), dtype=float)
        drawn = np.asarray(Image.open(io.BytesIO(jpeg_bytes)), dtype=float)
        assert drawn.shape == occlusion.view.shape
        assert np.abs(drawn - expected).mean() < 6  # JPEG
    assert np.abs(np.subtract(*[explain.saliency(occlusion, text) for text in vectors])).max() > 0
    own = explain.saliency(occlusion, vectors[0])
    checked = explain.curves(encoder, occlusion, own, vectors[0])
    assert maps.verdict == explain.verdict(checked)
