"""Fuzzes one of the parts that read what strangers write, for some minutes.

    python -m tests.trials.fuzzing images|tables|queries --minutes 10

Prints how many examples ran. What does not hold is an error with the smallest example that
Hypothesis finds; the last example is in .test-results/trials, in case the process itself dies.
"""

import argparse
import faulthandler
import pickle
import resource
import sys
import time
from collections.abc import Callable
from itertools import count
from pathlib import Path
from typing import Any

from hypothesis import HealthCheck, given, seed, settings
from hypothesis import strategies as st

from components.settings import ROOT
from tests.trials import images, queries, tables

PARTS = {"images": images, "tables": tables, "queries": queries}
_SECONDS = 5.0  # of processor time that an example may take
_KILOBYTES = 1_500_000  # that the process may have taken at most, libraries included
_LAST = ROOT / ".test-results" / "trials"
_ROUND = 1000  # examples of one seed
_SETTINGS = settings(
    deadline=None, database=None, suppress_health_check=list(HealthCheck), print_blob=True
)


def fuzz(check: Callable[[Any], None], examples: st.SearchStrategy[Any], minutes: float) -> int:
    """Return how many examples ran, in rounds of a new seed each, until the time is over."""
    end, ran = time.monotonic() + minutes * 60, 0

    def one(example: Any) -> None:
        nonlocal ran
        ran += 1
        if time.monotonic() < end:
            timed(check, example)

    first = time.time_ns() % 2**32
    for number in count(first):
        if time.monotonic() >= end:
            return ran
        run = given(examples)(one)
        seed(number)(settings(_SETTINGS, max_examples=_ROUND)(run))()
    raise AssertionError("unreachable")


def timed(check: Callable[[Any], None], example: Any) -> None:
    """Check an example; raise AssertionError where that takes long, or much memory."""
    start = time.process_time()
    check(example)
    seconds = time.process_time() - start
    assert seconds < _SECONDS, f"took {seconds:.1f} s"
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    assert peak < _KILOBYTES, f"took up to {peak:,} KB"


def main() -> None:
    """Fuzz the part that the command line names."""
    parser = argparse.ArgumentParser()
    parser.add_argument("part", choices=PARTS)
    parser.add_argument("--minutes", type=float, default=10.0)
    options = parser.parse_args()
    faulthandler.enable()
    _LAST.mkdir(parents=True, exist_ok=True)
    last: Path = _LAST / f"{options.part}.pickle"
    part = PARTS[options.part]

    def check(example: Any) -> None:
        last.write_bytes(pickle.dumps(example))
        part.check(example)

    ran = fuzz(check, part.strategy(), options.minutes)
    sys.stdout.write(f"{options.part}: {ran:,} examples in {options.minutes:g} minutes\n")


if __name__ == "__main__":
    main()
