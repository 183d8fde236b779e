"""The split of a dataset into images to train on, and images held out to measure on."""

import math
from collections.abc import Sequence

import numpy as np

from components.datasets.captioned import Example
from components.training.learner import TrainingError
from components.training.loader import DecodedExamples, TrainDev

_HELD_OUT, _MAX_HELD_OUT = 0.1, 1000
_DEV_NAMES = ("dev", "val", "valid", "validation")


def dev_split(examples: Sequence[Example]) -> str:
    """Return the name of the dataset's own dev split, if it has one beside train; else ""."""
    splits = {example.split for example in examples}
    return next((name for name in _DEV_NAMES if name in splits and "train" in splits), "")


def split_examples(
    examples: Sequence[Example], seed: int = 0
) -> tuple[tuple[Example, ...], tuple[Example, ...]]:
    """Return the examples to train on, and those to measure on.

    Follows the dataset's own splits where it has train and dev; else a tenth of the training
    examples, at most 1,000, is drawn by the seed and held out. Raises TrainingError where too few
    are left.
    """
    dev_name = dev_split(examples)
    whole = tuple(each for each in examples if each.split == "train") or tuple(examples)
    if dev_name:
        learn, dev = whole, tuple(each for each in examples if each.split == dev_name)
    else:
        order = np.random.default_rng(seed).permutation(len(whole))
        held_out = min(_MAX_HELD_OUT, math.ceil(_HELD_OUT * len(order)))
        dev = tuple(whole[i] for i in sorted(order[:held_out]))
        learn = tuple(whole[i] for i in sorted(order[held_out:]))
    if len(learn) < 2 or len(dev) < 1:
        raise TrainingError("Training needs at least three images with captions.")
    return learn, dev


def split_decoded(images: DecodedExamples, seed: int = 0) -> TrainDev:
    """Return the images to train on, and those to measure on, as `split_examples` does."""
    halves = split_examples(images.examples, seed)
    row_of = {id(example): row for row, example in enumerate(images.examples)}
    rows = [[row_of[id(example)] for example in half] for half in halves]
    learn, dev = (
        DecodedExamples(half, images.pixels[chosen], key=f"{images.key} {name}")
        for half, chosen, name in zip(halves, rows, ("learn", "dev"), strict=True)
    )
    return learn, dev
