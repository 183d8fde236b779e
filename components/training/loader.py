"""Training images: decoded once at their final size, kept on disk, and batched by seed."""

import hashlib
import json
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image
from torch import Tensor
from torch.utils.data import DataLoader, Dataset

from components.datasets.captioned import DataError, Example
from components.encoder import lookahead
from components.files import write_bytes, write_whole
from components.images import ImageError, Source, decode, source_of
from components.words import and_more

Fit = Literal["crop", "squeeze"]  # to the central square, or the whole image to a square
OnProgress = Callable[[int, int], None]  # called with the images done, and the total


class Decoding(NamedTuple):
    """The side in pixels of the square images that a network reads, and how they become square."""

    side: int
    fit: Fit


@dataclass(frozen=True)
class DecodedExamples:
    """Examples with their ``pixels`` (n, side, side, 3) uint8, one row each.

    ``skipped`` says which images could not be read. ``key`` identifies images and decoding.
    """

    examples: tuple[Example, ...]
    pixels: NDArray[np.uint8]
    skipped: tuple[str, ...] = ()
    key: str = ""

    @property
    def captions(self) -> list[str]:
        """All captions, image by image."""
        return [text for example in self.examples for text in example.captions]

    @property
    def owner(self) -> NDArray[np.intp]:
        """The image row of each caption (captions,)."""
        return np.repeat(np.arange(len(self.examples)), [len(e.captions) for e in self.examples])

    def names(self, rows: Tensor) -> str:
        """Return the names of a batch's first images, for an error message."""
        return and_more([self.examples[row].image.name for row in rows], 3)


TrainDev = tuple[DecodedExamples, DecodedExamples]  # to train on, and held out to measure on


@dataclass(frozen=True)
class Batch:
    """``pixels`` (n, side, side, 3) uint8, one caption of each image, and its ``rows`` (n,)."""

    pixels: Tensor
    captions: list[str]
    rows: Tensor


def decode_once(
    examples: Sequence[Example],
    side: int,
    fit: Fit,
    cache: Path,
    on_progress: OnProgress = lambda *_: None,
) -> DecodedExamples:
    """Return the examples with their images at ``side`` x ``side``, decoded or from ``cache``.

    The cache's key covers every file's path, size and modification time, and the decoding; its
    files are written atomically. Images that cannot be read are skipped, each with its reason.
    Raises DataError where none can be read.
    """
    file = cache / f"{_key(examples, side, fit)}.npy"
    images = _read(examples, file)
    if images is None:
        _write(examples, side, fit, file, on_progress)
        images = _read(examples, file)
    if images is None or not images.examples:
        raise DataError("None of the images can be read.")
    return images


def _read(examples: Sequence[Example], file: Path) -> DecodedExamples | None:
    """Return what the cache holds, None where it is missing or damaged."""
    try:
        summary = json.loads(file.with_suffix(".json").read_text(encoding="utf-8"))
        kept = tuple(examples[row] for row in summary["rows"])
        pixels = np.load(file, mmap_mode="r")
        whole = len(pixels) == len(examples)
        skipped = tuple(summary["skipped"])
    except (OSError, EOFError, ValueError, LookupError, TypeError):
        return None
    return DecodedExamples(kept, pixels, skipped, file.stem) if whole else None


def _key(examples: Sequence[Example], side: int, fit: Fit) -> str:
    digest = hashlib.sha256(f"1 {side} {fit}".encode())
    for example in examples:
        stat = example.image.stat()
        digest.update(f"\n{example.image} {stat.st_size} {stat.st_mtime_ns}".encode())
    return digest.hexdigest()[:16]


def _write(
    examples: Sequence[Example], side: int, fit: Fit, file: Path, on_progress: OnProgress
) -> None:
    skipped: list[str] = []
    rows: list[int] = []

    def decode_into(draft: Path) -> None:
        shape = (len(examples), side, side, 3)
        array = np.lib.format.open_memmap(draft, mode="w+", dtype=np.uint8, shape=shape)
        decoded = lookahead(
            lambda example: square(source_of(example.image), side, fit), examples, 64
        )
        for row, pixels in enumerate(decoded):
            if isinstance(pixels, str):
                skipped.append(pixels)
            else:
                array[len(rows)] = pixels
                rows.append(row)
            on_progress(row + 1, len(examples))
        array.flush()

    file.parent.mkdir(parents=True, exist_ok=True)
    write_whole(file, decode_into)
    notes = json.dumps({"rows": rows, "skipped": skipped})
    # written last: the cache is valid only with it
    write_bytes(file.with_suffix(".json"), notes.encode())


def square(source: Source, side: int, fit: Fit) -> NDArray[np.uint8] | str:
    """Return an image's pixels (side, side, 3) uint8, or why it cannot be read."""
    try:
        image = decode(source, side)[1]
    except ImageError as error:
        return str(error)
    if fit == "crop":
        short = min(image.size)
        left, top = (image.width - short) // 2, (image.height - short) // 2
        image = image.crop((left, top, left + short, top + short))
    resized = image.resize((side, side), Image.Resampling.BICUBIC, reducing_gap=3.0)
    return np.asarray(resized, dtype=np.uint8)


class _Rows(Dataset[tuple[NDArray[np.uint8], str, int]]):
    """Pixels, caption and row by (row, caption number)."""

    def __init__(self, images: DecodedExamples) -> None:
        self._images = images

    def __getitem__(self, place: tuple[int, int]) -> tuple[NDArray[np.uint8], str, int]:
        row, number = place
        example = self._images.examples[row]
        return np.array(self._images.pixels[row]), example.captions[number], row

    def __len__(self) -> int:
        return len(self._images.examples)


def batches(
    images: DecodedExamples, size: int, seed: int, epoch: int, first: int = 0
) -> Iterator[Batch]:
    """Yield an epoch's batches from number ``first`` on, determined by seed and epoch.

    Each image occurs once, with one of its captions; the last, smaller batch is dropped.
    """
    rng = np.random.default_rng([seed, epoch])
    order = rng.permutation(len(images.examples))
    numbers = [int(rng.integers(len(images.examples[row].captions))) for row in order]
    places = [(int(row), number) for row, number in zip(order, numbers, strict=True)]
    whole = [places[start : start + size] for start in range(0, len(places) - size + 1, size)]
    loader: DataLoader[Batch] = DataLoader(
        _Rows(images),  # type: ignore[arg-type] # its items become a Batch in _collate
        batch_sampler=whole[first:],
        collate_fn=_collate,
    )
    return iter(loader)


def steps(images: DecodedExamples, size: int) -> int:
    """Return the number of batches in an epoch."""
    return len(images.examples) // size


def _collate(items: Sequence[tuple[NDArray[np.uint8], str, int]]) -> Batch:
    pixels, captions, rows = zip(*items, strict=True)
    return Batch(torch.from_numpy(np.stack(pixels)), list(captions), torch.tensor(rows))


def parts(pixels: NDArray[np.uint8], size: int) -> Iterator[Tensor]:
    """Yield ``pixels`` (n, ...) in tensors of up to ``size`` rows, copied from the memory map."""
    for start in range(0, len(pixels), size):
        yield torch.from_numpy(np.array(pixels[start : start + size]))
