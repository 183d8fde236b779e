"""A short and repeatable version of the trials that `make trials` runs for minutes."""

from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings

from tests.trials.fuzzing import PARTS


@pytest.mark.parametrize("part", PARTS)
def test_what_strangers_write_is_read_or_named(part: str) -> None:
    @settings(
        derandomize=True,
        max_examples=300,
        deadline=None,
        database=None,
        suppress_health_check=list(HealthCheck),
    )
    @given(PARTS[part].strategy())
    def run(example: Any) -> None:
        PARTS[part].check(example)

    run()
