"""Several people use one server at the same time, without a browser."""

import pytest

from components.bench import sessions


def test_several_sessions_at_once_are_all_served_and_leave_no_memory_behind(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(sessions, "_THINKING", 0.5)
    monkeypatch.setattr(sessions, "_LEAVING", 1.0)
    lines: list[str] = []
    loads = sessions.sessions([4], ["match", "matrix"], runs=2, rounds=3, say=lines.append)
    assert not any(load.failures for load in loads)
    assert all(len(load.seconds) == 8 for load in loads)
    assert len(lines) == 3 + len(loads)
    assert loads[-1].kept - loads[1].kept < 60 * 2**20  # bytes, of sixteen sessions more
