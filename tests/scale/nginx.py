"""nginx with the project's own configuration; to install it: ``python -m tests.scale.nginx``."""

import os
import shutil
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from components.bench.server import free_port
from components.settings import ROOT
from tests import debian

CONFIGURATION = ROOT / "docs" / "nginx.conf"
_MISSING = "nginx is missing: run `make nginx`, or install it (apt-get install nginx-light)."
_TEMPORARY = ("client_body", "proxy", "fastcgi", "uwsgi", "scgi")  # folders that it makes at start
_PATIENCE = 20.0  # seconds


def find() -> str | None:
    """Return the program; on Debian it is in a folder that only root has in its PATH."""
    return shutil.which("nginx", path=f"{os.environ.get('PATH', '')}:/usr/sbin")


@contextmanager
def running(folder: Path, ports: tuple[int, int]) -> Iterator[str]:
    """Run nginx in front of two servers of this computer; yield its address.

    Its configuration is the project's own, with other addresses. Raises AssertionError where nginx
    is missing or refuses it.
    """
    program = find()
    assert program, _MISSING
    listens = free_port()
    command = [program, "-p", str(folder), "-c", str(_configured(folder, ports, listens))]
    with (folder / "nginx.log").open("wb") as log:
        process = subprocess.Popen(command, stdout=log, stderr=log)
    try:
        _wait(listens, process, folder / "nginx.log")
        yield f"http://127.0.0.1:{listens}"
    finally:
        process.terminate()
        process.wait(20)


def _configured(folder: Path, ports: tuple[int, int], listens: int) -> Path:
    """Write the project's configuration for these ports, and one that includes it."""
    text = CONFIGURATION.read_text(encoding="utf-8")
    text = text.replace("listen 8080", f"listen 127.0.0.1:{listens}")
    for name, planned, port in zip(("app1", "app2"), (8501, 8502), ports, strict=True):
        text = text.replace(f"{name}:{planned}", f"127.0.0.1:{port}").replace(
            f":{planned}$", f":{port}$"
        )
    (folder / "captionlens.conf").write_text(text, encoding="utf-8")
    places = " ".join(f"{name}_temp_path {folder / name};" for name in _TEMPORARY)
    main = folder / "nginx.conf"
    main.write_text(
        f"daemon off; worker_processes 2; pid {folder / 'pid'}; error_log stderr;\n"
        f"events {{}}\nhttp {{ {places} include captionlens.conf; }}\n",
        encoding="utf-8",
    )
    return main


def _wait(port: int, process: "subprocess.Popen[bytes]", log: Path) -> None:
    deadline = time.monotonic() + _PATIENCE
    while time.monotonic() < deadline:
        assert process.poll() is None, log.read_text(encoding="utf-8", errors="replace")
        try:
            socket.create_connection(("127.0.0.1", port), timeout=1).close()
            return
        except OSError:  # it does not listen yet
            time.sleep(0.05)
    raise AssertionError(f"nginx did not start in {_PATIENCE:.0f} seconds.")


if __name__ == "__main__":
    if not find() and debian.can_install():
        debian.install("nginx-light")
    if not find():
        sys.exit(_MISSING)
