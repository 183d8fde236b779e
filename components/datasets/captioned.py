"""Reads images with captions in the formats of the field's datasets.

Flickr30k's ``results.csv``, Flickr8k's ``captions.txt`` and ``Flickr8k.token.txt``, COCO's
``captions_*.json`` of 2014 and 2017, and any CSV or Parquet file with columns image, caption and,
optionally, split.
"""

import json
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path
from typing import Any

from components.datasets.table import CAPTION_COLUMNS, TableError, image_column, read_rows
from components.errors import CaptionLensError

_FILES = (
    *("captions.csv", "captions.parquet", "results.csv", "results_20130124.token"),
    *("captions.txt", "Flickr8k.token.txt"),
)
_FOLDERS = ("images", "Images", "flickr30k_images", "flickr30k-images", "Flicker8k_Dataset")
MAX_ROWS = 999_999  # COCO has 600,000
_COCO = re.compile(r"COCO_(?:train|val|test)\d{4}_")  # prefix of 2014's names, which 2017's lack


# What reading damaged lists raises: JSON of a million brackets is too deep, 1e999 no whole number.
DAMAGE = (OSError, ValueError, KeyError, TypeError, OverflowError, RecursionError)


class DataError(CaptionLensError):
    """A dataset that cannot be read, and why."""


@dataclass(frozen=True)
class Example:
    """An image with its captions; ``split`` is empty where the dataset has none.

    ``name`` is the image's as the dataset's list spells it.
    """

    image: Path
    captions: tuple[str, ...]
    split: str = ""
    name: str = field(default="", compare=False)


@dataclass(frozen=True)
class PairData:
    """A dataset: its examples, and the images that its list names but that do not exist."""

    name: str
    examples: tuple[Example, ...]
    missing: tuple[str, ...]

    def split(self, name: str) -> tuple[Example, ...]:
        """Return the examples of a split. Raises DataError where there are none."""
        chosen = tuple(example for example in self.examples if example.split == name)
        if not chosen:
            splits = sorted({example.split for example in self.examples} - {""})
            choices = f"its splits are {', '.join(splits)}" if splits else "it has no splits"
            raise DataError(f"{self.name} has no split {name!r}; {choices}.")
        return chosen


@dataclass(frozen=True)
class _Row:
    image: str
    caption: str
    split: str = ""


def read(place: Path, images: Path | None = None) -> PairData:
    """Return the dataset of a file, or of a folder that contains one of the known files.

    ``images`` is the folder of its images; by default, the usual ones beside the file are tried.
    Images that do not exist are named in ``missing``. Raises DataError where nothing can be read.
    """
    file = list_file(place)
    try:
        rows = list(islice(reader_of(file)(file), MAX_ROWS + 1))
    except (*DAMAGE, TableError) as error:
        reason = str(error).splitlines()[0] if str(error) else type(error).__name__
        raise DataError(f"{file.name} cannot be read as images with captions: {reason}") from error
    if len(rows) > MAX_ROWS:
        raise DataError(f"{file.name} has more than {MAX_ROWS:,} rows. Use a part of it.")
    captions: dict[str, list[str]] = {}
    splits: dict[str, str] = {}
    for row in rows:
        if row.image and row.caption:
            captions.setdefault(row.image, []).append(row.caption)
            splits[row.image] = row.split
    if not captions:
        raise DataError(f"{file.name} has no captions.")
    return _pair_data(file, captions, splits, [images] if images else _folders(file))


def _pair_data(
    file: Path, captions: dict[str, list[str]], splits: dict[str, str], folders: list[Path]
) -> PairData:
    examples, missing = [], []
    for name, texts in captions.items():
        path = _path(name, folders)
        if path is None:
            missing.append(name)
        else:
            examples.append(Example(path, tuple(texts), splits[name], name))
    return PairData(file.name, tuple(examples), tuple(missing))


def list_file(place: Path) -> Path:
    """Return a file, or the one of the known files that a folder contains. Raises DataError."""
    if not place.is_dir():
        return place
    annotations = sorted(place.glob("annotations/captions_*.json"))
    candidates = [
        *(place / name for name in _FILES),
        *annotations,
        *sorted(place.glob("captions_*.json")),
    ]
    file = next((file for file in candidates if file.is_file()), None)
    if file is None:
        raise DataError(f"{place.name} contains none of {', '.join(_FILES)}, captions_*.json.")
    return file


