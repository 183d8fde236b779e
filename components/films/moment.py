"""Moments: the ids of a film's frames, times as people read them, and neighbours as one moment."""

import re
from collections.abc import Sequence

import numpy as np

from components.scores import Floats

_ID = re.compile(r"(.+)#t=(\d+\.\d{3})", re.DOTALL)


def frame_id(film: str, seconds: float) -> str:
    """Return the id of a frame: its film, which is a path relative to its folder, and its time."""
    return f"{film}#t={seconds:.3f}"


def film_of(id_: str) -> tuple[str, float] | None:
    """Return the film and the time in seconds of a frame's id, None where it is no frame's."""
    parts = _ID.fullmatch(id_)
    return (parts[1], float(parts[2])) if parts else None


def is_of(id_: str, film: str) -> bool:
    """Return whether an id is that of a frame of a film."""
    moment = film_of(id_)
    return moment is not None and moment[0] == film


def clock(seconds: float) -> str:
    """Return a time as "1:02:03", whole seconds that have passed."""
    minutes, rest = divmod(int(seconds), 60)
    return f"{minutes // 60}:{minutes % 60:02}:{rest:02}"


def moments(ids: Sequence[str], cosines: Floats, within: float = 10.0) -> list[list[int]]:
    """Return groups of places in ``ids``, best first, each group's best frame first.

    A frame of a film joins the nearest better moment whose best frame is at most ``within``
    seconds away; otherwise it begins one. An id that is no frame's is a group of its own.
    """
    groups: list[list[int]] = []
    begun: dict[tuple[str, int], tuple[float, list[int]]] = {}  # by film and span of ``within``
    for place in np.argsort(-np.asarray(cosines), kind="stable").tolist():
        frame = film_of(ids[place])
        if frame is None:
            groups.append([place])
            continue
        film, seconds = frame
        span = int(seconds / within) if within > 0 else round(seconds * 1000)
        # Best frames are farther apart than a span is long, so that each span has at most one.
        near = [begun[key] for step in (0, -1, 1) if (key := (film, span + step)) in begun]
        apart, group = min(
            ((abs(best - seconds), group) for best, group in near),
            key=lambda each: each[0],
            default=(np.inf, []),
        )
        if apart > within:
            group = []
            groups.append(group)
            begun[film, span] = seconds, group
        group.append(place)
    return groups
