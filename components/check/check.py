"""A captioned dataset's vectors -> which of its captions are wrong."""

from collections.abc import Callable

import numpy as np

from components.check.caption_set import CaptionSet, Indices
from components.check.checked import SUSPECT, Checked
from components.check.evidence import Evidence, Space, evidence
from components.check.probability import probabilities
from components.errors import CaptionLensError
from components.scores import Floats

FEWEST_PAIRS, FEWEST_IMAGES = 20, 10  # fewer say nothing about what a right pair is like
_BLOCK = 1024  # suspects compared at a time


class TooFew(CaptionLensError):  # noqa: N818 - named for what is wrong with the data
    """A dataset too small to tell wrong pairs from right ones."""


def check(
    data: CaptionSet,
    images: Floats,
    texts: Floats,
    chance: Floats,
    progress: Callable[[float, str], object] = lambda share, stage: None,
) -> Checked:
    """Return how probably each pair is wrong, why, and which caption would fit better.

    ``images`` (n, d), ``texts`` (m, d) and ``chance`` (bank, d) are unit vectors, the last of
    `components.encoder.bank_vectors`. ``progress`` is called with the share that is done, 0 to 1,
    and what is being done; to stop, raise from it. Raises TooFew.
    """
    used = len(np.unique(data.owner))
    if len(data) < FEWEST_PAIRS or used < FEWEST_IMAGES:
        raise TooFew(
            f"{data.name} has {len(data)} captions of {used} readable images. A check needs at"
            f" least {FEWEST_PAIRS} captions of {FEWEST_IMAGES} images."
        )
    space = Space.of(
        images, texts, data.owner, chance, lambda done: progress(0.3 * done, "Finding neighbours")
    )
    found = evidence(
        space, progress=lambda done: progress(0.3 + 0.4 * done, "Comparing captions and images")
    )
    wrong = probabilities(space, found, lambda done: progress(0.7 + 0.3 * done, "Calibrating"))
    return Checked(data, found, wrong.wrong, _suggestions(space, found, wrong.wrong), wrong.share)


def _suggestions(space: Space, found: Evidence, wrong: Floats) -> Indices:
    """Return (m,) the caption that fits each suspect pair's image best, -1 where none is better.

    A caption that is itself out of place, and fits the image as well as most pairs fit, comes
    first: it has probably been displaced.
    """
    fits = np.quantile(found.cosine, 0.25)
    suggestion = np.full(len(wrong), -1)
    suspects = np.flatnonzero(wrong >= SUSPECT)
    for start in range(0, len(suspects), _BLOCK):
        rows = suspects[start : start + _BLOCK]
        cosines = space.images[space.owner[rows]] @ space.texts[suspects].T
        cosines[space.owner[rows][:, None] == space.owner[suspects]] = -2
        best = cosines.argmax(axis=1)
        displaced = cosines[np.arange(len(rows)), best] > np.maximum(fits, found.cosine[rows])
        any_better = np.where(found.caption_margin[rows] < 0, found.best_caption[rows], -1)
        suggestion[rows] = np.where(displaced, suspects[best], any_better)
    return suggestion
