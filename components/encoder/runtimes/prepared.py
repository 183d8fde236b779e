"""Converts checkpoints for OpenVINO, once, and keeps them in ``model_cache/openvino/``.

A converted checkpoint loads in well under a second. OpenVINO's own ``CACHE_DIR`` is not used: its
key omits the precision (2026.4), so that bf16 could load a blob compiled for f32 and return NaN.
"""

import hashlib
import re
import shutil
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterable
from importlib.metadata import version
from pathlib import Path

from components.encoder.runtimes import RuntimeUnavailable
from components.encoder.runtimes.int8 import Int8Check, read_check
from components.models import Located
from components.settings import ROOT, Settings

_FORMAT = 2  # raised whenever what `convert` writes changes
_MAKING = ".making-"
_preparing = threading.Lock()


def prepared_folder(located: Located) -> Path:
    """Return the folder for a converted checkpoint, named by its revision and the versions."""
    versions = f"{_FORMAT} {version('openvino')} {version('transformers')}"
    key = f"{located.spec.id} {located.revision} {versions}"
    digest = hashlib.sha256(key.encode()).hexdigest()[:12]
    return Settings().model_cache / "openvino" / f"{_slug(located)}-{digest}"


def _slug(located: Located) -> str:
    return re.sub(r"[^\w.]+", "-", located.spec.id).strip("-.")[-60:]


def is_prepared(located: Located) -> bool:
    """Return whether a checkpoint is converted."""
    return (prepared_folder(located) / "recipe.json").is_file()


def unused(located: Iterable[Located]) -> list[Path]:
    """Return the folders of conversions that none of these checkpoints uses.

    They are of models that are gone, or of folders that were given by their path.
    """
    used = {prepared_folder(each) for each in located}
    folders = (Settings().model_cache / "openvino").glob("*")
    kept = {folder for folder in folders if not folder.name.startswith(_MAKING)}
    return sorted(kept - used)


def prepare(located: Located) -> Path:
    """Return the folder of a converted checkpoint, after converting it where necessary.

    The first call takes seconds to minutes. An incomplete conversion leaves no folder. Raises
    RuntimeUnavailable with the converter's reason, or where model_cache cannot be written.
    """
    folder = prepared_folder(located)
    with _preparing:
        if not (folder / "recipe.json").is_file():
            try:
                _make(located, folder)
            except OSError as error:
                reason = error.strerror or str(error)
                raise RuntimeUnavailable(f"model_cache cannot be written: {reason}.") from error
    return folder


def _make(located: Located, folder: Path) -> None:
    folder.parent.mkdir(parents=True, exist_ok=True)
    _drop_stale(located)
    draft = Path(tempfile.mkdtemp(dir=folder.parent, prefix=_MAKING))
    try:
        _run(located.spec.id, "convert", located.spec.id, str(draft))
        _publish(draft, folder)
    finally:
        shutil.rmtree(draft, ignore_errors=True)


def int8_check(located: Located) -> Int8Check | None:
    """Return the check of a checkpoint's int8 image tower, None where there is no such tower."""
    return read_check(prepared_folder(located))


def prepare_int8(located: Located) -> Int8Check:
    """Return how well a checkpoint's int8 image tower follows float32, after making it once.

    Takes seconds to minutes. Raises RuntimeUnavailable where it cannot be converted or quantised.
    """
    folder = prepare(located)
    with _preparing:
        check = read_check(folder)
        if check is None:
            _run(located.spec.id, "quantize", str(folder))
            check = read_check(folder)
    assert check is not None  # noqa: S101 - for the type checker: written last
    return check


def _run(model_id: str, module: str, *arguments: str) -> None:
    """Run a module of this package in a process of its own. Raises RuntimeUnavailable."""
    command = [sys.executable, "-m", f"components.encoder.runtimes.{module}", *arguments]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    if done.returncode:
        reason = (done.stderr.strip().splitlines() or ["the converter was killed"])[-1]
        raise RuntimeUnavailable(f"OpenVINO cannot run {model_id}: {reason}")


def _publish(draft: Path, folder: Path) -> None:
    """Rename ``draft`` to ``folder``, unless another process has just done so."""
    try:
        draft.replace(folder)
    except OSError:
        if not (folder / "recipe.json").is_file():
            raise


def _drop_stale(located: Located) -> None:
    """Remove conversions of earlier revisions or versions, and those of killed processes."""
    folder = prepared_folder(located)
    earlier = set(folder.parent.glob(f"{_slug(located)}-" + "[0-9a-f]" * 12)) - {folder}
    hour_ago = time.time() - 3600  # later ones may belong to a running process
    drafts = folder.parent.glob(f"{_MAKING}*")
    killed = {draft for draft in drafts if _modified(draft) < hour_ago}
    for stale in earlier | killed:
        shutil.rmtree(stale, ignore_errors=True)


def _modified(folder: Path) -> float:
    try:
        return folder.stat().st_mtime
    except FileNotFoundError:  # just published or removed
        return time.time()
