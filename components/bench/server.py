"""The app on a free port of this computer, for as long as something measures or tests it."""

import os
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from components.settings import ROOT

_PATIENCE = 60.0  # seconds


@contextmanager
def running(
    log: Path, app: str = "app.py", port: int = 0, **environment: str
) -> Iterator[tuple[int, "subprocess.Popen[bytes]"]]:
    """Start an app as `make app` does and yield its port and process; stop it afterwards.

    ``port`` is 0 for one that is free. Raises RuntimeError where the app ends, or does not answer
    in a minute.
    """
    port = port or free_port()
    command = [sys.executable, "-m", "streamlit", "run", app, "--server.port", str(port)]
    with log.open("wb") as sink:
        process = subprocess.Popen(
            command, cwd=ROOT, env={**os.environ, **environment}, stdout=sink, stderr=sink
        )
    try:
        _wait(port, process)
        yield port, process
    finally:
        process.terminate()
        process.wait(20)


def free_port() -> int:
    """Return a port of this computer that nobody listens on."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port: int = free.getsockname()[1]
    return port


def _wait(port: int, process: "subprocess.Popen[bytes]") -> None:
    deadline = time.monotonic() + _PATIENCE
    while time.monotonic() < deadline:
        try:
            urllib.request.urlopen(f"http://127.0.0.1:{port}/_stcore/health", timeout=5).read()
            return
        except OSError:  # it does not listen yet
            if process.poll() is not None:
                raise RuntimeError("The server ended.") from None
            time.sleep(0.1)
    raise RuntimeError(f"The server did not start in {_PATIENCE:.0f} seconds.")
