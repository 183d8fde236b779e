"""The images of folders, in natural order, without links that leave them."""

import os
import re
from collections.abc import Iterable
from pathlib import Path

from components.images.source import SUFFIXES, ImageError, Source, safe_name, source_of


def find_images(paths: Iterable[Path]) -> tuple[list[Source], list[ImageError]]:
    """Return the images that paths name, and an error for each path that cannot be followed.

    A file is taken as it is. A folder is searched through, by suffix and in natural order,
    without hidden files and without links that leave it.
    """
    sources: list[Source] = []
    errors: list[ImageError] = []
    for path in paths:
        try:
            sources += _found(path, errors)
        except OSError as error:
            errors.append(_unreadable(path.name, error))
    return sources, errors


def _found(path: Path, errors: list[ImageError]) -> list[Source]:
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
    def tell(error: OSError) -> None:
        errors.append(_unreadable(Path(error.filename or folder).name, error))

    root = folder.resolve()
    found = []
    for place, folders, files in os.walk(folder, onerror=tell):
        folders[:] = [name for name in folders if not name.startswith(".")]
        found += [Path(place, name) for name in files if _is_image(name)]
    return sorted((file for file in found if _stays(file, root)), key=_natural)


def _is_image(name: str) -> bool:
    return not name.startswith(".") and name.lower().rpartition(".")[2] in SUFFIXES


def _stays(file: Path, root: Path) -> bool:
    try:
        return not file.is_symlink() or file.resolve().is_relative_to(root)
    except (OSError, RuntimeError):  # a link that leads to itself
        return False


def _natural(file: Path) -> tuple[list[tuple[int, str]], str]:
    """Return a sorting key that puts 2.jpg before 10.jpg, and A.jpg before a.jpg."""
    parts = re.split(r"(\d+)", str(file).lower())
    return [(int(part), "") if part.isdecimal() else (-1, part) for part in parts], str(file)
