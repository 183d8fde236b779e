"""Finds images in folders, in natural order."""

import os
import re
from collections.abc import Iterable
from pathlib import Path

from components.images.source import SUFFIXES, ImageError, Source, safe_name, source_of


def find_images(paths: Iterable[Path]) -> tuple[list[Source], list[ImageError]]:
    """Return the images at ``paths``, and an error for each path that cannot be read.

    A file is taken whatever its suffix. A folder is searched recursively for image suffixes, in
    natural order, without hidden files and without links to files outside of it.
    """
    sources: list[Source] = []
    errors: list[ImageError] = []
    for path in paths:
        try:
            sources += _sources(path, errors)
        except OSError as error:
            errors.append(_unreadable(path.name, error))
    return sources, errors


def _sources(path: Path, errors: list[ImageError]) -> list[Source]:
    if path.is_dir():
        files = _inside(path, errors)
        return [source_of(file, str(file.relative_to(path))) for file in files]
    if path.exists():
        return [source_of(path)]
    errors.append(ImageError(f"{safe_name(path.name)} does not exist."))
    return []


def _unreadable(name: str, error: OSError) -> ImageError:
    return ImageError(f"{safe_name(name)} cannot be read: {error.strerror or error}.")


def _inside(folder: Path, errors: list[ImageError]) -> list[Path]:
    def record(error: OSError) -> None:
        errors.append(_unreadable(Path(error.filename or folder).name, error))

    root = folder.resolve()
    images: list[Path] = []
    for place, folders, files in os.walk(folder, onerror=record):
        folders[:] = [name for name in folders if not name.startswith(".")]
        images += [Path(place, name) for name in files if _is_image(name)]
    return sorted((file for file in images if _is_inside(file, root)), key=_natural)


def _is_image(name: str) -> bool:
    return not name.startswith(".") and name.lower().rpartition(".")[2] in SUFFIXES


def _is_inside(file: Path, root: Path) -> bool:
    try:
        return not file.is_symlink() or file.resolve().is_relative_to(root)
    except (OSError, RuntimeError):  # a link to itself
        return False


def _natural(file: Path) -> tuple[list[tuple[int, str]], str]:
    """Return a sorting key that puts 2.jpg before 10.jpg, and A.jpg before a.jpg."""
    parts = re.split(r"(\d+)", str(file).lower())
    return [(int(part), "") if part.isdecimal() else (-1, part) for part in parts], str(file)
