"""Quantises a prepared image tower to int8; `prepared` runs this module in a process of its own.

NNCF's post-training quantisation (weights and activations, SmoothQuant for transformers) is
calibrated on the sample images. The text tower stays in float32: images are most of the work, and
captions lose more. Whether int8 keeps the ranking is measured, and kept beside the graph.
"""

import json
import os
import sys
from dataclasses import asdict
from pathlib import Path

import numpy as np
import openvino

from components.encoder.chance import bank_captions
from components.encoder.encoder import batched
from components.encoder.runtimes.int8 import CHECK, GRAPH, Int8Check
from components.encoder.runtimes.openvino import OpenVinoRuntime
from components.encoder.tokenizer import CaptionTokenizer
from components.files import write_bytes
from components.images import decode, sample_sources
from components.scores import agreement, unit


def quantize(folder: Path) -> None:
    """Write the int8 graph of ``folder``'s image tower, then the check."""
    os.environ["NNCF_CI"] = "1"  # NNCF sends no usage statistics: nothing leaves this computer
    import nncf

    exact = OpenVinoRuntime(folder, "f32")
    pixels = exact.recipe.pixels
    assert pixels is not None  # noqa: S101 - `convert` refuses others
    images = [pixels.pixels(decode(source)[1])[None] for source in sample_sources()]
    graph = openvino.Core().read_model(folder / "image.xml")
    is_transformer = any(node.get_type_name() == "Softmax" for node in graph.get_ops())
    quantised = nncf.quantize(
        graph,
        nncf.Dataset(images),
        preset=nncf.QuantizationPreset.MIXED,
        model_type=nncf.ModelType.TRANSFORMER if is_transformer else None,
        subset_size=len(images),
        fast_bias_correction=is_transformer,
    )
    openvino.save_model(quantised, str(folder / GRAPH), compress_to_fp16=False)
    tokenizer = CaptionTokenizer(folder, exact.recipe.text)
    captions = unit(
        np.concatenate([exact.texts(*tokenizer.batch(g)) for g in batched(bank_captions(), 50)])
    )
    wide, narrow = (
        unit(np.concatenate([runtime.images(image) for image in images]))
        for runtime in (exact, OpenVinoRuntime(folder, "int8"))
    )
    check = Int8Check(
        correlation=float(agreement(captions @ wide.T, captions @ narrow.T).mean()),
        cosine=float((narrow * wide).sum(axis=1).min()),
    )
    # written last: without it the graph does not count
    write_bytes(folder / CHECK, json.dumps(asdict(check)).encode())


if __name__ == "__main__":
    quantize(Path(sys.argv[1]))
