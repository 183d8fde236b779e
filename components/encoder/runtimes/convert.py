"""Converts a checkpoint for OpenVINO; `prepared` runs this module in a process of its own.

So torch and the float32 weights do not take memory in the server, which keeps responding while a
large checkpoint is converted.
"""

import sys
import warnings
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import openvino
import torch

from components.encoder.runtimes import Array, RuntimeUnavailable
from components.encoder.runtimes.load_towers import load_towers
from components.encoder.runtimes.towers import Towers
from components.encoder.tokenizer import CaptionTokenizer
from components.errors import CaptionLensError
from components.models import locate, resolve
from components.scores import unit

# Traced on the first two, compared on all: detects a graph that only works at one length.
_CAPTIONS = ("a cat", "two dogs run on a beach", "a red bicycle leans on the wall of an old house")
_IMAGES = 3
_MIN_COSINE = 0.9999


def convert(model_id: str, folder: Path) -> None:
    """Write ``image.xml``, ``text.xml``, the tokenizer and ``recipe.json`` into ``folder``.

    Raises RuntimeUnavailable where OpenVINO's graph does not reproduce torch's vectors.
    """
    towers = load_towers(locate(resolve(model_id)))
    recipe = towers.recipe
    if recipe.pixels is None:
        raise RuntimeUnavailable("its images vary in size, which a traced graph does not support.")
    shape = (_IMAGES, recipe.pixels.height, recipe.pixels.width, 3)
    noise = np.random.default_rng(0).integers(0, 256, shape, dtype=np.uint8)
    _write(towers.image, [(noise[:2],), (noise,)], [-1, *shape[1:]], folder / "image.xml")
    _save_tokenizer(towers, folder)
    tokenizer = CaptionTokenizer(folder, recipe.text)
    tokens = [tokenizer.batch(_CAPTIONS[:2]), tokenizer.batch(_CAPTIONS), tokenizer.batch(["cat"])]
    length = recipe.text.limit if recipe.text.pad_to_limit else -1
    _write(towers.text, tokens, [-1, length], folder / "text.xml")
    (folder / "recipe.json").write_text(recipe.to_json(), encoding="utf-8")


def _save_tokenizer(towers: Towers, folder: Path) -> None:
    if towers.recipe.text.library == "tokenizers":
        towers.tokenizer.backend_tokenizer.save(str(folder / "tokenizer.json"))
    else:
        towers.tokenizer.save_pretrained(folder)


def _write(tower: Any, probes: Sequence[tuple[Array, ...]], shape: list[int], file: Path) -> None:
    with torch.inference_mode(), warnings.catch_warnings():
        warnings.simplefilter("ignore")  # tracing warns of fixed shapes; compared below
        example = tuple(torch.from_numpy(rows) for rows in probes[0])
        graph = openvino.convert_model(tower, example_input=example)
    graph.reshape({port: openvino.PartialShape(shape) for port in graph.inputs})
    compiled = openvino.Core().compile_model(graph, "CPU", {"INFERENCE_PRECISION_HINT": "f32"})
    for probe in probes:
        with torch.inference_mode():
            expected = unit(tower(*map(torch.from_numpy, probe)).numpy())
        if (unit(compiled(list(probe))[0]) * expected).sum(axis=1).min() < _MIN_COSINE:
            raise RuntimeUnavailable("its converted graph does not reproduce torch's vectors.")
    openvino.save_model(graph, str(file), compress_to_fp16=False)


def main(arguments: list[str]) -> int:
    """Convert; on failure write one sentence to standard error and return 1."""
    model_id, folder = arguments
    try:
        convert(model_id, Path(folder))
    except CaptionLensError as error:
        sys.stderr.write(f"{error}\n")
        return 1
    except Exception as error:  # noqa: BLE001 - any failure is the reason
        sys.stderr.write(f"{type(error).__name__}: {str(error).strip().splitlines()[0]}\n")
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
