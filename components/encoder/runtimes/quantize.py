"""Quantises a prepared image tower to int8; `prepared` runs this module in a process of its own.

NNCF's post-training quantisation (weights and activations, SmoothQuant for transformers) is
calibrated on the sample images. The text tower stays in float32: images are most of the work, and
captions lose more. Whether int8 keeps the ranking is measured, and kept beside the graph.
"""

import json
import os
import sys
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
import openvino
from numpy.typing import NDArray

from components.encoder.chance import bank_captions
from components.encoder.recipe import Recipe
from components.encoder.tokenizer import CaptionTokenizer
from components.files import write_bytes
from components.images import decode, sample_sources
from components.scores import unit

GRAPH, CHECK = "image-int8.xml", "int8.json"
MIN_CORRELATION, MIN_COSINE = 0.995, 0.99


@dataclass(frozen=True)
class Int8Check:
    """How well int8 follows float32 on the sample images.

    ``correlation`` is the mean Spearman rank correlation of the images' order for the everyday
    captions, ``cosine`` the lowest cosine of an image's two vectors.
    """

    correlation: float
    cosine: float

    @property
    def passed(self) -> bool:
        """Whether int8 may be the default."""
        return self.correlation >= MIN_CORRELATION and self.cosine >= MIN_COSINE

    def sentence(self) -> str:
        """Return the result in words."""
        verdict = "kept" if self.passed else "not used by default"
        return (
            f"int8 {verdict}: rank correlation with f32 {self.correlation:.4f} (at least"
            f" {MIN_CORRELATION}), lowest cosine {self.cosine:.4f} (at least {MIN_COSINE})"
        )


def read_check(folder: Path) -> Int8Check | None:
    """Return the check of a prepared folder, None where it has no int8 graph."""
    try:
        return Int8Check(**json.loads((folder / CHECK).read_text(encoding="utf-8")))
    except FileNotFoundError:
        return None


def quantize(folder: Path) -> Int8Check:
    """Write the int8 graph of ``folder``'s image tower, then the check."""
    os.environ["NNCF_CI"] = "1"  # NNCF sends no usage statistics: nothing leaves this computer
    import nncf

    core = openvino.Core()
    recipe = Recipe.from_json((folder / "recipe.json").read_text(encoding="utf-8"))
    assert recipe.pixels is not None  # noqa: S101 - `convert` refuses others
    images = [recipe.pixels.pixels(decode(source)[1])[None] for source in sample_sources()]
    exact = core.read_model(folder / "image.xml")
    wide = _vectors(core, exact, images)
    is_transformer = any(node.get_type_name() == "Softmax" for node in exact.get_ops())
    graph = nncf.quantize(
        exact,
        nncf.Dataset(images),
        preset=nncf.QuantizationPreset.MIXED,
        model_type=nncf.ModelType.TRANSFORMER if is_transformer else None,
        subset_size=len(images),
        fast_bias_correction=is_transformer,
    )
    narrow = _vectors(core, graph, images)
    captions = _captions(core, folder, recipe)
    check = Int8Check(
        correlation=_correlation(captions @ wide.T, captions @ narrow.T),
        cosine=float((narrow * wide).sum(axis=1).min()),
    )
    openvino.save_model(graph, str(folder / GRAPH), compress_to_fp16=False)
    # written last: without it the graph does not count
    write_bytes(folder / CHECK, json.dumps(asdict(check)).encode())
    return check


def _vectors(
    core: openvino.Core, graph: openvino.Model, images: list[NDArray[np.uint8]]
) -> NDArray[np.float32]:
    compiled = core.compile_model(graph, "CPU", {"INFERENCE_PRECISION_HINT": "f32"})
    return unit(np.concatenate([compiled([image])[0] for image in images]))


def _captions(core: openvino.Core, folder: Path, recipe: Recipe) -> NDArray[np.float32]:
    tokenizer = CaptionTokenizer(folder, recipe.text)
    compiled = core.compile_model(folder / "text.xml", "CPU", {"INFERENCE_PRECISION_HINT": "f32"})
    groups = [bank_captions()[start : start + 50] for start in range(0, len(bank_captions()), 50)]
    return unit(np.concatenate([compiled(list(tokenizer.batch(group)))[0] for group in groups]))


def _correlation(exact: NDArray[np.float32], narrow: NDArray[np.float32]) -> float:
    """Return the mean Spearman correlation of two arrays' rows."""
    ranks = [rows.argsort(axis=1).argsort(axis=1).astype(float) for rows in (exact, narrow)]
    first, second = (each - each.mean(axis=1, keepdims=True) for each in ranks)
    norms = np.sqrt((first**2).sum(axis=1) * (second**2).sum(axis=1))
    return float(((first * second).sum(axis=1) / norms).mean())


if __name__ == "__main__":
    quantize(Path(sys.argv[1]))
