"""The walls of the house: who may import whom."""

import ast
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from components.settings import ROOT

SOURCES = [
    *(ROOT / name for name in ("app.py", "cli.py")),
    *sorted((ROOT / "pages").glob("*.py")),
    *sorted((ROOT / "components").rglob("*.py")),
]


def _imports(file: Path) -> Iterator[str]:
    """Yield every module that a file imports, at its top or inside a function."""
    for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            module = node.module or ""
            yield module
            yield from (f"{module}.{alias.name}" for alias in node.names)


def _imports_any(file: Path, *packages: str) -> bool:
    return any(
        name == package or name.startswith(f"{package}.")
        for name in _imports(file)
        for package in packages
    )


DOORS = (
    "images",
    "models",
    "encoder",
    "scores",
    "explain",
    "ui.grid",
    "ui.map",
    "collection.shared",
)
NESTED = ("components.encoder.matchers", "components.encoder.runtimes")  # rooms without a door


def _modules(file: Path) -> Iterator[str]:
    """Yield the modules that a file imports names from."""
    for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
        if isinstance(node, ast.ImportFrom):
            yield node.module or ""


def _in(file: Path, *places: str) -> bool:
    relative = file.relative_to(ROOT).as_posix()
    return any(relative == place or relative.startswith(f"{place}/") for place in places)


@pytest.mark.parametrize("file", SOURCES, ids=lambda file: file.relative_to(ROOT).as_posix())
def test_the_walls_stand(file: Path) -> None:
    faces = _in(file, "app.py", "pages", "components/ui")
    measures = _in(file, "components/bench/sessions.py")  # it speaks the server's protocol
    assert faces or measures or not _imports_any(file, "streamlit")
    assert faces or not _imports_any(file, "components.ui")
    assert not _imports_any(file, "pages")
    training = ("components/training", "components/bench/training.py", "components/commands")
    trains = _in(file, *training, "pages/train.py", "components/ui/train")
    assert trains or not _imports_any(file, "components.training")


@pytest.mark.parametrize("file", SOURCES, ids=lambda file: file.relative_to(ROOT).as_posix())
def test_a_room_is_entered_by_its_front_door(file: Path) -> None:
    for room in DOORS:
        inside = [name for name in _modules(file) if name.startswith(f"components.{room}.")]
        inside = [name for name in inside if not name.startswith(NESTED)]
        assert _in(file, f"components/{room.replace('.', '/')}") or not inside


@pytest.mark.parametrize("file", SOURCES, ids=lambda file: file.relative_to(ROOT).as_posix())
def test_no_pickle_and_no_strangers_code(file: Path) -> None:
    assert not _imports_any(file, "pickle", "joblib", "dill")
    assert "trust_remote_code=True" not in file.read_text(encoding="utf-8")
    assert "weights_only=False" not in file.read_text(encoding="utf-8")


def _output_of(code: str) -> str:
    """Return what a fresh interpreter prints when it runs ``code`` in the folder of `app.py`."""
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True
    )
    return done.stdout.strip()


def test_importing_the_thinking_parts_is_light() -> None:
    """First paint comes before any model: torch and transformers stay out of module scope."""
    code = (
        "import sys, components.encoder, components.explain, components.models, cli;"
        "import components.projection.making;"
        "print([m for m in ('torch', 'transformers', 'openvino', 'matplotlib', 'streamlit',"
        " 'scipy', 'pandas', 'altair', 'sklearn', 'openTSNE', 'av')"
        " if m in sys.modules])"
    )
    assert _output_of(code) == "[]"


def test_a_session_leaves_the_search_path_as_it_is() -> None:
    """Two sessions at once would trip over each other's changes of it."""
    code = (
        "import sys, app;"
        "from streamlit.runtime.scriptrunner.exec_code import modified_sys_path;"
        "before = list(sys.path);"
        "running = modified_sys_path(str(app._SCRIPT));"
        "running.__enter__();"
        "print(sys.path == before)"
    )
    assert _output_of(code) == "True"


@pytest.mark.parametrize("module", ["text", "tasks", "charts", "inputs", "matrix"])
def test_the_modules_of_the_pages_are_not_top_level(module: str) -> None:
    """The script's folder is on the search path: it contains nothing but the script."""
    code = (
        "import importlib.util, app;"
        f"print(importlib.util.find_spec({module!r}), importlib.util.find_spec('session').name)"
    )
    assert _output_of(code) == "None session"
