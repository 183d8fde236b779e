"""A limit on the time of a download, from the first byte to the last, and a stop that works.

A socket's own timeout starts anew with each byte that arrives. Here a thread closes the socket of
a download that takes too long, or that is no longer wanted, whatever it waits for.
"""

import os
import selectors
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Any, cast

from urllib3.exceptions import HTTPError

_TICK = 0.1  # seconds


class CutOff(HTTPError):  # noqa: N818 - not always an error
    """A download was ended, for the reason given."""


class Watch:
    """The download of one thread: the time that its request has left, and its socket."""

    def __init__(self, seconds: float, stop: threading.Event) -> None:
        self.seconds, self.stop = seconds, stop
        self.reason = ""  # why it was cut off
        self._deadline = time.monotonic() + seconds
        self._socket: socket.socket | None = None

    def begin(self) -> None:
        """Start a request. Raises CutOff where the download was ended."""
        self.check()
        self._deadline = time.monotonic() + self.seconds

    def check(self) -> None:
        """Raise CutOff where the download has to end."""
        if not self.reason and self.stop.is_set():
            self.reason = "was stopped"
        elif not self.reason and time.monotonic() > self._deadline:
            self.reason = f"took longer than {self.seconds:.0f} s"
        if self.reason:
            raise CutOff(self.reason)

    def connect(self, sock: socket.socket, place: Any, seconds: float) -> None:
        """Connect a socket. Raises CutOff, and OSError where there is no answer in ``seconds``."""
        sock.setblocking(False)
        with suppress(BlockingIOError):
            sock.connect(place)
        end = time.monotonic() + seconds
        with selectors.DefaultSelector() as ready:
            ready.register(sock, selectors.EVENT_WRITE)
            while not ready.select(_TICK):
                self.check()
                if time.monotonic() > end:
                    raise TimeoutError("timed out")
        failed = sock.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR)
        if failed:
            raise OSError(failed, "it cannot be reached")
        sock.settimeout(seconds)

    def hold(self, sock: socket.socket) -> None:
        """Watch a connected socket: a copy of it, since TLS takes the socket itself."""
        self.release()
        self._socket = socket.socket(fileno=os.dup(sock.fileno()))

    def release(self) -> None:
        """Stop watching the socket."""
        if self._socket:
            self._socket.close()

    def run(self, ended: threading.Event) -> None:
        """Close the socket once the download has to end."""
        while not ended.wait(_TICK):
            with suppress(CutOff):
                self.check()
                continue
            if self._socket:
                with suppress(OSError):  # it is closed already
                    self._socket.shutdown(socket.SHUT_RDWR)


_current = threading.local()


def current() -> Watch:
    """Return the watch over this thread's download, within `watched`."""
    return cast(Watch, _current.watch)


@contextmanager
def watched(seconds: float, stop: threading.Event) -> Iterator[Watch]:
    """Watch over this thread's download; each of its requests has ``seconds``."""
    watch, ended = Watch(seconds, stop), threading.Event()
    threading.Thread(target=watch.run, args=(ended,), daemon=True).start()
    _current.watch = watch
    try:
        yield watch
    finally:
        _current.watch = None
        ended.set()
        watch.release()
