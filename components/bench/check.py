"""How well a check finds wrong captions that were put there, against the raw cosine."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from components.bench.measure import average_precision
from components.check.caption_set import CaptionSet, Indices
from components.check.check import check
from components.check.checked import Checked
from components.datasets.captioned import read
from components.datasets.evaluate import Encodings, encode_examples
from components.encoder import Encoder, bank_vectors
from components.scores import Floats

_SEEDS = 6
_SHARE = 0.1  # of the captions that are swapped
_NEAR = 10  # a hard swap is with a caption of one of so many nearest images


@dataclass(frozen=True)
class _Trial:
    """A dataset with swapped captions: the row that each caption came from, and the check."""

    source: Indices
    wrong: "np.ndarray[tuple[int], np.dtype[np.bool_]]"
    checked: Checked


def wrong_captions(
    encoder: Encoder, folder: Path, split: str, report: Callable[[str], None]
) -> None:
    """Report average precision on a split whose captions were swapped, in several ways."""
    vectors = _encoded(encoder, folder, split)
    chance = bank_vectors(encoder)
    report(
        f"{folder.name} {split}: {len(vectors.images):,} images, {len(vectors.texts):,} captions,"
        f" {_SHARE:.0%} swapped, mean of {_SEEDS} seeds"
    )
    report(
        f"{'':<34}{'cosine':>8}{'check':>8}{'worst':>8}{'share':>8}"
        f"{'expected':>10}{'true':>7}{'caption':>9}"
    )
    single = _one_caption(vectors)
    named = [("one caption an image", single)]
    if len(single.texts) < len(vectors.texts):
        named.insert(0, ("all captions", vectors))
    for name, each in named:
        for hard in (False, True):
            row = _row(each, chance, hard)
            title = f"{name}, {'hard' if hard else 'random'} swaps"
            report(f"{title:<34}{row}")
    report(
        "cosine, check: average precision; worst: the smallest gain of a seed; share: the estimated"
        " share of wrong pairs; expected, true: precision at the number of swapped captions;"
        " caption: how often the suggestion is the image's own caption."
    )


def _encoded(encoder: Encoder, folder: Path, split: str) -> Encodings:
    data = read(folder)
    examples = data.split(split) if split else data.examples
    return encode_examples(encoder, examples)


def _one_caption(vectors: Encodings) -> Encodings:
    owner, first = np.unique(vectors.owner, return_index=True)
    return Encodings(vectors.images, vectors.texts[first], owner, (), 0.0)


def _row(vectors: Encodings, chance: Floats, hard: bool) -> str:
    rows = []
    for seed in range(_SEEDS):
        trial = _trial(vectors, chance, hard, np.random.default_rng(seed))
        checked, wrong = trial.checked, trial.wrong
        found = checked.order[: wrong.sum()]
        raw = average_precision(-checked.evidence.cosine, wrong)
        own = average_precision(checked.probability, wrong)
        expected, true = checked.precision(len(found)), wrong[found].mean()
        rows.append((raw, own, own - raw, checked.share, expected, true, _right(trial)))
    raw, own, _, share, expected, true, right = np.mean(rows, axis=0)
    worst = min(row[2] for row in rows)
    precisions = f"{share:>8.1%}{expected:>10.1%}{true:>7.1%}"
    return f"{raw:>8.4f}{own:>8.4f}{worst:>+8.4f}{precisions}{right:>9.1%}"


def _trial(vectors: Encodings, chance: Floats, hard: bool, rng: np.random.Generator) -> _Trial:
    source = swapped(vectors, hard, rng)
    images = tuple(f"{number}.jpg" for number in range(len(vectors.images)))
    captions = tuple(map(str, source))
    data = CaptionSet("swapped", images, ("",) * len(images), captions, vectors.owner)
    checked = check(data, vectors.images, vectors.texts[source], chance)
    return _Trial(source, vectors.owner[source] != vectors.owner, checked)


def swapped(vectors: Encodings, hard: bool, rng: np.random.Generator) -> Indices:
    """Return (m,) the rows of captions after a tenth was exchanged in pairs."""
    owner, m = vectors.owner, len(vectors.texts)
    source = np.arange(m)
    free = np.ones(m, dtype=bool)
    for row in rng.permutation(m):
        if (~free).sum() >= _SHARE * m:
            break
        image = owner[row]
        cosines = vectors.images @ vectors.images[image]
        near = np.argsort(-cosines)[1 : _NEAR + 1] if hard else np.arange(len(cosines))
        others = np.flatnonzero(free & np.isin(owner, near) & (owner != image))
        if free[row] and len(others):
            other = rng.choice(others)
            source[[row, other]] = source[[other, row]]
            free[[row, other]] = False
    return source


def _right(trial: _Trial) -> float:
    """Return how often the suggestion for a swapped caption that was found is the image's own."""
    checked, owner = trial.checked, trial.checked.data.owner
    found = np.flatnonzero((checked.suggestion >= 0) & trial.wrong)
    suggested = owner[trial.source[checked.suggestion[found]]]
    return float((suggested == owner[found]).mean()) if len(found) else 0.0
