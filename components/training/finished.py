"""What a finished run leaves beside its model: its log, and its figures before and after."""

import csv
import json
from dataclasses import asdict, dataclass
from functools import lru_cache
from pathlib import Path

from components.files import write_bytes
from components.settings import Settings
from components.training.loop import LOG
from components.training.run import Comparison, Figures

COMPARISON = "comparison.json"


@dataclass(frozen=True)
class Finished:
    """A finished run by its model's name; ``losses`` and ``devs`` are (step, figure)."""

    name: str
    losses: tuple[tuple[int, float], ...]
    devs: tuple[tuple[int, float], ...]
    comparison: Comparison | None  # None for a pair matcher, and for runs of older versions


def write_comparison(folder: Path, comparison: Comparison) -> None:
    """Keep a run's figures in the folder of its model."""
    write_bytes(folder / COMPARISON, json.dumps(asdict(comparison)).encode())


def last_finished() -> Finished | None:
    """Return the run that finished last and whose model is on disk; None if there is none.

    Logs that cannot be read are passed over.
    """
    logs = (Settings().model_cache / "trained").glob(f"*/{LOG}")
    for log in sorted(logs, key=lambda file: file.stat().st_mtime, reverse=True):
        try:
            return _read(log, log.stat().st_mtime_ns)
        except (OSError, ValueError, KeyError, TypeError):
            continue
    return None


@lru_cache(maxsize=1)
def _read(log: Path, changed: int) -> Finished:
    """Return a run from its log, which is read again when the time it was ``changed`` differs."""
    with log.open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    losses = tuple((int(row["step"]), float(row["loss"])) for row in rows if row["loss"])
    devs = tuple((int(row["step"]), float(row["dev"])) for row in rows if row["dev"])
    if not losses:
        raise ValueError(log)
    return Finished(log.parent.name, losses, devs, _comparison(log.with_name(COMPARISON)))


def _comparison(file: Path) -> Comparison | None:
    if not file.is_file():
        return None
    kept = json.loads(file.read_text(encoding="utf-8"))
    return Comparison(_figures(kept["before"]), _figures(kept["after"]))


def _figures(kept: dict[str, list[float]]) -> Figures:
    return Figures(**{name: tuple(values) for name, values in kept.items()})
