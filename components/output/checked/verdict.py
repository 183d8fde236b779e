"""What a check says of a pair, what a person decided, and what becomes of a list's rows by it."""

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

from components.check.decisions import Action, Decision, Pair
from components.errors import CaptionLensError

COLUMNS = ("wrong_probability", "findings", "decision", "new_caption", "new_image")
Cell = float | str | None


@dataclass(frozen=True)
class Verdict:
    """A pair's ``probability`` of being wrong (None: not checked), its findings, its decision."""

    probability: float | None
    findings: tuple[str, ...] = ()
    decision: Decision | None = None


@dataclass(frozen=True)
class Verdicts:
    """Verdicts by (image, caption), both as the reader of the dataset gives them.

    That of (image, "") is of every caption of the image that has none of its own. ``image_of`` and
    ``caption_of`` return what the reader makes of the texts in a row; by default, they stay.
    """

    by_pair: Mapping[Pair, Verdict]
    image_of: Callable[[str], str] = str
    caption_of: Callable[[str], str] = str

    @cached_property
    def targets(self) -> frozenset[str]:
        """The images that captions move to."""
        decisions = (verdict.decision for verdict in self.by_pair.values())
        return frozenset(taken.image for taken in decisions if taken and taken.action == "move")

    @property
    def columns(self) -> tuple[str, ...]:
        """`COLUMNS`, the last one only where captions move."""
        return COLUMNS if self.targets else COLUMNS[:-1]

    def cells(self, image: str, captions: Sequence[str]) -> list[Cell]:
        """Return what a row of an image and its captions has in `columns`, None for nothing.

        Of several captions, the largest probability counts; texts are joined by "; ".
        """
        known = [verdict for caption in captions if (verdict := self._of(image, caption))]
        decisions = [verdict.decision for verdict in known if verdict.decision]
        probabilities = [each.probability for each in known if each.probability is not None]
        cells: list[Cell] = [
            round(max(probabilities), 4) if probabilities else None,
            _joined([kind for verdict in known for kind in verdict.findings]),
            _joined([decision.action for decision in decisions]),
            _joined([_spaced(decision.caption) for decision in decisions]),
            _joined([decision.image for decision in decisions]),
        ]
        return cells[: len(self.columns)]

    def kept(self, image: str, captions: Sequence[str]) -> list[str | None]:
        """Return what the captions become in their row: themselves, new ones or, gone, None."""
        return [self._kept(image, caption) for caption in captions]

    def moves(self, image: str, captions: Sequence[str]) -> list[tuple[str, str]]:
        """Return the captions that leave their row, each behind the image that it moves to."""
        found = [(self._decision(image, caption), caption) for caption in captions]
        return [(taken.image, caption) for taken, caption in found if taken.action == "move"]

    def _kept(self, image: str, caption: str) -> str | None:
        decision = self._decision(image, caption)
        kept: dict[Action, str] = {"keep": caption, "rewrite": _spaced(decision.caption)}
        return kept.get(decision.action)

    def _decision(self, image: str, caption: str) -> Decision:
        verdict = self._of(image, caption)
        return (verdict and verdict.decision) or Decision("keep")

    def _of(self, image: str, caption: str) -> Verdict | None:
        name = self.image_of(image)
        return self.by_pair.get((name, self.caption_of(caption))) or self.by_pair.get((name, ""))


def free(columns: Sequence[str], taken: Collection[str]) -> list[str]:
    """Return names for columns beside those ``taken``: a name that is taken ends in "_2", "_3"."""
    known = {name.strip().casefold() for name in taken}
    result = []
    for name in columns:
        choices = (name, *(f"{name}_{number}" for number in range(2, len(known) + 3)))
        result.append(next(choice for choice in choices if choice not in known))
    return result


def missing(image: str) -> CaptionLensError:
    """Return the error for a caption that moves to an image that the list does not have."""
    return CaptionLensError(
        f"A caption moves to {image}, which the list lacks. Undo that decision."
    )


def _joined(texts: Sequence[str]) -> str | None:
    return "; ".join(dict.fromkeys(filter(None, texts))) or None


def _spaced(text: str) -> str:
    """Return a text in one line, as the reader gives captions."""
    return " ".join(text.split())
