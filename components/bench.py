"""How fast, against the way that notebooks and peers do it: plain transformers in float32.

Both run in one process, in turns, on the same pictures; the ratio is what to look at.
"""

import csv
import multiprocessing
import re
import statistics
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from components import models, samples
from components.encoder import Encoder, batched, load
from components.images import source_of
from components.models import Located
from components.pipeline import Encoded, encode
from components.retrieval import Known, Retrieval, both_ways
from components.scores import Matrix

Say = Callable[[str], None]
Found = TypeVar("Found")
RANDOM_CLIP = "random-clip-vit-b-32"
_BATCH = 32


@dataclass(frozen=True)
class _Job:
    name: str
    pictures: int
    ours: Callable[[], object]
    other: Callable[[], object]


def speed(model_id: str, rounds: int, say: Say) -> None:
    """Print images a second of the bare image tower and from files, ours and the other's."""
    with located(model_id) as place, tempfile.TemporaryDirectory() as folder:
        encoder, plain = load(place), Plain(place)
        runtime = encoder.runtime
        say(
            f"\n{model_id}: {runtime.library}, {runtime.device}, {runtime.precision},"
            f" batch {encoder.batch}; the other: batch {_BATCH}"
        )
        say(f"{'images a second':<34}{'ours':>8}{'plain torch f32':>17}{'ratio':>8}")
        bare = 0.0
        for job in _jobs(encoder, plain, Path(folder)):
            ours, other = _in_turns(job, rounds)
            bare = bare or ours
            share = f"  ({ours / bare:.0%} of our bare tower)" if ours != bare else ""
            say(f"{job.name:<34}{ours:>8.1f}{other:>17.1f}{ours / other:>7.1f}x{share}")


def _jobs(encoder: Encoder, plain: "Plain", folder: Path) -> Iterator[_Job]:
    recipe = encoder.recipe.pixels
    if recipe is not None:
        shape = (8 * _BATCH, recipe.height, recipe.width, 3)
        noise = np.random.default_rng(0).integers(0, 256, shape, dtype=np.uint8)
        rows, floats = [(row,) for row in noise], plain.floats(noise)
        yield _Job(
            "bare image tower",
            len(noise),
            lambda: [encoder.vectors(batch) for batch in batched(rows, encoder.batch)],
            lambda: [plain.tower(batch) for batch in floats.split(_BATCH)],
        )
    for name, size, number in (("640 x 480", (640, 480), 128), ("12 megapixel", (4000, 3000), 64)):
        files = jpegs(folder / name.replace(" ", ""), size, number)
        sources = [source_of(file) for file in files]
        yield _Job(
            f"{name} JPEG files to vectors",
            number,
            lambda sources=sources: list(encode(encoder, sources)),  # type: ignore[misc]
            lambda files=files: plain.files(files),  # type: ignore[misc]
        )


def _in_turns(job: _Job, rounds: int) -> tuple[float, float]:
    """Return the medians of images a second, ours and the other's, after one warm-up each."""
    rates: dict[bool, list[float]] = {True: [], False: []}
    for turn in range(rounds + 1):
        for mine in (True, False):
            start = time.perf_counter()
            (job.ours if mine else job.other)()
            if turn:
                rates[mine].append(job.pictures / (time.perf_counter() - start))
    return statistics.median(rates[True]), statistics.median(rates[False])


def in_a_fresh_process(function: Callable[..., Found], *arguments: object) -> Found:
    """Return what ``function`` of a module returns in a process that has done nothing else."""
    with ProcessPoolExecutor(1, multiprocessing.get_context("spawn")) as pool:
        return pool.submit(function, *arguments).result()


def peak_memory() -> int:
    """Return the most bytes that this process has held: Linux tells it."""
    status = Path("/proc/self/status").read_text(encoding="ascii")
    return 1024 * int(re.search(r"VmHWM:\s+(\d+) kB", status)[1])  # type: ignore[index]


class Plain:
    """`AutoModel` and `AutoProcessor` in float32, as their documentation shows them."""

    def __init__(self, located: Located) -> None:
        import torch
        from transformers import AutoImageProcessor, AutoModel

        self._device = "cuda" if torch.cuda.is_available() else "cpu"
        self._model = AutoModel.from_pretrained(located.image, dtype=torch.float32)
        self._model = self._model.to(self._device).eval()
        self._processor = AutoImageProcessor.from_pretrained(located.image)

    def floats(self, pixels: Any) -> Any:
        """Return (n, 3, height, width) floats of (n, height, width, 3) bytes, ready for `tower`."""
        pictures = [Image.fromarray(row) for row in pixels]
        return self._processor(images=pictures, return_tensors="pt")["pixel_values"]

    def tower(self, floats: Any) -> Any:
        """Return normalised image embeddings."""
        import torch

        with torch.inference_mode():
            features = self._model.get_image_features(pixel_values=floats.to(self._device))
            vectors = getattr(features, "pooler_output", features)
            return torch.nn.functional.normalize(vectors, dim=-1).cpu()

    def files(self, files: Sequence[Path]) -> None:
        """Encode picture files batch by batch."""
        for batch in batched(files, _BATCH):
            pictures = [Image.open(file).convert("RGB") for file in batch]
            self.tower(self._processor(images=pictures, return_tensors="pt")["pixel_values"])


