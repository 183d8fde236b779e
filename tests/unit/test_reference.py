"""OpenAI's CLIP gives OpenAI's published numbers."""

import csv
from pathlib import Path

import numpy as np
import pytest

from components import models
from components.encoder import load
from components.images import decode, sample_sources
from components.models.catalogue import OPENAI

pytestmark = pytest.mark.slow  # converts or trains a model

MATRIX = Path(__file__).parent.parent / "openai_clip_notebook_matrix.csv"


def test_the_matrix_of_openais_notebook(monkeypatch: pytest.MonkeyPatch) -> None:
    """Every cell within 0.01 of the notebook's; its captions began with "This is "."""
    monkeypatch.delenv("CAPTIONLENS_MODEL_CACHE")  # the person's own downloads
    if not models.is_on_disk(models.resolve(OPENAI)):
        pytest.skip(f"{OPENAI} is not on disk: `python cli.py models pull` it")
    with MATRIX.open(encoding="utf-8", newline="") as file:
        head, *rows = list(csv.reader(file))
    encoder = load(OPENAI, precision="f32")
    named = {Path(source.name).stem: source for source in sample_sources()}
    images = encoder.images([decode(named[stem])[1] for stem in head[1:]])
    texts = encoder.texts([f"This is {row[0]}" for row in rows])
    expected = np.array([row[1:] for row in rows], dtype=np.float32)
    np.testing.assert_allclose(texts @ images.T, expected, atol=0.01)
