"""Finds images in folders, in natural order."""

import os
import re
import sqlite3
from collections.abc import Collection, Iterable, Iterator
from contextlib import closing
from pathlib import Path

from components.images.source import SUFFIXES, ImageError, Source, safe_name, source_of


def find_images(paths: Iterable[Path]) -> tuple[list[Source], list[ImageError]]:
    """Return the images at ``paths``, and an error for each path that cannot be read.

    A file is taken whatever its suffix. A folder is searched recursively for image suffixes, in
    natural order, without hidden files and without links to files outside of it.
    """
    found = [each for path in paths for each in _at(path)]
    sources = [each for each in found if isinstance(each, Source)]
    return sources, [each for each in found if isinstance(each, ImageError)]


def _at(path: Path) -> Iterator[Source | ImageError]:
    try:
        if path.is_dir():
            yield from walk_images(path)
        elif path.exists():
            yield source_of(path)
        else:
            yield ImageError(f"{safe_name(path.name)} does not exist.")
    except OSError as error:
        yield _unreadable(path.name, error)


def _unreadable(name: str, error: OSError) -> ImageError:
    return ImageError(f"{safe_name(name)} cannot be read: {error.strerror or error}.")


def walk_images(
    folder: Path, suffixes: Collection[str] = SUFFIXES
) -> Iterator[Source | ImageError]:
    """Yield the images below a folder, as `find_images` does, and errors of folders in it.

    Other ``suffixes`` find other files in the same way.

    However many there are, they take no memory. Raises OSError.
    """
    root = folder.resolve()
    # From ``folder`` down to the one that is read.
    open_folders = [(folder, _names(folder, suffixes))]
    while open_folders:
        place, names = open_folders[-1]
        try:
            name = next(names, None)
        except OSError as error:
            yield _unreadable(place.name, error)
            name = None
        if name is None:
            open_folders.pop()
        elif name.endswith("/"):
            open_folders.append((place / name, _names(place / name, suffixes)))
        elif _is_inside(place / name, root):
            yield source_of(place / name, str((place / name).relative_to(folder)))


def _names(folder: Path, suffixes: Collection[str]) -> Iterator[str]:
    """Yield the names of a folder's images, and those of its folders with a "/", in natural order.

    They are sorted on the disk where they are many.
    """
    with closing(sqlite3.connect("")) as names:
        names.execute("CREATE TABLE names (key BLOB, name BLOB)")
        names.executemany(
            "INSERT INTO names VALUES (?, ?)",
            ((_natural(name), os.fsencode(name)) for name in _listed(folder, suffixes)),
        )
        for (name,) in names.execute("SELECT name FROM names ORDER BY key, name"):
            yield os.fsdecode(name)


def _listed(folder: Path, suffixes: Collection[str]) -> Iterator[str]:
    with os.scandir(folder) as entries:
        for entry in entries:
            if entry.name.startswith("."):
                continue
            if not _is_folder(entry):
                if entry.name.lower().rpartition(".")[2] in suffixes:
                    yield entry.name
            elif not entry.is_symlink():
                yield f"{entry.name}/"


def _is_folder(entry: os.DirEntry[str]) -> bool:
    try:
        return entry.is_dir()
    except OSError:  # a link to itself
        return False


def _is_inside(file: Path, root: Path) -> bool:
    try:
        return not file.is_symlink() or file.resolve().is_relative_to(root)
    except (OSError, RuntimeError):  # a link to itself
        return False


def _natural(name: str) -> bytes:
    """Return a sorting key that puts 2.jpg before 10.jpg."""
    return os.fsencode(re.sub(r"\d+", _number, name.lower()))


def _number(digits: re.Match[str]) -> str:
    """Return a number so that the order of texts is that of numbers: its length goes first."""
    value = digits[0].lstrip("0")
    return f"\0{len(value):04}{value}"
