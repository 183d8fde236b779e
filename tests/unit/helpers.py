"""What several unit tests share: the command line as a person runs it, random scores, a JPEG."""

import io
import os
import subprocess
import sys
from collections.abc import Mapping
from types import MappingProxyType

import numpy as np
from PIL import Image

from components.scores import Calibration, ScoreRule, Scores, score, unit
from components.settings import ROOT

SAMPLES = ROOT / "sample_images"
RULE = ScoreRule("softmax", 20.0)


def run(
    *arguments: object,
    status: int = 0,
    answer: str = "",
    environment: Mapping[str, str] = MappingProxyType({}),
) -> "subprocess.CompletedProcess[str]":
    """Return what ``cli.py`` did; it ended with ``status``, and no traceback is in its errors."""
    command = [sys.executable, "cli.py", *map(str, arguments)]
    done = subprocess.run(
        command,
        cwd=ROOT,
        env={**os.environ, **environment},
        input=answer,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == status, done.stderr
    assert "Traceback" not in done.stderr
    return done


def scores(captions: int = 3, images: int = 4, seed: int = 0) -> Scores:
    """Return the scores of random unit vectors."""
    rng = np.random.default_rng(seed)
    texts, vectors, bank = (unit(rng.standard_normal((n, 8))) for n in (captions, images, 50))
    names = [f"c{i}" for i in range(captions)], [f"i{i}" for i in range(images)]
    return score(*names, texts, vectors, Calibration(RULE, bank))


def jpeg(colour: str, size: tuple[int, int] = (40, 30)) -> bytes:
    """Return the bytes of a JPEG file of one colour."""
    out = io.BytesIO()
    Image.new("RGB", size, colour).save(out, "JPEG")
    return out.getvalue()