def jpegs(folder: Path, size: tuple[int, int], number: int) -> list[Path]:
    """Write ``number`` JPEG files of ``size`` made from the sample pictures."""
    folder.mkdir()
    originals = [source.data for source in samples.sources()]
    files = [folder / f"{index:03}.jpg" for index in range(number)]
    for index, file in enumerate(files):
        original = originals[index % len(originals)]
        assert isinstance(original, Path)  # noqa: S101 - the samples are files
        if index < len(originals):
            with Image.open(original) as picture:
                picture.convert("RGB").resize(size).save(file, quality=90)
        else:
            file.write_bytes(files[index - len(originals)].read_bytes())
    return files


@contextmanager
def located(model_id: str) -> Iterator[Located]:
    if model_id != RANDOM_CLIP:
        yield models.locate(models.resolve(model_id))
        return
    with tempfile.TemporaryDirectory() as folder:
        random_clip(Path(folder))
        yield models.locate(models.resolve(folder))


def random_clip(folder: Path) -> None:
    """Write a checkpoint of CLIP ViT-B/32's shape with random weights: as fast as the real one."""
    import torch
    from tokenizers import Tokenizer
    from transformers import CLIPConfig, CLIPImageProcessorPil, CLIPModel, CLIPTokenizer

    torch.manual_seed(0)
    CLIPModel(CLIPConfig()).save_pretrained(folder)
    CLIPImageProcessorPil().save_pretrained(folder)
    letters = "abcdefghijklmnopqrstuvwxyz"
    words = [*letters, *(f"{letter}</w>" for letter in letters)]
    special = ["<|startoftext|>", "<|endoftext|>"]
    vocabulary = {word: index for index, word in enumerate([*words, *special])}
    tokenizer = CLIPTokenizer(vocab=vocabulary, merges=[], model_max_length=77)
    assert isinstance(tokenizer.backend_tokenizer, Tokenizer)  # noqa: S101
    tokenizer.save_pretrained(folder)


def recall(model_id: str, folder: Path, say: Say) -> None:
    """Print recall@1, 5, 10 both ways on ``folder``'s dev and test pictures, by precision.

    ``folder`` has ``images/`` and ``captions.csv`` with columns image, split and caption.
    """
    located = models.locate(models.resolve(model_id))
    say(f"\n{model_id}: recall@1 / 5 / 10 in percent, gallery of the split's own")
    for precision in ("f32", "bf16"):
        encoder = load(located, precision)
        for split in ("dev", "test"):
            to_image, to_text, size = _recall(encoder, folder, split)
            say(
                f"{precision:>5} {split:<5} caption to image {to_image} of {size[0]:,} images;"
                f" image to caption {to_text} of {size[1]:,} captions"
            )


@dataclass(frozen=True)
class Split:
    """Pictures, captions, and the picture (captions,) that each caption belongs to."""

    pictures: tuple[Path, ...]
    captions: tuple[str, ...]
    truth: NDArray[np.intp]

    @property
    def known(self) -> Known:
        """(captions, pictures): what belongs together."""
        known: Known = self.truth[:, None] == np.arange(len(self.pictures))
        return known


def read_split(folder: Path, split: str) -> Split:
    """Return a split of ``folder``, which has ``images/`` and ``captions.csv``."""
    with (folder / "captions.csv").open(encoding="utf-8", newline="") as file:
        rows = [row for row in csv.DictReader(file) if row["split"] == split]
    names = sorted({row["image"] for row in rows})
    column = {name: index for index, name in enumerate(names)}
    return Split(
        tuple(folder / "images" / name for name in names),
        tuple(row["caption"] for row in rows),
        np.array([column[row["image"]] for row in rows]),
    )


def vectors(encoder: Encoder, files: Sequence[Path]) -> Matrix:
    """Return (files, width) vectors of pictures that can all be read."""
    items = encode(encoder, [source_of(file) for file in files])
    return np.stack([item.vector for item in items if isinstance(item, Encoded)])


def _recall(encoder: Encoder, folder: Path, split: str) -> tuple[str, str, tuple[int, int]]:
    read = read_split(folder, split)
    cosines = encoder.texts(read.captions) @ vectors(encoder, read.pictures).T
    size = (len(read.pictures), len(read.captions))
    return *recall_both_ways(cosines, read.known), size


def recall_both_ways(cosines: Matrix, known: Known) -> tuple[str, str]:
    """Return recall@1 / 5 / 10 caption to image and image to caption, as text in per cent.

    ``cosines`` and ``known`` are (captions, images).
    """
    there, back = both_ways(cosines, known).values()
    return _percentages(there), _percentages(back)


def _percentages(found: Retrieval) -> str:
    return " / ".join(f"{100 * share:.2f}" for share in found.recall)
