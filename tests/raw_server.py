"""A server on this machine that answers with whatever bytes a test gives it."""

import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress

Answer = Callable[[socket.socket], None]


@contextmanager
def raw_server(answer: Answer) -> Iterator[str]:
    """Yield the address of a server that calls ``answer`` with each connection it accepts."""
    with socket.create_server(("127.0.0.1", 0)) as listening:

        def serve(connection: socket.socket) -> None:
            with connection, suppress(OSError):
                connection.recv(65536)
                answer(connection)

        def accept() -> None:
            with suppress(OSError):
                while True:
                    connection, _ = listening.accept()
                    threading.Thread(target=serve, args=(connection,), daemon=True).start()

        threading.Thread(target=accept, daemon=True).start()
        yield f"http://127.0.0.1:{listening.getsockname()[1]}"
        with suppress(OSError):
            listening.shutdown(socket.SHUT_RDWR)  # wakes the waiting thread


def answers(data: bytes) -> Answer:
    """Return an answer of ``data``, after which the connection is closed."""
    return lambda connection: connection.sendall(data)


def drips(head: bytes, pause: float) -> Answer:
    """Return an answer of ``head`` and then a byte every ``pause`` seconds, without an end."""

    def drip(connection: socket.socket) -> None:
        connection.sendall(head)
        wait = threading.Event()
        while not wait.wait(pause):
            connection.sendall(b"x")

    return drip
