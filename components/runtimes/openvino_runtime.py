"""Towers on OpenVINO: the fast way on a CPU, without torch in the process.

A checkpoint is converted once (`prepare`) into ``model_cache/openvino/``; from then on it loads
in well under a second. OpenVINO's own ``CACHE_DIR`` is not used: its key leaves the precision
out (2026.4), so a bf16 compile could be handed an f32 blob and answer NaN, and compiling from
our file takes a fraction of a second anyway.
"""

import hashlib
import re
import shutil
import subprocess
import sys
import tempfile
import threading
import time
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from components.models import Located
from components.recipe import Recipe
from components.runtimes import Array, RuntimeUnavailable
from components.settings import ROOT, Settings

_FORMAT = 1  # raised whenever what `convert` writes changes
_MAKING = ".making-"
_preparing = threading.Lock()


def prepared_folder(located: Located) -> Path:
    """Return where the converted checkpoint lies or will lie: named by revision and versions."""
    made_by = f"{_FORMAT} {version('openvino')} {version('transformers')}"
    facts = f"{located.spec.id} {located.revision} {made_by}"
    digest = hashlib.sha256(facts.encode()).hexdigest()[:12]
    return Settings().model_cache / "openvino" / f"{_slug(located)}-{digest}"


def _slug(located: Located) -> str:
    return re.sub(r"[^\w.]+", "-", located.spec.id).strip("-.")[-60:]


def is_prepared(located: Located) -> bool:
    """Return whether `prepare` has nothing left to do."""
    return (prepared_folder(located) / "recipe.json").is_file()


def prepare(located: Located) -> Path:
    """Return the folder of the converted checkpoint, made first where it is missing.

    Takes seconds to minutes the first time. The folder appears whole or not at all. Raises
    RuntimeUnavailable with the converter's reason.
    """
    folder = prepared_folder(located)
    with _preparing:
        if not (folder / "recipe.json").is_file():
            folder.parent.mkdir(parents=True, exist_ok=True)
            _drop_stale(located)
            made = Path(tempfile.mkdtemp(dir=folder.parent, prefix=_MAKING))
            try:
                _convert(located.spec.id, made)
                _publish(made, folder)
            finally:
                shutil.rmtree(made, ignore_errors=True)
    return folder


def _convert(model_id: str, folder: Path) -> None:
    command = [sys.executable, "-m", "components.runtimes.convert", model_id, str(folder)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    if done.returncode:
        reason = (done.stderr.strip().splitlines() or ["the converter was ended"])[-1]
        raise RuntimeUnavailable(f"OpenVINO cannot run {model_id}: {reason}")


def _publish(made: Path, folder: Path) -> None:
    """Rename ``made`` to ``folder``; another process may have been first, which is as good."""
    try:
        made.replace(folder)
    except OSError:
        if not (folder / "recipe.json").is_file():
            raise


def _drop_stale(located: Located) -> None:
    """Remove conversions of earlier files or versions, and what a killed process left behind."""
    folder = prepared_folder(located)
    earlier = set(folder.parent.glob(f"{_slug(located)}-" + "[0-9a-f]" * 12)) - {folder}
    hour_ago = time.time() - 3600  # younger ones may be another process's work in hand
    killed = {made for made in folder.parent.glob(f"{_MAKING}*") if _modified(made) < hour_ago}
    for stale in earlier | killed:
        shutil.rmtree(stale, ignore_errors=True)


def _modified(folder: Path) -> float:
    try:
        return folder.stat().st_mtime
    except FileNotFoundError:  # its process has just finished
        return time.time()


class OpenVinoRuntime:
    """Both towers of a prepared checkpoint, compiled for this CPU."""

    library = f"OpenVINO {version('openvino').rsplit('.', 1)[0]}"
    device = "CPU"

    def __init__(self, folder: Path, precision: str | None = None) -> None:
        """Compile what `prepare` wrote; precision "f32" or "bf16", by default what is fastest."""
        import openvino

        core = openvino.Core()
        self.precision = precision or best_precision()
        self.recipe = Recipe.from_json((folder / "recipe.json").read_text(encoding="utf-8"))
        options = {"INFERENCE_PRECISION_HINT": self.precision, "PERFORMANCE_HINT": "LATENCY"}
        # One infer request a tower, used by one thread at a time: it already takes every core.
        self._image, self._text = (
            core.compile_model(
                core.read_model(folder / file), "CPU", options
            ).create_infer_request()
            for file in ("image.xml", "text.xml")
        )
        self._lock = threading.Lock()

    def images(self, *inputs: Array) -> NDArray[np.float32]:
        """Return (n, width) raw image embeddings of (n, height, width, 3) bytes."""
        return self._run(self._image, inputs)

    def texts(self, ids: Array, mask: Array) -> NDArray[np.float32]:
        """Return (n, width) raw text embeddings of (n, tokens) ids and attention mask."""
        return self._run(self._text, (ids, mask))

    def _run(self, request: Any, inputs: tuple[Array, ...]) -> NDArray[np.float32]:
        with self._lock:
            result = request.infer(list(inputs), share_inputs=True)
            return np.array(result[0], dtype=np.float32)  # a copy: the next call reuses its memory


def best_precision() -> str:
    """Return "bf16" where the CPU computes in it, else "f32"."""
    import openvino

    able = openvino.Core().get_property("CPU", "OPTIMIZATION_CAPABILITIES")
    return "bf16" if "BF16" in able else "f32"
