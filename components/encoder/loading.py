"""A model id or a checkpoint on disk -> an encoder, on the fastest suitable runtime."""

import ctypes.util
import threading
from contextlib import suppress
from dataclasses import replace
from importlib.metadata import version
from pathlib import Path
from typing import Any, Literal

from PIL import Image

from components.encoder.encoder import Encoder, ImageProcessor, Inputs
from components.encoder.recipe import Recipe
from components.encoder.runtimes import RuntimeUnavailable
from components.encoder.tokenizer import CaptionTokenizer
from components.errors import CaptionLensError
from components.models import (
    MATCHERS,
    Located,
    ModelSpec,
    family,
    has_transformer,
    locate,
    resolve,
)


def load(
    model: str | Path | ModelSpec | Located,
    precision: str | None = None,
    device: str | None = None,
    threads: int = 0,
) -> Encoder:
    """Return an encoder of a model on disk: of an id such as "pocket", or of a folder.

    >>> from components import encoder, images
    >>> pocket = encoder.load("pocket")
    >>> photos, pixels = zip(*map(images.decode, images.sample_sources()), strict=True)
    >>> cosines = pocket.images(pixels) @ pocket.texts(["a tabby cat"])[0]
    >>> [photos[row].name for row in cosines.argsort()[::-1]][0]
    'chelsea.jpg'

    ``precision`` is "f32", "bf16", "f16" or "int8" (the image tower alone, on a CPU), by default
    the fastest that keeps the checkpoint's ranking; ``device`` is "cuda" or "cpu", by default the
    GPU where there is one. A CPU runs OpenVINO, or torch where OpenVINO cannot run the checkpoint:
    ``note`` then gives the reason. ``threads`` are those that decode, and OpenVINO's; 0: one for
    each core.
    Raises ModelError where no such model is on disk, and RuntimeUnavailable where its files are
    damaged or inconsistent.
    """
    return replace(_loaded(_located(model), precision, device, threads), threads=threads)


def _loaded(located: Located, precision: str | None, device: str | None, threads: int) -> Encoder:
    precision = precision or default_precision(located)
    if family(located) in MATCHERS:
        return _on_torch(located, device or best_device(), precision)
    if precision != "int8" and (device or best_device()) == "cuda":
        return _on_torch(located, "cuda", precision)
    try:
        return _on_openvino(located, precision, threads)
    except RuntimeUnavailable as reason:
        return replace(_on_torch(located, "cpu", "f32"), note=str(reason))


def _located(model: str | Path | ModelSpec | Located) -> Located:
    if isinstance(model, Located):
        return model
    if isinstance(model, Path):
        model = str(model.expanduser().absolute())  # a folder, never an id
    return locate(resolve(model) if isinstance(model, str) else model)


def default_precision(located: Located) -> str | None:
    """Return the precision that a checkpoint needs, None where the fastest will do.

    A convolutional image tower loses too much in bf16. For Pocket (`cli.py bench --recall`), the
    cosine to the float32 vectors falls to 0.983, R@1 falls by up to 0.3 points on Flickr8k's dev
    and 1.2 on its test split, and 6 of the 8 reference captions retrieve their image, not 7.
    """
    return None if has_transformer(located) else "f32"


def best_device() -> Literal["cuda", "cpu"]:
    """Return "cuda" or "cpu"; torch, slow to import, is used only where a driver is installed."""
    driver = ctypes.util.find_library("cuda") or ctypes.util.find_library("nvcuda")
    if not driver or version("torch").endswith("+cpu"):
        return "cpu"
    import torch

    return "cuda" if torch.cuda.is_available() else "cpu"


def _on_openvino(located: Located, precision: str | None, threads: int) -> Encoder:
    from components.encoder.runtimes.openvino import OpenVinoRuntime, prefers_int8
    from components.encoder.runtimes.prepared import prepare, prepare_int8

    folder = prepare(located)
    if precision == "int8":
        prepare_int8(located)
    elif precision is None and prefers_int8():
        with suppress(RuntimeUnavailable):  # what cannot be quantised runs in float32
            precision = "int8" if prepare_int8(located).passed else None
    runtime = OpenVinoRuntime(folder, precision, threads)
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
    except Exception as error:  # untrusted files: the library may raise anything
        reason = (str(error).strip().splitlines() or [type(error).__name__])[0]
        raise RuntimeUnavailable(f"{located.spec.name} cannot be loaded: {reason}") from error
    recipe = towers.recipe
    if towers.image_processor:  # a transformers checkpoint: AutoTokenizer loads its files
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


def _pixels(recipe: Recipe) -> ImageProcessor:
    pixels = recipe.pixels
    assert pixels is not None  # noqa: S101 - callers check it
    return lambda image: (pixels.pixels(image),)


def _library_processor(processor: Any) -> ImageProcessor:
    lock = threading.Lock()  # transformers' processors are not documented as thread-safe

    def prepare(image: Image.Image) -> Inputs:
        with lock:
            batch = processor(images=image, return_tensors="np")
        return tuple(batch[name][0] for name in processor.model_input_names)

    return prepare
