"""The product's own version, from the one place that names it."""

import tomllib
from functools import cache

from components.settings import ROOT


@cache
def version() -> str:
    """Return the version in ``pyproject.toml``, such as "0.2.0"."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    return str(project["version"])
