"""What a person decided about the pairs of a checked dataset, kept in a small JSON file."""

import json
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from types import MappingProxyType
from typing import Any, Literal, get_args

from components.errors import CaptionLensError
from components.files import write_bytes

Action = Literal["keep", "drop", "rewrite", "move"]
Pair = tuple[str, str]  # the image's name and the caption, as in the `CaptionSet`
ACTIONS: tuple[Action, ...] = get_args(Action)
MAX_BYTES = 16_000_000  # of a file: about 100,000 decisions
_VERSION = 1
_UNDO = 1000  # steps that can be undone
# What reading a damaged file raises: JSON of a million brackets is too deep.
_DAMAGE = (ValueError, KeyError, TypeError, RecursionError)


class DecisionsError(CaptionLensError):
    """Decisions that cannot be read, or cannot be kept, and why."""


@dataclass(frozen=True)
class Decision:
    """What becomes of a pair: a rewrite's new ``caption``, or the ``image`` that a move goes to.

    Raises DecisionsError where it does not say enough.
    """

    action: Action
    caption: str = ""
    image: str = ""

    def __post_init__(self) -> None:
        """Refuse what could not be carried out."""
        if self.action not in ACTIONS:
            raise DecisionsError(f"A decision is one of {', '.join(ACTIONS)}.")
        if (self.action == "rewrite") != bool(self.caption.strip()):
            raise DecisionsError("A rewrite, and nothing else, needs a new caption.")
        if (self.action == "move") != bool(self.image):
            raise DecisionsError("A move, and nothing else, needs the image that it goes to.")


@dataclass(frozen=True)
class Decisions:
    """Decisions by pair; ``dataset`` is the name of the dataset that they are about.

    It never changes: `decide` and `undo` return another one. Pairs that the dataset does not have,
    or no longer has, stay in it and apply to nothing.
    """

    dataset: str = ""
    by_pair: MappingProxyType[Pair, Decision] = field(default_factory=lambda: MappingProxyType({}))
    _history: tuple[tuple[Pair, Decision | None], ...] = field(default=(), compare=False)

    def __len__(self) -> int:
        """Return the number of pairs decided."""
        return len(self.by_pair)

    def __iter__(self) -> Iterator[Pair]:
        """Yield the pairs decided."""
        return iter(self.by_pair)

    def get(self, pair: Pair) -> Decision | None:
        """Return the decision about a pair, None where there is none."""
        return self.by_pair.get(pair)

    def counts(self) -> dict[Action, int]:
        """Return how many pairs each action was decided for."""
        taken = Counter(decision.action for decision in self.by_pair.values())
        return {action: taken[action] for action in ACTIONS}

    def decide(self, pair: Pair, decision: Decision | None) -> "Decisions":
        """Return these with a decision about a pair, or with none about it."""
        step = (pair, self.by_pair.get(pair))
        return self._with(pair, decision, (*self._history, step)[-_UNDO:])

    @property
    def last(self) -> Pair | None:
        """The pair that `undo` would change, None where there is nothing to undo."""
        return self._history[-1][0] if self._history else None

    def undo(self) -> "Decisions":
        """Return these as they were before the last `decide`, of this session's last 1,000."""
        if not self._history:
            return self
        pair, before = self._history[-1]
        return self._with(pair, before, self._history[:-1])

    def _with(self, pair: Pair, decision: Decision | None, history: tuple[Any, ...]) -> "Decisions":
        by_pair = self.by_pair.copy()
        if decision:
            by_pair[pair] = decision
        else:
            by_pair.pop(pair, None)
        return replace(self, by_pair=MappingProxyType(by_pair), _history=history)

    def to_json(self) -> str:
        """Return the decisions as JSON. Raises DecisionsError where a file could not hold them."""
        rows = [_row(pair, decision) for pair, decision in self.by_pair.items()]
        content = {"version": _VERSION, "dataset": self.dataset, "decisions": rows}
        text = json.dumps(content, ensure_ascii=False, indent=0)
        _check_size("The decisions", len(text.encode()))
        return text

    @classmethod
    def from_json(cls, text: str, name: str = "The file") -> "Decisions":
        """Return the decisions of a JSON file's text. Raises DecisionsError, which names it."""
        _check_size(name, len(text.encode(errors="replace")))
        try:
            content = json.loads(text)
            version = content["version"]
            if version == _VERSION:
                by_pair = dict(map(_decided, content["decisions"]))
                return cls(_text(content["dataset"]), MappingProxyType(by_pair))
        except (*_DAMAGE, DecisionsError) as error:
            raise DecisionsError(f"{name} does not hold the decisions of a check.") from error
        raise DecisionsError(f"{name} was written by another version of CaptionLens.")

    @classmethod
    def load(cls, path: Path) -> "Decisions":
        """Return the decisions of a file. Raises DecisionsError, or OSError as reading does."""
        with path.open("rb") as file:
            data = file.read(MAX_BYTES + 1)
        _check_size(path.name, len(data))
        return cls.from_json(data.decode("utf-8-sig", "replace"), path.name)

    def save(self, path: Path) -> None:
        """Write the file whole, or leave what was there. Raises OSError and as `to_json` does."""
        write_bytes(path, self.to_json().encode())


def _row(pair: Pair, decision: Decision) -> dict[str, str]:
    row = {"image": pair[0], "caption": pair[1], "action": decision.action}
    new = {"new_caption": decision.caption, "new_image": decision.image}
    return row | {name: text for name, text in new.items() if text}


def _decided(row: Mapping[str, Any]) -> tuple[Pair, Decision]:
    row = {"new_caption": "", "new_image": "", **row}
    decision = Decision(row["action"], _text(row["new_caption"]), _text(row["new_image"]))
    return (_text(row["image"]), _text(row["caption"])), decision


def _text(value: Any) -> str:
    """Return a value that is text. Raises TypeError, or ValueError for half a character."""
    if not isinstance(value, str):
        raise TypeError("not text")
    value.encode()
    return value


def _check_size(name: str, size: int) -> None:
    if size > MAX_BYTES:
        raise DecisionsError(f"{name} takes more than {MAX_BYTES / 1e6:.0f} MB.")
