"""Builds that end at any of their file operations: nothing is lost, doubled or damaged."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from components.settings import ROOT


@pytest.mark.parametrize(
    ("kind", "how"),
    [
        *(("build", "kill"), ("update", "kill"), ("rebuild", "kill")),
        *(("build", "full"), ("update", "full")),
    ],
)
def test_a_build_that_ends_at_any_file_operation_is_resumed(
    kind: str, how: str, tmp_path: Path
) -> None:
    """By a kill, or by a disk that is full from there on, which is a sentence."""
    done = subprocess.run(
        [sys.executable, "-m", "tests.crash_points", kind, how, str(tmp_path)],
        cwd=ROOT,
        env={**os.environ, "OMP_NUM_THREADS": "1"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert int(done.stdout) > 50  # operations
