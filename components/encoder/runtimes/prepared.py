"""A checkpoint's conversion for OpenVINO, made once and kept in ``model_cache/openvino/``.

It loads in well under a second. OpenVINO's own ``CACHE_DIR`` is not used: its key leaves the
precision out (2026.4), so a bf16 compile could be handed an f32 blob and answer NaN, and compiling
from our file takes a fraction of a second anyway.
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

from components.encoder.runtimes import RuntimeUnavailable
from components.models import Located
from components.settings import ROOT, Settings

_FORMAT = 2  # raised whenever what `convert` writes changes
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
    command = [sys.executable, "-m", "components.encoder.runtimes.convert", model_id, str(folder)]
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
