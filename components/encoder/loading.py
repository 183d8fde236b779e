"""A checkpoint on disk -> an encoder, on the fastest runtime that keeps its ranking."""

import ctypes.util
import threading
from dataclasses import replace
from importlib.metadata import version
from typing import Any, Literal

from PIL import Image

from components.encoder.encoder import Encoder, Inputs, _ImageProcessor
from components.encoder.recipe import Recipe
from components.encoder.runtimes import RuntimeUnavailable
from components.encoder.tokenizer import CaptionTokenizer
from components.errors import CaptionLensError
from components.models import MATCHERS, Located, family, has_transformer


def load(located: Located, precision: str | None = None, device: str | None = None) -> Encoder:
    """Return an encoder of a checkpoint on disk, on the GPU where there is one.

    ``precision`` is "f32", "bf16" or "f16", by default the fastest that keeps the checkpoint's
    ranking; ``device`` is "cuda" or "cpu", by default the better one present. A CPU runs
    OpenVINO, and torch where OpenVINO cannot, which the encoder's ``note`` then says. Raises
    RuntimeUnavailable where the files are damaged or not what they say.
    """
    precision = precision or default_precision(located)
    if family(located) in MATCHERS:
        return _on_torch(located, device or best_device(), precision)
    if (device or best_device()) == "cuda":
        return _on_torch(located, "cuda", precision)
    try:
        return _on_openvino(located, precision)
    except RuntimeUnavailable as reason:
        return replace(_on_torch(located, "cpu", "f32"), note=str(reason))


def default_precision(located: Located) -> str | None:
    """Return the precision that a checkpoint needs, None where the fastest will do.

    A convolutional image tower loses too much in bf16. Pocket's (`cli.py bench --recall`): vectors
    as far off as a cosine of 0.983, R@1 up to 0.3 points lower on Flickr8k dev and 1.2 on its test
    split, and 6 of the 8 reference captions find their image where float32 finds 7.
    """
    return None if has_transformer(located) else "f32"


def best_device() -> Literal["cuda", "cpu"]:
    """Return "cuda" or "cpu"; torch, slow to import, is asked only where a driver is installed."""
    driver = ctypes.util.find_library("cuda") or ctypes.util.find_library("nvcuda")
    if not driver or version("torch").endswith("+cpu"):
        return "cpu"
    import torch

    return "cuda" if torch.cuda.is_available() else "cpu"


def _on_openvino(located: Located, precision: str | None) -> Encoder:
    from components.encoder.runtimes.openvino import OpenVinoRuntime
    from components.encoder.runtimes.prepared import prepare

    folder = prepare(located)
    runtime = OpenVinoRuntime(folder, precision)
    recipe = runtime.recipe
    return Encoder(
        spec=located.spec,
        revision=located.revision,
        recipe=recipe,
        runtime=runtime,
        tokenizer=CaptionTokenizer(folder, recipe.text),
        prepare=_pixels(recipe),
        batch=recipe.batch,
    )


def _on_torch(located: Located, device: str, precision: str | None) -> Encoder:
    from components.encoder.runtimes.load_towers import load_towers
    from components.encoder.runtimes.pytorch import TorchRuntime

    try:
        towers = load_towers(located)
        runtime = TorchRuntime(towers, device, precision)
    except CaptionLensError:
        raise
    except Exception as error:  # strangers' files, read by code that raises what it likes
        reason = (str(error).strip().splitlines() or [type(error).__name__])[0]
        raise RuntimeUnavailable(f"{located.spec.name} cannot be loaded: {reason}") from error
    recipe = towers.recipe
    if towers.image_processor:  # a checkpoint of transformers': its own tokenizer reads captions
        recipe = replace(recipe, text=replace(recipe.text, library="transformers"))
    return Encoder(
        spec=located.spec,
        revision=located.revision,
        recipe=recipe,
        runtime=runtime,
        tokenizer=CaptionTokenizer(located.text or located.image, recipe.text),
        prepare=_pixels(recipe) if recipe.pixels else _library_processor(towers.image_processor),
        batch=256 if device == "cuda" else recipe.batch,
        head=towers.head,
    )


def _pixels(recipe: Recipe) -> _ImageProcessor:
    pixels = recipe.pixels
    assert pixels is not None  # noqa: S101 - only a checkpoint with a pixel recipe comes here
    return lambda image: (pixels.pixels(image),)


def _library_processor(processor: Any) -> _ImageProcessor:
    lock = threading.Lock()  # transformers promises nothing about threads

    def prepare(image: Image.Image) -> Inputs:
        with lock:
            batch = processor(images=image, return_tensors="np")
        return tuple(batch[name][0] for name in processor.model_input_names)

    return prepare
