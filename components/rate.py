"""How fast a count grows, over the last seconds, and how long the rest will take."""

import time
from collections import deque


class Rate:
    """The speed of a count, such as bytes received or images encoded; for use by one thread."""

    def __init__(self, window: float = 5.0, settle: float = 0.0) -> None:
        """Measure over the last ``window`` seconds; no speed before ``settle`` seconds of it."""
        self.per_second = 0.0  # as of the last `add`
        self._window, self._settle = window, settle
        self._samples: deque[tuple[float, int]] = deque()  # (time, count), the oldest first

    def add(self, done: int) -> float:
        """Return the speed per second now that the count is ``done``; 0.0 until it is known.

        The first call sets the start; a count that fell back gives 0.0.
        """
        now = time.monotonic()
        self._samples.append((now, done))
        # The oldest sample kept is as old as the window, so that slow steps have a speed too.
        while len(self._samples) > 2 and self._samples[1][0] <= now - self._window:
            self._samples.popleft()
        start, before = self._samples[0]
        elapsed = now - start
        known = elapsed > self._settle
        self.per_second = max(done - before, 0) / elapsed if known else 0.0
        return self.per_second

    def seconds_left(self, remaining: int) -> float | None:
        """Return how long ``remaining`` more will take at this speed, None while it is 0."""
        return remaining / self.per_second if self.per_second else None
