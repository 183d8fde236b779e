"""What several unit tests share: the command line as a person runs it, random scores, a JPEG."""

import io
import os
import subprocess
import sys
from collections.abc import Mapping
from contextlib import chdir, redirect_stderr, redirect_stdout
from types import MappingProxyType
from unittest.mock import patch

import numpy as np
from PIL import Image

import cli
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
    """Return what ``cli.py`` did in this process, where the libraries are loaded already.

    It ended with ``status``; an error that it lets through is raised.
    """
    given = io.TextIOWrapper(io.BytesIO(answer.encode()), encoding="utf-8")
    out, err = (io.TextIOWrapper(io.BytesIO(), encoding="utf-8") for _ in range(2))
    ended: object = 0
    with (
        patch.dict(os.environ, environment),  # what a command sets there is gone afterwards, too
        patch.object(sys, "argv", ["cli.py", *map(str, arguments)]),
        patch.object(sys, "stdin", given),
        redirect_stdout(out),
        redirect_stderr(err),
        chdir(ROOT),
    ):
        try:
            cli.main()
        except SystemExit as end:
            ended = end.code or 0
    texts = []
    for stream in (out, err):
        stream.seek(0)
        texts.append(stream.read())
    assert ended == status, texts[1]
    return subprocess.CompletedProcess([*map(str, arguments)], status, *texts)


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
