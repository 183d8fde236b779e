"""Stopping long work from outside: Ctrl-C, or the signal that ends a process."""

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

from components.commands.console import say


class Stop(threading.Event):
    """Set once the work is to end; ``status`` is then the command's exit status."""

    status = 0


@contextmanager
def stopping(sentence: str) -> Iterator[Stop]:
    """Let the first Ctrl-C or SIGTERM set the event, and say ``sentence``.

    A second one ends the process at once.
    """
    stop = Stop()
    signals = (signal.SIGINT, signal.SIGTERM)
    before = {number: signal.getsignal(number) for number in signals}

    def restore() -> None:
        for number, handler in before.items():
            signal.signal(number, handler)

    def on_signal(number: int, _frame: FrameType | None) -> None:
        stop.status = 128 + number  # as a shell reports the signal
        stop.set()
        restore()
        say(f"\nStopping. {sentence}")  # below the line of progress

    for number in signals:
        signal.signal(number, on_signal)
    try:
        yield stop
    finally:
        restore()
