"""Several people use one server at the same time, without a browser."""

from components.bench.sessions import sessions


def test_several_sessions_at_once_are_all_served_and_leave_no_memory_behind() -> None:
    lines: list[str] = []
    loads = sessions([4], ["match", "matrix"], runs=1, rounds=3, say=lines.append)
    assert not any(load.failures for load in loads)
    assert all(len(load.seconds) == 4 for load in loads)
    assert len(lines) == 3 + len(loads)
    assert loads[-1].kept - loads[1].kept < 60 * 2**20  # bytes, of eight sessions more
