"""Findings about images and captions by themselves, with the model that ships."""

import io
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from tokenizers import Tokenizer, models, pre_tokenizers, trainers

from components.check.caption_set import CaptionSet
from components.check.findings.captions import caption_findings
from components.check.findings.finding import KINDS, Finding
from components.check.findings.images import ImageFacts, image_facts, image_findings, unreadable
from components.encoder import CaptionTokenizer, Encoded, Encoder, encode, load
from components.images import sample_captions, sample_sources
from components.scores import Floats

pytestmark = pytest.mark.slow  # converts or trains a model

BAD = {
    "a photo": {"Uninformative"},
    "Picture of something.": {"Uninformative"},
    " ... ": {"Empty caption"},
    "": {"Empty caption"},
    "собака бежит по траве": {"Other script"},
    "一只狗在草地上奔跑": {"Other script"},
    "two dogs &amp; a <b>cat</b> on the grass": {"Markup"},
    "two dogs on the grass, see www.dogs.org": {"Markup"},
    "two dogs on the grass by jo@dogs.org": {"Markup"},
    "IMG_1234": {"Markup"},
    "two dogs on the grass " * 300: {"Truncated"},
    "Ein Straßenhändler verkauft Äpfel und Birnen": set(),
    "2 dogs <3 a man of 1.85 m, e.g. at home.Then away": set(),
    "=HYPERLINK(1) a dog on the grass": set(),
}


@pytest.fixture(scope="module")
def pocket() -> Encoder:
    return load("pocket")


@pytest.fixture(scope="module")
def samples(pocket: Encoder) -> tuple[CaptionSet, Floats]:
    items = [item for item in encode(pocket, sample_sources()) if isinstance(item, Encoded)]
    names = tuple(item.photo.source.name for item in items)
    captions = tuple(sample_captions()[name] for name in names)
    data = CaptionSet("samples", names, ("",) * len(names), captions, np.arange(len(names)))
    return data, np.stack([item.vector for item in items])


def _with(samples: CaptionSet, captions: list[str]) -> CaptionSet:
    """Return the samples with more captions, of one image each."""
    owner = np.append(samples.owner, np.arange(len(captions)) % len(samples.images))
    return replace(samples, captions=(*samples.captions, *captions), owner=owner)


def _findings(encoder: Encoder, data: CaptionSet, images: Floats) -> list[Finding]:
    return caption_findings(data, encoder.texts(data.captions), images, encoder)


def test_each_caption_gets_its_own_kinds_and_real_captions_none(
    pocket: Encoder, samples: tuple[CaptionSet, Floats]
) -> None:
    data, images = _with(samples[0], list(BAD)), samples[1]
    found: dict[int, set[str]] = {row: set() for row in range(len(data))}
    for finding in _findings(pocket, data, images):
        assert finding.kind in KINDS
        assert finding.images == (data.image_of(finding.rows[0]),)
        found[finding.rows[0]].add(finding.kind)
    assert not any(found[row] for row in range(len(samples[0])))
    assert {data.captions[row]: kinds for row, kinds in found.items() if row >= 57} == BAD


def test_a_repeated_caption_is_one_finding(
    pocket: Encoder, samples: tuple[CaptionSet, Floats]
) -> None:
    same = ["Two dogs play .", "two dogs  play", "TWO DOGS PLAY!", "two dogs play", "two dogs play"]
    data = _with(samples[0], [*same, "two cats play"])
    (finding,) = _findings(pocket, data, samples[1])
    assert (finding.kind, finding.rows) == ("Repeated caption", (57, 58, 59, 60, 61))
    assert finding.detail.startswith("5 images have this caption")
    assert _findings(pocket, _with(samples[0], same[:4]), samples[1]) == []


def test_a_script_that_the_tokenizer_knows_is_not_a_finding(
    pocket: Encoder, samples: tuple[CaptionSet, Floats], tmp_path: Path
) -> None:
    texts = ["собака бежит по траве", "кошка спит на траве", "a dog runs", *samples[0].captions]
    unknown = "[UNK]"
    tokenizer = Tokenizer(models.WordPiece(unk_token=unknown))
    tokenizer.pre_tokenizer = pre_tokenizers.Whitespace()
    trainer = trainers.WordPieceTrainer(vocab_size=2000, special_tokens=[unknown, "[PAD]"])
    tokenizer.train_from_iterator(texts * 3, trainer)
    tokenizer.save(str(tmp_path / "tokenizer.json"))
    reads = replace(pocket, tokenizer=CaptionTokenizer(tmp_path, pocket.recipe.text))
    data, vectors = _with(samples[0], ["собака спит на траве", "一只狗在草地上奔跑"]), samples[1]
    found = caption_findings(data, np.tile(vectors[:1], (len(data), 1)), vectors, reads)
    assert [finding.rows for finding in found if finding.kind == "Other script"] == [(58,)]


@pytest.mark.parametrize("text", ["<", "<a", "a@", "&amp", "www", ".jpg", "\u202e\x00", "a ", "é"])
@pytest.mark.timeout(60)
def test_captions_of_a_hundred_thousand_characters(
    pocket: Encoder, samples: tuple[CaptionSet, Floats], text: str
) -> None:
    data = _with(samples[0], [text * (100_000 // len(text))] * 20)
    caption_findings(data, np.tile(samples[1][:1], (len(data), 1)), samples[1], pocket)


def _jpeg(image: Image.Image) -> bytes:
    out = io.BytesIO()
    image.save(out, "JPEG")
    return out.getvalue()


def test_tiny_blank_and_unreadable_images() -> None:
    noise = np.random.default_rng(0).integers(0, 256, (90, 90, 3), dtype=np.uint8)
    faint = np.random.default_rng(0).integers(120, 126, (90, 90, 3), dtype=np.uint8)
    images = [Image.fromarray(noise), Image.new("RGB", (90, 90), "red"), Image.fromarray(faint)]
    facts: ImageFacts = image_facts(map(_jpeg, images))
    data = CaptionSet("x", ("noise", "red", "faint"), ("",) * 3, (), np.zeros(0, dtype=np.intp))
    found = image_findings(data, facts, np.array([[31, 400], [32, 32], [90, 90]]))
    assert [(finding.kind, finding.images) for finding in found] == [
        ("Tiny", ("noise",)),
        ("Blank", ("red",)),
        ("Blank", ("faint",)),
    ]
    (lost,) = unreadable([("lost.jpg", "lost.jpg cannot be read.")])
    assert (lost.kind, lost.images) == ("Unreadable", ("lost.jpg",))
