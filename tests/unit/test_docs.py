"""What the documents name exists, and the example in them runs."""

import ast
import re
from pathlib import Path

import pytest

from components.encoder import load
from components.settings import ROOT

DOCUMENTS = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *sorted((ROOT / "docs").glob("*.md"))]
PLACE = re.compile(r"`((?:components|pages|tests)/(?!\S*NAME)[\w/.]+?)(?:: (\w+))?`")
LINK = re.compile(r"\]\((?!https?://)([^)#]+)\)")


def _names(file: Path) -> set[str]:
    """Return what a module defines at its top level."""
    names: set[str] = set()
    for node in ast.parse(file.read_text(encoding="utf-8")).body:
        if isinstance(node, ast.FunctionDef | ast.ClassDef):
            names.add(node.name)
        elif isinstance(node, ast.Assign):
            names |= {each.id for each in node.targets if isinstance(each, ast.Name)}
    return names


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda file: file.name)
def test_every_place_that_a_document_names_exists(document: Path) -> None:
    for path, name in PLACE.findall(document.read_text(encoding="utf-8")):
        assert (ROOT / path).exists(), path
        assert not name or name in _names(ROOT / path), f"{path}: {name}"


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda file: file.name)
def test_every_link_leads_to_a_file(document: Path) -> None:
    for target in LINK.findall(document.read_text(encoding="utf-8")):
        assert (document.parent / target).exists(), target


def test_the_readme_is_short_and_lists_every_setting() -> None:
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    settings = (ROOT / "components/settings.py").read_text(encoding="utf-8")
    assert len(readme.splitlines()) < 150
    assert set(re.findall(r"`(CAPTIONLENS_\w+)`", readme)) == set(
        re.findall(r'"(CAPTIONLENS_\w+)"', settings)
    )


def test_the_five_lines_are_those_of_the_docstring() -> None:
    """`test_encoder.py` runs them."""
    document = (ROOT / "docs/architecture.md").read_text(encoding="utf-8")
    lines = document.partition("```python\n")[2].partition("```")[0].split("\n")
    lines = [line for line in lines if line]  # ruff puts one blank after the imports
    examples = re.findall(r">>> (.*)", load.__doc__ or "")
    assert [line.partition("  # ")[0] for line in lines] == examples
    assert len(lines) == 5
