"""The speed of a count over the last seconds, and the time that is left."""

import pytest

from components import rate
from components.rate import Rate


class Clock:
    def __init__(self) -> None:
        self.now = 100.0

    def monotonic(self) -> float:
        return self.now


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    clock = Clock()
    monkeypatch.setattr(rate, "time", clock)
    return clock


def test_the_speed_is_that_of_the_last_seconds(clock: Clock) -> None:
    meter = Rate(window=5.0)
    assert meter.add(0) == 0.0
    assert meter.seconds_left(100) is None
    for second in range(1, 11):
        clock.now += 1
        assert meter.add(10 * second) == pytest.approx(10)
    for second in range(1, 6):  # twice as fast: known once the slow seconds are out of the window
        clock.now += 1
        speed = meter.add(100 + 20 * second)
    assert speed == meter.per_second == pytest.approx(20)
    assert meter.seconds_left(100) == pytest.approx(5)
    assert meter.seconds_left(0) == 0.0


def test_steps_longer_than_the_window_have_a_speed(clock: Clock) -> None:
    meter = Rate(window=5.0)
    meter.add(0)
    for step in range(1, 4):
        clock.now += 20
        assert meter.add(step) == pytest.approx(1 / 20)


def test_no_speed_before_it_has_settled_or_when_the_count_falls(clock: Clock) -> None:
    meter = Rate(window=5.0, settle=0.5)
    meter.add(0)
    clock.now += 0.4
    assert meter.add(1000) == 0.0
    clock.now += 0.2
    assert meter.add(1200) == pytest.approx(2000)
    clock.now += 0.2
    assert Rate().add(0) == 0.0
    assert meter.add(0) == 0.0
    assert meter.seconds_left(10) is None
