"""Images decoded small once, kept on disk, and streamed in batches that a seed fixes."""

import hashlib
import json
import os
import tempfile
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image
from torch import Tensor
from torch.utils.data import DataLoader, Dataset

from components.datasets.captioned import DataError, Example
from components.encoder import lookahead
from components.files import write_bytes
from components.images import ImageError, Source, decode, source_of

Fit = Literal["crop", "squeeze"]  # the middle square of the image, or all of it made square
Tell = Callable[[int, int], None]  # how many are done, of how many


@dataclass(frozen=True)
class DecodedExamples:
    """Decoded examples: ``pixels`` (n, side, side, 3) bytes, mapped from disk, row by example.

    ``key`` is another one for other images or another way of decoding.
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
        """The row of each caption's image (captions,)."""
        return np.repeat(np.arange(len(self.examples)), [len(e.captions) for e in self.examples])

    def names(self, rows: Tensor) -> str:
        """Return the first images' names of a batch's rows, for a message."""
        named = ", ".join(self.examples[row].image.name for row in rows[:3])
        return named if len(rows) <= 3 else f"{named} and {len(rows) - 3} more"


@dataclass(frozen=True)
class Batch:
    """``pixels`` (n, side, side, 3) bytes; a caption of each; the examples' rows (n,)."""

    pixels: Tensor
    captions: list[str]
    rows: Tensor


def decode_once(
    examples: Sequence[Example], side: int, fit: Fit, cache: Path, tell: Tell = lambda *_: None
) -> DecodedExamples:
    """Return the examples' images at ``side`` x ``side``, from ``cache`` where they are there.

    The cache's key is every file's path, size and time, and how it is decoded; its file appears
    whole or not at all. Images that cannot be read are left out, each with its reason. Raises
    DataError where none can be read.
    """
    file = cache / f"{_key(examples, side, fit)}.npy"
    notes = file.with_suffix(".json")
    if not notes.is_file():
        _write(examples, side, fit, file, tell)
    told = json.loads(notes.read_text(encoding="utf-8"))
    kept = tuple(examples[row] for row in told["rows"])
    if not kept:
        raise DataError("None of the images can be read.")
    return DecodedExamples(kept, np.load(file, mmap_mode="r"), tuple(told["skipped"]), file.stem)


def _key(examples: Sequence[Example], side: int, fit: Fit) -> str:
    digest = hashlib.sha256(f"1 {side} {fit}".encode())
    for example in examples:
        facts = example.image.stat()
        digest.update(f"\n{example.image} {facts.st_size} {facts.st_mtime_ns}".encode())
    return digest.hexdigest()[:16]


def _write(examples: Sequence[Example], side: int, fit: Fit, file: Path, tell: Tell) -> None:
    file.parent.mkdir(parents=True, exist_ok=True)
    skipped: list[str] = []
    rows: list[int] = []
    handle, name = tempfile.mkstemp(dir=file.parent, suffix=".draft")
    draft = Path(name)
    try:
        os.close(handle)
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
            tell(row + 1, len(examples))
        array.flush()
        del array
        draft.replace(file)
    finally:
        draft.unlink(missing_ok=True)
    notes = json.dumps({"rows": rows, "skipped": skipped})
    # last: without it the pixels do not count
    write_bytes(file.with_suffix(".json"), notes.encode())


def square(source: Source, side: int, fit: Fit) -> NDArray[np.uint8] | str:
    """Return an image's (side, side, 3) bytes, or why there are none."""
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
    """A caption of an image by (row, caption number)."""

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
    """Yield an epoch's batches from the one numbered ``first`` on, the same for a seed and epoch.

    Each image comes once, with one of its captions; the last, smaller batch is left out.
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
    """Return how many batches an epoch has."""
    return len(images.examples) // size


def _collate(items: Sequence[tuple[NDArray[np.uint8], str, int]]) -> Batch:
    pixels, captions, rows = zip(*items, strict=True)
    return Batch(torch.from_numpy(np.stack(pixels)), list(captions), torch.tensor(rows))


def parts(pixels: NDArray[np.uint8], size: int) -> Iterator[Tensor]:
    """Yield ``pixels`` (n, ...) in tensors of up to ``size`` rows, copied from the disk's map."""
    for start in range(0, len(pixels), size):
        yield torch.from_numpy(np.array(pixels[start : start + size]))
