"""What a person decides about the pairs: kept in the session, and in a file of a collection."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import streamlit as st
from filelock import FileLock

from components.check.decisions import Decision, Decisions, Pair
from components.check.indexed import DECISIONS
from components.collection.manifest import CHECK
from components.errors import CaptionLensError
from components.newest import keep
from components.ui.account import Permission, may
from components.ui.check.subject import Subject
from components.ui.text import plain
from components.words import shorten

_KEPT = 8  # datasets whose decisions a session keeps
_PATIENCE = 5.0  # seconds; a change of the file takes milliseconds
WORDS = {"keep": "Kept", "drop": "Dropped", "rewrite": "Rewritten", "move": "Moved"}


@dataclass(frozen=True)
class _Kept:
    """Decisions with the state of their file: its time of change and size, None without one."""

    decisions: Decisions
    stamp: tuple[int, int] | None


def decisions(subject: Subject) -> Decisions:
    """Return the decisions about a dataset; those of its file, where another session changed it."""
    stamp, kept = _stamp(subject), _session().get(subject.key)
    if kept is None or kept.stamp != stamp:
        kept = _Kept(_loaded(subject) if stamp else Decisions(subject.dataset), stamp)
        keep(_session(), subject.key, kept, _KEPT)
    return kept.decisions


def decide(subject: Subject, rows: Sequence[int], decision: Decision) -> None:
    """Decide the same about some pairs."""

    def change(new: Decisions) -> Decisions:
        for row in rows:
            new = new.decide(subject.pair(row), decision)
        return new

    _change(subject, change)


def undo(subject: Subject) -> Pair | None:
    """Take the last decision back; return the pair that it was about."""
    undone: list[Pair | None] = []

    def change(current: Decisions) -> Decisions:
        undone.append(current.last)
        return current.undo()

    _change(subject, change)
    return undone[-1]


def undecided(subject: Subject, rows: Sequence[int]) -> list[int]:
    """Return those of some rows that nothing is decided about, in their order."""
    taken = decisions(subject)
    return [row for row in rows if taken.get(subject.pair(row)) is None]


def describe(decision: Decision) -> str:
    """Return a decision in words: "Moved to cat.jpg"."""
    word = WORDS[decision.action]
    if decision.action == "rewrite":
        return f"{word}: “{shorten(decision.caption, 200)}”"
    return f"{word} to {shorten(decision.image, 60)}" if decision.action == "move" else word


def resume(subject: Subject, others: Decisions) -> int:
    """Add decisions that were kept in a file, in place of those about the same pairs.

    Return how many; those that move a caption to an image that the dataset lacks are left out.
    """
    known = {"", *subject.data.images}
    added = {pair: taken for pair in others if (taken := others.get(pair)) and taken.image in known}

    def change(merged: Decisions) -> Decisions:
        for pair, taken in added.items():
            merged = merged.decide(pair, taken)
        return merged

    _change(subject, change)
    return len(added)


def explain(subject: Subject) -> None:
    """Draw why decisions cannot be read or written, if that is so."""
    sentence = st.session_state.get("check_unkept", {}).get(subject.key)
    if sentence:
        st.warning(plain(sentence), icon=":material/save:")


def in_file(subject: Subject) -> bool:
    """Return whether decisions are kept in a file of the dataset."""
    return subject.folder is not None and may(Permission.DECIDE)


def _file(subject: Subject) -> Path | None:
    return subject.folder / CHECK / DECISIONS if subject.folder else None


def _session() -> dict[tuple[object, ...], _Kept]:
    kept: dict[tuple[object, ...], _Kept] = st.session_state.setdefault("check_decisions", {})
    return kept


def _stamp(subject: Subject) -> tuple[int, int] | None:
    try:
        file = _file(subject)
        status = file.stat() if file else None
    except OSError:
        return None
    return (status.st_mtime_ns, status.st_size) if status else None


def _loaded(subject: Subject) -> Decisions:
    file = _file(subject)
    assert file is not None  # noqa: S101 - it has a stamp
    try:
        return Decisions.load(file)
    except (CaptionLensError, OSError) as error:
        _say(subject, f"{error} New decisions replace them.")
        return Decisions(subject.dataset)


def _change(subject: Subject, change: Callable[[Decisions], Decisions]) -> None:
    """Change the decisions; another session, or server, that changes their file waits meanwhile."""
    file = _file(subject)
    if file and in_file(subject):
        try:
            file.parent.mkdir(exist_ok=True)
            with FileLock(file.with_suffix(".lock"), timeout=_PATIENCE):
                new = change(decisions(subject))
                new.save(file)
                _keep(subject, new)
            _say(subject, "")
            return
        except (CaptionLensError, OSError) as error:  # where it cannot be locked, too
            _say(subject, f"Decisions stay in this session: they cannot be written. {error}")
    _keep(subject, change(decisions(subject)))


def _keep(subject: Subject, new: Decisions) -> None:
    keep(_session(), subject.key, _Kept(new, _stamp(subject)), _KEPT)


def _say(subject: Subject, sentence: str) -> None:
    st.session_state["check_unkept"] = {subject.key: sentence}
