"""A real Milvus server for the tests, started in this network namespace: see `namespace`.

It comes from the package `milvus`, in an environment of its own, which `make scale` installs: its
wrapper hides the ports and ends the server a second after asking, so that is done here.
"""

import os
import subprocess
import time
import urllib.error
import urllib.request
from pathlib import Path
from types import TracebackType
from typing import Self

from components.bench.server import free_port
from components.settings import ROOT
from tests.scale.namespace import isolated

INSTALLED = ROOT / ".venv" / "milvus-server"
# As in compose.yaml: few large segments, each of which has a graph of its own to search.
SEGMENTS = {"DATACOORD_SEGMENT_MAXSIZE": "1024", "DATACOORD_SEGMENT_SEALPROPORTION": "1.0"}
_HEALTH = 9091
_STARTING = 60.0  # seconds; measured: 2 to 4
# Unpacks the server once, and writes the settings of one instance.
_PREPARE = """
import sys
from milvus import MilvusServerConfig, _initialize_data_files
unpacked, folder, port = sys.argv[1:]
_initialize_data_files(unpacked)
config = MilvusServerConfig(data_dir=folder, proxy_port=int(port), system_log_level="warn")
config.set("common.session.ttl", "5")
config.resolve()
"""


class MilvusServer:
    """A server with its data in ``folder``; it can be killed and started again."""

    def __init__(self, folder: Path) -> None:
        if not isolated():
            raise RuntimeError("Milvus listens on every interface: run `make scale`.")
        python = INSTALLED / "bin" / "python"
        if not python.exists():
            raise RuntimeError("The Milvus server is not installed. Run `make scale`.")
        self._folder = folder
        self._process: subprocess.Popen[bytes] | None = None
        # Not one port for all: the wrapper refuses one that a server before has just left.
        port = free_port()
        self.address = f"milvus://127.0.0.1:{port}/default"
        unpacked = INSTALLED / "unpacked"
        prepare = [str(python), "-c", _PREPARE, str(unpacked), str(folder), str(port)]
        subprocess.run(prepare, check=True)
        self._program = unpacked / "bin" / "milvus"

    @property
    def process_id(self) -> int:
        """The running server's process."""
        assert self._process is not None
        return self._process.pid

    def start(self) -> None:
        """Start the server, and wait until it answers."""
        libraries = {"LD_LIBRARY_PATH": str(self._program.parent)}
        places = {
            "DEPLOY_MODE": "STANDALONE",
            "METRICS_PORT": str(_HEALTH),
            "MILVUS_RUN_DIR": str(self._folder / "run"),
            **SEGMENTS,
        }
        with (self._folder / "output.log").open("ab") as log:
            self._process = subprocess.Popen(
                [str(self._program), "run", "standalone"],
                cwd=self._folder,
                env={**os.environ, **libraries, **places},
                stdout=log,
                stderr=log,
            )
        self._await()

    def _await(self) -> None:
        assert self._process is not None
        until = time.monotonic() + _STARTING
        while time.monotonic() < until and self._process.poll() is None:
            try:
                with urllib.request.urlopen(f"http://127.0.0.1:{_HEALTH}/healthz", timeout=5):
                    return
            except (urllib.error.URLError, ConnectionError):
                time.sleep(0.1)
        raise RuntimeError(f"The Milvus server did not start: see {self._folder / 'output.log'}.")

    def kill(self) -> None:
        """End the server as a power cut does; asked to end, it takes half a minute."""
        if self._process is not None:
            self._process.kill()
            self._process.wait(30)
            self._process = None

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.kill()
