"""Publishes a collection and kills itself after a step.

    python -m tests.scale.killed_publish NAME STEP

A step is a call to the server, or "note": the note of the publication beside the manifest.
"""

import os
import signal
import sys
import threading
from pathlib import Path
from typing import Any
from unittest.mock import patch

from components.collection.milvus import publish
from components.collection.milvus.address import Server, connect
from components.collection.milvus.publication import Publication, write_publication
from components.settings import Settings

# The last one sweeps what the one before has left.
STEPS = ("create_collection", "upsert", "load_collection", "alter_alias", "note", "drop_collection")


def _kill() -> None:
    os.kill(os.getpid(), signal.SIGKILL)


def main(name: str, step: str) -> None:
    """Publish, and end after ``step``."""
    call = Server.call

    def called(self: Server, method: str, *arguments: Any, **options: Any) -> Any:
        answer = call(self, method, *arguments, **options)
        if method == step:
            _kill()
        return answer

    def written(folder: Path, publication: Publication) -> None:
        write_publication(folder, publication)
        if step == "note":
            _kill()

    with patch.object(Server, "call", called), patch.object(publish, "write_publication", written):
        publish.publish(name, connect(Settings().milvus), lambda now: None, threading.Event())


if __name__ == "__main__":
    main(*sys.argv[1:])
