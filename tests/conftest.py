"""What all tests share: whatever is written lands in folders of the test run's own."""

import hashlib
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import pytest

from components.encoder.runtimes import prepared
from components.models import locate, resolve
from components.settings import ROOT

# Pocket's conversion, kept for the next run of the same code: it takes half a minute of two cores.
KEPT = ROOT / ".test-results" / "openvino"


@pytest.fixture(scope="session", autouse=True)
def model_cache(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """Keep the tests' conversions out of the developer's own ``model_cache``."""
    folder = tmp_path_factory.mktemp("model_cache")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("CAPTIONLENS_MODEL_CACHE", str(folder))
        patch.setenv("CAPTIONLENS_DATA", str(tmp_path_factory.mktemp("data")))
        pocket = prepared.prepared_folder(locate(resolve("pocket")))
        kept = KEPT / f"{pocket.name}-{_code()}"
        if kept.is_dir():
            shutil.copytree(kept, pocket)
        yield folder
        if pocket.is_dir() and not kept.is_dir():
            _keep(pocket, kept)


def _code() -> str:
    """Return a digest of the code that converts: a change of it converts again."""
    files = sorted((ROOT / "components" / "encoder").rglob("*.py"))
    return hashlib.sha256(b"".join(file.read_bytes() for file in files)).hexdigest()[:12]


def _keep(made: Path, kept: Path) -> None:
    kept.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=kept.parent) as draft:
        copy = shutil.copytree(made, Path(draft) / kept.name)
        with suppress(OSError):  # another process was first, which is as good
            copy.rename(kept)
