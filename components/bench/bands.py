"""How often an image in first place that reads "strong", or "fair", is the caption's own."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from components.bench.measure import Say
from components.bench.recall import read_split, vectors
from components.bench.scores import gibberish
from components.encoder import Encoded, Encoder, bank_vectors, encode, load
from components.images import sample_captions, sample_sources
from components.scores import Calibration, Floats, Match, score

_SIZES = (10, 50, 200)  # galleries drawn from a split, beside all of it
_READ = ("strong", "fair")


@dataclass(frozen=True)
class _Gallery:
    """Unit rows ``images`` (n, width) and ``texts`` (m, width); ``owner`` (m,) of each text."""

    images: Floats
    texts: Floats
    owner: NDArray[np.intp]

    def parts(self, size: int) -> "Iterator[_Gallery]":
        """Yield galleries of ``size`` images drawn without replacement, with their captions."""
        order = np.random.default_rng(0).permutation(len(self.images))
        for start in range(0, len(order) - size + 1, size):
            chosen = order[start : start + size]
            place = np.full(len(order), -1)
            place[chosen] = np.arange(size)
            kept = place[self.owner] >= 0
            yield _Gallery(self.images[chosen], self.texts[kept], place[self.owner[kept]])


def bands(model_id: str, folders: Sequence[Path], split: str, say: Say) -> None:
    """Print by band the share of first places, and of those the share that are right.

    A first place is the best image of a caption; right, where it is the caption's own. Measured on
    ``split`` of each dataset in ``folders``, in galleries of several sizes, and on the samples.
    ``gibberish``: the share of meaningless captions whose first place reads "strong". Raises
    DataError.
    """
    encoder = load(model_id)
    calibration = Calibration(encoder.recipe.score, bank_vectors(encoder))
    nonsense = encoder.texts(gibberish())
    say(f"\n{model_id}: first places by band, and how many are right")
    say(f"{'':<26}{'images':>7}{'strong':>8}{'right':>7}{'fair':>8}{'right':>7}{'gibberish':>11}")
    galleries = {f"{each.resolve().name}, {split}": _read(encoder, each, split) for each in folders}
    for name, whole in (galleries | {"sample images": _samples(encoder)}).items():
        sizes = _SIZES if name in galleries else ()
        for size in (*(each for each in sizes if each < len(whole.images)), len(whole.images)):
            say(f"{name:<26}{size:>7,}{_figures(whole, size, calibration, nonsense)}")


def _read(encoder: Encoder, folder: Path, name: str) -> _Gallery:
    split = read_split(folder, name)
    return _Gallery(vectors(encoder, split.images), encoder.texts(split.captions), split.owner)


def _samples(encoder: Encoder) -> _Gallery:
    items = [item for item in encode(encoder, sample_sources()) if isinstance(item, Encoded)]
    images = np.stack([item.vector for item in items])
    texts = encoder.texts([sample_captions()[item.photo.source.name] for item in items])
    return _Gallery(images, texts, np.arange(len(items)))


def _figures(whole: _Gallery, size: int, calibration: Calibration, nonsense: Floats) -> str:
    """Return the figures of a row, over all galleries of ``size`` images."""
    words: list[str] = []
    right: list[bool] = []
    meaningless: list[str] = []
    few = nonsense[:: -(-len(whole.images) // size)]  # a small gallery is one of many
    for part in whole.parts(size):
        firsts = _firsts(part.texts, part.images, calibration)
        words += [first.band for first in firsts]
        right += [first.image == str(own) for first, own in zip(firsts, part.owner, strict=True)]
        meaningless += [first.band for first in _firsts(few, part.images, calibration)]
    cells = "".join(_cell(np.array(words) == word, np.array(right)) for word in _READ)
    return f"{cells}{np.mean(np.array(meaningless) == 'strong'):>11.1%}"


def _firsts(texts: Floats, images: Floats, calibration: Calibration) -> list[Match]:
    names = [str(i) for i in range(len(texts))], [str(i) for i in range(len(images))]
    scores = score(*names, texts, images, calibration)
    best = scores.order.argmax(axis=1)
    return [scores.match(row, int(image), 1) for row, image in enumerate(best)]


def _cell(chosen: NDArray[np.bool_], right: NDArray[np.bool_]) -> str:
    of_those = f"{right[chosen].mean():.0%}" if chosen.any() else "-"
    return f"{chosen.mean():>8.1%}{of_those:>7}"
