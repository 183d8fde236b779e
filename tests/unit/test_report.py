"""The report is one file that tells what made it, and a stranger's text stays text."""

import hashlib
import re
from html.parser import HTMLParser

import numpy as np
import pytest

from components import explain
from components.encoder import Encoder, load
from components.images import decode, samples
from components.models import locate, weights_digest
from components.models.catalogue import POCKET
from components.output import report
from components.output.report import Maps, Report
from components.scores import Calibration, ScoreRule, both_ways, known_pairs, score, unit
from tests.unit.test_matrix_figure import jpeg

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


def made() -> Report:
    rng = np.random.default_rng(0)
    texts, vectors, bank = (unit(rng.standard_normal((n, 8))) for n in (2, 3, 40))
    rule = ScoreRule("softmax", 20.0)
    captions, images = [SCRIPT, "a & b"], [ATTACK, "b.jpg", "javascript:alert(3)"]
    scores = score(captions, images, texts, vectors, Calibration(rule, bank))
    recalls = both_ways(scores.cosine, known_pairs(scores, [(ATTACK, SCRIPT)]))
    maps = {0: Maps(jpeg("red"), jpeg("blue"), "passes both")}
    about = {"model": SCRIPT, "date": "2026-01-01", "versions": {ATTACK: SCRIPT}}
    return Report(scores, [jpeg("teal")] * 3, b"\x89PNG", maps, recalls, about)


def test_no_stranger_writes_markup() -> None:
    page = Tags(report.html(made()))
    kinds = {tag for tag, _ in page.tags}
    assert not kinds & {"script", "iframe", "object", "embed", "link", "base", "form", "a"}
    for tag, attributes in page.tags:
        assert not [name for name in attributes if name.startswith("on")]
        if tag == "img":
            assert str(attributes["src"]).startswith("data:image/")
            assert attributes["alt"]
    assert ATTACK in page.text
    assert SCRIPT in page.text


def test_its_own_policy_lets_nothing_in() -> None:
    page = Tags(report.html(made()))
    policy = next(a["content"] for t, a in page.tags if t == "meta" and "http-equiv" in a)
    assert policy == "default-src 'none'; img-src data:; style-src 'unsafe-inline'"
    assert "http" not in re.sub(r"http-equiv", "", report.html(made()))


def test_it_says_what_it_holds() -> None:
    told = made()
    text = Tags(report.html(told)).text
    best = told.scores.match(0, told.scores.images_of(0)[0], 1)
    assert f"cosine {best.cosine:.3f}" in text
    assert f"percentile {best.percentile:.1%}" in text
    assert "R@1" in text
    assert "2 captions against 3 images" in text


@pytest.fixture(scope="module")
def encoder() -> Encoder:
    return load("pocket")


def test_the_receipt_names_the_weights(encoder: Encoder) -> None:
    told = report.receipt(encoder)
    expected = hashlib.sha256((POCKET / "model.safetensors").read_bytes()).hexdigest()
    assert told["weights (SHA-256)"] == {"model.safetensors": expected}
    assert told["images are prepared by"]["height"] == 224
    assert {"model", "revision", "precision", "versions", "date"} <= told.keys()


def test_two_towers_have_two_digests(encoder: Encoder) -> None:
    pocket = locate(encoder.spec)
    both = type(pocket)(pocket.spec, pocket.image, pocket.image, pocket.revision)
    digests = weights_digest(both)
    assert digests.keys() == {"image/model.safetensors", "text/model.safetensors"}


def test_maps_are_images_of_the_models_view(encoder: Encoder) -> None:
    bank = encoder.texts([f"thing {i}" for i in range(20)])
    occlusion = explain.occlude(encoder, decode(samples.sample_sources()[0])[1])
    maps = report.maps(encoder, occlusion, "a metal staircase", bank)
    assert maps.own.startswith(b"\xff\xd8")
    assert maps.own != maps.gibberish
    assert maps.verdict.startswith("Hiding the most salient tenth takes ")
