"""A list of labels with synonyms, and the unit vectors that stand for them."""

import re
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from string import punctuation

import numpy as np

from components.encoder import parse_captions
from components.errors import CaptionLensError
from components.scores import Floats, unit

# What a label is put into. Its vector is the mean over these and over its synonyms, normalised:
# "prompt ensembling", Radford et al. 2021, section 3.1.4.
TEMPLATES = ("a photo of a {}", "a close-up of a {}", "a picture of the {}")
NONE = "None of these"
MAX_LABELS = 5_000
MAX_SYNONYMS = 20  # of one label
_MAX_TEMPLATES = 100
_ARTICLE = re.compile(r"^(?:an?|the) (?=.)", re.IGNORECASE)  # the templates have their own
_BATCH = 256  # texts encoded between two reports of progress


class LabelError(CaptionLensError):
    """A list of labels or templates that cannot be used, and why."""


@dataclass(frozen=True)
class Label:
    """A label: the names that mean it, of which the first is shown."""

    names: tuple[str, ...]

    @property
    def name(self) -> str:
        """The name that is shown."""
        return self.names[0]


@dataclass(frozen=True)
class LabelList:
    """The labels of a text, in their order, with the number of lines merged or left out."""

    labels: tuple[Label, ...]
    merged: int = 0  # lines whose first name an earlier line has
    dropped: int = 0  # labels above the limit

    @property
    def names(self) -> tuple[str, ...]:
        """The name of each label."""
        return tuple(label.name for label in self.labels)


def parse_labels(text: str, limit: int = MAX_LABELS) -> LabelList:
    """Return one label a line: its name, then synonyms after a comma or a bar.

    Blank lines and lines that begin with # are ignored; of labels with the same name, the first
    one counts. At most ``limit`` are kept.
    """
    lines = parse_captions(text, limit=text.count("\n") + 1)
    given = [label for line in lines.captions if (label := _label(line))]
    labels: dict[str, Label] = {}
    for label in given:
        labels.setdefault(label.name.casefold(), label)
    kept = tuple(labels.values())[:limit]
    return LabelList(kept, lines.merged + len(given) - len(labels), len(labels) - len(kept))


def _label(line: str) -> Label | None:
    names = dict.fromkeys(" ".join(name.split()) for name in re.split(r"[|,]", line))
    named = [name for name in names if name.strip(punctuation + " ")]
    return Label(tuple(named[:MAX_SYNONYMS])) if named else None


def parse_templates(text: str) -> tuple[str, ...]:
    """Return one template a line, each with {} in place of the label. Raises LabelError."""
    templates = parse_captions(text, limit=_MAX_TEMPLATES).captions
    if not templates:
        raise LabelError("There is no template. Write one a line, for example: a photo of a {}")
    for template in templates:
        if "{}" not in template:
            raise LabelError(
                f"The template {template[:60]!r} must contain {{}} in place of the label."
            )
    return templates


def label_vectors(
    encode: Callable[[Sequence[str]], Floats],
    labels: Sequence[Label],
    templates: Sequence[str] = TEMPLATES,
    progress: Callable[[int, int], None] = lambda done, total: None,
) -> Floats:
    """Return (labels, width) unit vectors; ``encode`` maps texts to unit vectors (n, width).

    ``progress`` is called with the number of texts done and of all texts.
    """
    texts = [text for label in labels for text in phrasings(label, templates)]
    parts = []
    for start in range(0, len(texts), _BATCH):
        progress(start, len(texts))
        parts.append(encode(texts[start : start + _BATCH]))
    rows = iter(np.concatenate(parts))  # (texts, width)
    means = [_mean(next(rows) for _ in phrasings(label, templates)) for label in labels]
    return unit(np.stack(means))


def phrasings(label: Label, templates: Sequence[str]) -> list[str]:
    """Return the texts whose vectors are averaged for a label, without its own article."""
    names = [_ARTICLE.sub("", name) for name in label.names]
    return [template.replace("{}", name) for name in names for template in templates]


def _mean(rows: Iterable[Floats]) -> Floats:
    mean: Floats = np.stack([*rows]).mean(axis=0)
    return mean
