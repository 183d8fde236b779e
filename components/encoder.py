"""Pictures and captions -> unit vectors, whatever the checkpoint and wherever it runs.

encoder = load(locate(resolve("pocket")))
cosines = encoder.texts(["a tabby cat"]) @ encoder.images([picture]).T
"""

import ctypes.util
import threading
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from importlib.metadata import version
from itertools import islice
from typing import Any, Literal, Protocol, TypeVar

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from components.catalogue import ModelSpec
from components.errors import CaptionLensError
from components.models import MATCHERS, Located, family, has_transformer
from components.recipe import Recipe
from components.runtimes import Array, OutOfMemory, Runtime, RuntimeUnavailable
from components.scores import Matrix, unit
from components.tokenizer import CaptionTokenizer, Reading

Item = TypeVar("Item")
Inputs = tuple[Array, ...]  # one picture as the image tower takes it
TEXT_BATCH = 64


class _ImageProcessor(Protocol):
    def __call__(self, picture: Image.Image) -> Inputs: ...


class PairHead(Protocol):
    """What a matcher without a shared space scores pairs by."""

    def logits(self, texts: Matrix, images: Matrix) -> Matrix:
        """Return (captions, pictures) logits of both branches' features."""


@dataclass(frozen=True)
class Encoder:
    """A loaded checkpoint. Every method may be called from any thread.

    One with a ``head`` has no shared space: its rows are features that only the head can compare.
    """

    spec: ModelSpec
    revision: str
    recipe: Recipe
    runtime: Runtime
    tokenizer: CaptionTokenizer
    prepare: _ImageProcessor
    batch: int  # pictures a forward pass
    note: str = ""  # why it does not run the fast way, where it does not
    head: PairHead | None = None

    @property
    def key(self) -> tuple[str, str, str]:
        """What makes two encoders give the same vectors: for caches of vectors."""
        return self.spec.id, self.revision, self.runtime.precision

    def images(self, pictures: Iterable[Image.Image]) -> Matrix:
        """Return (n, width) float32 unit vectors of upright RGB pictures."""
        prepared = batched(map(self.prepare, pictures), self.batch)
        parts = [self.vectors(group) for group in prepared]
        return np.concatenate(parts) if parts else self._none()

    def vectors(self, prepared: Sequence[Inputs]) -> Matrix:
        """Return (n, width) float32 unit vectors of pictures that went through ``prepare``.

        A batch that does not fit the device is halved until it does. Raises OutOfMemory where
        not even one picture fits.
        """
        if not prepared:
            return self._none()
        inputs = [np.stack(rows) for rows in zip(*prepared, strict=True)]
        return self._unit(_halving(self.runtime.images, inputs))

    def texts(self, captions: Sequence[str]) -> Matrix:
        """Return (n, width) float32 unit vectors of captions, cut at the model's limit."""
        parts = [
            _halving(self.runtime.texts, list(self.tokenizer.batch(group)))
            for group in batched(captions, TEXT_BATCH)
        ]
        return self._unit(np.concatenate(parts)) if parts else self._none()

    def read(self, captions: Sequence[str]) -> list[Reading]:
        """Return for each caption its length in tokens and what the model's limit cuts."""
        return self.tokenizer.read(captions)

    def _unit(self, rows: NDArray[np.float32]) -> Matrix:
        return rows if self.head else unit(rows)

    def _none(self) -> Matrix:
        return np.zeros((0, self.recipe.width), dtype=np.float32)


def batched(items: Iterable[Item], size: int) -> Iterator[list[Item]]:
    """Return lists of ``size`` items, the last one shorter (itertools has it from 3.12 on)."""
    rest = iter(items)
    while batch := list(islice(rest, size)):
        yield batch


def _halving(run: Callable[..., NDArray[np.float32]], inputs: list[Array]) -> NDArray[np.float32]:
    """Return ``run(*inputs)``, in halves where the whole is out of memory."""
    try:
        return run(*inputs)
    except OutOfMemory:
        middle = len(inputs[0]) // 2
        if not middle:
            raise
    halves = ([rows[:middle] for rows in inputs], [rows[middle:] for rows in inputs])
    return np.concatenate([_halving(run, half) for half in halves])


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
    split, and 6 of the 8 reference captions find their picture where float32 finds 7.
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
    from components.runtimes.openvino_runtime import OpenVinoRuntime, prepare

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
    from components.runtimes.torch_runtime import TorchRuntime
    from components.runtimes.towers import load_towers

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
    return lambda picture: (pixels.pixels(picture),)


def _library_processor(processor: Any) -> _ImageProcessor:
    lock = threading.Lock()  # transformers promises nothing about threads

    def prepare(picture: Image.Image) -> Inputs:
        with lock:
            batch = processor(images=picture, return_tensors="np")
        return tuple(batch[name][0] for name in processor.model_input_names)

    return prepare
