"""Bounded caches in a session, or shared by sessions: only the newest entries stay."""

from collections.abc import Hashable
from typing import TypeVar

Key = TypeVar("Key", bound=Hashable)
Value = TypeVar("Value")


def keep(kept: dict[Key, Value], key: Key, value: Value, most: int) -> Value:
    """Put a value into ``kept`` as its newest and leave ``most`` entries; return the value."""
    kept.pop(key, None)
    kept[key] = value
    for old in [*kept][:-most]:
        kept.pop(old, None)  # another session may have been faster
    return value