def reader_of(file: Path) -> Callable[[Path], Iterator[_Row]]:
    """Return the function that reads a file's rows, by its format."""
    if file.suffix == ".json":
        return coco_rows
    if file.suffix in {".txt", ".token"}:
        return text_rows
    with file.open("rb") as start:
        head = start.readline(200)
    return flickr30k_rows if head.startswith(b"image_name|") else table_rows


def flickr30k_rows(file: Path) -> Iterator[_Row]:
    """Yield the rows of Flickr30k's ``results.csv``: image_name| comment_number| comment.

    One row lacks its second bar ("2199200615.jpg| 4   A dog runs ..."); there, the number ends at
    the first space.
    """
    with file.open(encoding="utf-8-sig") as lines:
        next(lines, None)
        for line in lines:
            image, _, rest = line.partition("|")
            number, bar, comment = rest.partition("|")
            if not bar:
                comment = number.strip().partition(" ")[2]
            yield _Row(image.strip(), " ".join(comment.split()))


def text_rows(file: Path) -> Iterator[_Row]:
    """Yield the rows of Flickr8k's text files: "name.jpg#0<tab>caption" or "name.jpg,caption"."""
    with file.open(encoding="utf-8-sig") as lines:
        for line in lines:
            if "\t" in line:
                name, _, caption = line.partition("\t")
                yield _Row(name.partition("#")[0].strip(), " ".join(caption.split()))
            elif ".jpg," in line:  # a caption may contain commas
                name, _, caption = line.partition(".jpg,")
                yield _Row(f"{name.strip()}.jpg", " ".join(_unquoted(caption.strip()).split()))


def _unquoted(text: str) -> str:
    """Return a CSV cell without its quotes."""
    quoted = len(text) > 1 and text[0] == text[-1] == '"'
    return text[1:-1].replace('""', '"') if quoted else text


def table_rows(file: Path) -> Iterator[_Row]:
    """Yield the captions of a CSV or Parquet file, row by row. Raises TableError."""
    column = ""
    for row in read_rows(file):
        column = column or image_column(file.name, row)
        split = str(row.get("split") or "")
        for name in CAPTION_COLUMNS:
            value = row.get(name)
            texts = value if isinstance(value, list) else [value] if value else []
            for text in texts:
                yield _Row(str(row.get(column) or ""), " ".join(str(text).split()), split)


def coco_rows(file: Path) -> Iterator[_Row]:
    """Yield the rows of COCO's captions, images and annotations joined by the image's id."""
    data: dict[str, Any] = json.loads(file.read_text(encoding="utf-8"))
    names = {image["id"]: str(image["file_name"]) for image in data["images"]}
    split = re.sub(r"^captions_|\d+$", "", file.stem)
    for note in sorted(data["annotations"], key=lambda note: int(note["id"])):
        if note["image_id"] in names:
            yield _Row(names[note["image_id"]], " ".join(str(note["caption"]).split()), split)


def _folders(file: Path) -> list[Path]:
    """Return the folders where a dataset's images usually are, relative to its list."""
    roots = [file.parent, file.parent.parent]
    year = re.sub(r"^captions_", "", file.stem)  # train2017: the folder beside annotations/
    names = (*_FOLDERS, year, year.replace("2014", "2017"), year.replace("2017", "2014"))
    return [*(root / name for root in roots for name in names), file.parent]


def _path(name: str, folders: list[Path]) -> Path | None:
    """Return the image of a name, always inside its folder; None where there is none.

    COCO's names of 2014 and 2017 denote the same images.
    """
    bare = _COCO.sub("", name)
    for folder in folders:
        for candidate in dict.fromkeys((name, bare)):
            path = folder / candidate
            if is_inside(path, folder):
                return path
    if bare == name and name.removesuffix(".jpg").isdecimal():
        return _path_of_2014(name, folders)
    return None


def _path_of_2014(name: str, folders: list[Path]) -> Path | None:
    for folder in folders:
        for year in ("train2014", "val2014"):
            path = folder / f"COCO_{year}_{name}"
            if is_inside(path, folder):
                return path
    return None


def is_inside(path: Path, folder: Path) -> bool:
    """Return whether a path is a file of a folder, links followed."""
    try:
        return path.is_file() and path.resolve().is_relative_to(folder.resolve())
    except (OSError, ValueError, RuntimeError):  # too long a name, a null byte, a circular link
        return False
