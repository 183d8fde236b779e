"""Unsplash Lite: photographs of the published dataset, without downloading all of it.

The dataset is a zip of tables (https://github.com/unsplash/datasets). Only the tables ``photos``
and ``keywords`` are read, by HTTP ranges where the zip is on a server; photographs are fetched as
small renditions.
"""

import csv
import hashlib
import io
import re
import zipfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import cached_property, partial
from pathlib import Path, PurePosixPath
from typing import IO, cast
from urllib.parse import parse_qsl, quote, urlencode, urlsplit, urlunsplit

from components.collection.sources.range_file import RangeFile
from components.collection.sources.remote import Fetcher, RemoteError
from components.collection.sources.source import Item
from components.datasets.table import Value
from components.encoder import Skipped
from components.errors import CaptionLensError
from components.images import source_of

PUBLISHED = "https://unsplash.com/data/lite/latest"
_TABLE = re.compile(r"(photos|keywords)\.(?:tsv|csv)[^/]*")
_ID = re.compile(r"[\w-]{1,32}", re.ASCII)
_MAX_BYTES = 2_000_000_000  # of a table, unpacked; the keywords of Lite have a few hundred million
_CELL = 1_000_000  # characters
_MAX_KEYWORDS = 30
_MIN_CONFIDENCE = 50.0  # per cent, as the dataset's own services report it
_RENDITION = {"w": "640", "q": "80", "fm": "jpg"}
_REFERRAL = {"utm_source": "captionlens", "utm_medium": "referral"}


class UnsplashError(CaptionLensError):
    """A dataset that cannot be read, and what to do about it."""


@dataclass(frozen=True)
class Unsplash:
    """An ImageSource. ``location``: a zip or folder on disk, or a zip's URL; empty: PUBLISHED.

    ``limit`` photographs (0: all) are chosen by the hash of their ids: spread over the dataset,
    always the same, and a larger limit includes those of a smaller one.
    """

    location: str = ""
    limit: int = 0
    fetcher: Fetcher = field(default_factory=Fetcher)

    def items(self) -> Iterator[Item | Skipped]:
        """Yield the chosen photographs. Raises UnsplashError where the dataset cannot be read."""
        for id_, row in self._photos.items():
            yield self._item(id_, row)

    @cached_property
    def _photos(self) -> dict[str, dict[str, str]]:
        """Return the chosen rows of ``photos`` by id, their keywords added."""
        with _readable_errors(), self._tables() as tables:
            rows = {row.get("photo_id", ""): row for row in tables.rows("photos")}
            order = sorted(rows, key=lambda id_: hashlib.sha256(id_.encode()).digest())
            chosen = {id_: rows[id_] for id_ in order[: self.limit or None]}
            for id_, words in _keywords(tables.rows("keywords"), chosen).items():
                chosen[id_]["keywords"] = "\n".join(words)
        if not chosen:
            raise UnsplashError(
                "The Unsplash dataset has no photographs. Check that it is the right file."
            )
        return chosen

    @contextmanager
    def _tables(self) -> "Iterator[_Tables]":
        place = self.location or PUBLISHED
        if "://" not in place and Path(place).is_dir():
            yield _FolderTables(Path(place))
            return
        remote = "://" in place
        with (
            RangeFile(place, self.fetcher) if remote else Path(place).open("rb") as file,
            zipfile.ZipFile(file) as archive,
        ):
            yield _ZipTables(archive)

    def _item(self, id_: str, row: Mapping[str, str]) -> Item | Skipped:
        url = row.get("photo_image_url", "").strip()
        if not _ID.fullmatch(id_):
            return Skipped(source_of(b"", id_), f"{id_[:40]!r} is not a photograph's id.")
        if not _is_web(url):
            return Skipped(source_of(b"", id_), f"{id_} has no valid address.")
        get = partial(self.fetcher.get, with_query(url, _RENDITION))
        return Item(id_, source_of(get, f"{id_}.jpg"), url, url, _metadata(row))


class _Tables:
    """The dataset's tables, each in one or more files."""

    def names(self) -> list[str]:
        """Return the paths of the files."""
        raise NotImplementedError

    def open(self, name: str) -> IO[bytes]:
        """Return a file, opened for reading."""
        raise NotImplementedError

    def rows(self, table: str) -> Iterator[dict[str, str]]:
        """Yield a table's rows; none where the table is missing."""
        for name in sorted(self.names(), key=_natural):
            match = _TABLE.fullmatch(PurePosixPath(name).name)
            if match and match[1] == table:
                with self.open(name) as raw:
                    yield from _read(raw, name)


def _natural(name: str) -> list[tuple[int, str]]:
    parts = re.split(r"(\d+)", name)
    return [(int(part), "") if part.isdecimal() else (-1, part) for part in parts]


class _ZipTables(_Tables):
    def __init__(self, archive: zipfile.ZipFile) -> None:
        self._archive = archive

    def names(self) -> list[str]:
        return [name for name in self._archive.namelist() if "__MACOSX" not in name]

    def open(self, name: str) -> IO[bytes]:
        return self._archive.open(name)


class _FolderTables(_Tables):
    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def names(self) -> list[str]:
        files = (path for path in self._folder.rglob("*") if path.is_file())
        return [str(path.relative_to(self._folder)) for path in files]

    def open(self, name: str) -> IO[bytes]:
        return (self._folder / name).open("rb")


def _read(raw: IO[bytes], name: str) -> Iterator[dict[str, str]]:
    """Yield the rows of tab-separated text with a header and CSV quoting."""
    csv.field_size_limit(_CELL)
    lines = io.TextIOWrapper(cast(IO[bytes], _Limited(raw, name)), encoding="utf-8-sig", newline="")
    for row in csv.DictReader(lines, delimiter="\t"):
        yield {key: value or "" for key, value in row.items() if isinstance(key, str)}


class _Limited(io.BufferedIOBase):
    """A stream that raises UnsplashError above _MAX_BYTES, as a zip bomb would unpack to."""

    def __init__(self, raw: IO[bytes], name: str) -> None:
        self._raw, self._name, self._left = raw, name, _MAX_BYTES

    def readable(self) -> bool:
        return True

    def read1(self, size: int | None = -1) -> bytes:
        return self.read(size)

    def read(self, size: int | None = -1) -> bytes:
        data = self._raw.read(size if size and size > 0 else 1 << 16)
        self._left -= len(data)
        if self._left < 0:
            raise UnsplashError(f"{self._name} of the Unsplash dataset is too large when unpacked.")
        return data


def _keywords(rows: Iterator[dict[str, str]], chosen: Mapping[str, object]) -> dict[str, list[str]]:
    """Return the chosen photographs' keywords, the most certain first."""
    keywords: dict[str, dict[str, float]] = {}
    for row in rows:
        id_, word = row.get("photo_id", ""), row.get("keyword", "").strip()
        confidence = _confidence(row)
        if id_ in chosen and word and confidence >= _MIN_CONFIDENCE:
            words = keywords.setdefault(id_, {})
            words[word] = max(words.get(word, 0.0), confidence)
    return {
        id_: sorted(words, key=lambda word: (-words[word], word))[:_MAX_KEYWORDS]
        for id_, words in keywords.items()
    }


def _confidence(row: Mapping[str, str]) -> float:
    """Return a keyword's confidence in per cent; 100 where the photographer suggested it."""
    if row.get("suggested_by_user", "").lower() in {"t", "true", "1"}:
        return 100.0
    services = (row.get(f"ai_service_{number}_confidence", "") for number in (1, 2))
    return max((value for text in services if (value := _float(text)) is not None), default=0.0)


def _metadata(row: Mapping[str, str]) -> dict[str, Value]:
    user = row.get("photographer_username", "").strip()
    names = (row.get(f"photographer_{part}_name", "").strip() for part in ("first", "last"))
    page = row.get("photo_url", "").strip()
    submitted = row.get("photo_submitted_at", "")[:4]
    camera = f"{row.get('exif_camera_make', '')} {row.get('exif_camera_model', '')}"
    profile = f"https://unsplash.com/@{quote(user, safe='')}"
    return {
        "photographer": " ".join(filter(None, names)) or user or None,
        "photographer_url": with_query(profile, _REFERRAL) if user else None,
        "page_url": with_query(page, _REFERRAL) if _is_web(page) else None,
        "description": row.get("photo_description") or row.get("ai_description") or None,
        "place": row.get("photo_location_name") or None,
        "country": row.get("photo_location_country") or None,
        "city": row.get("photo_location_city") or None,
        "latitude": _float(row.get("photo_location_latitude", "")),
        "longitude": _float(row.get("photo_location_longitude", "")),
        "camera": camera.strip() or None,
        "width": _whole(row.get("photo_width", "")),
        "height": _whole(row.get("photo_height", "")),
        "year": int(submitted) if submitted.isdecimal() else None,
        "keywords": [word for word in row.get("keywords", "").split("\n") if word],
        "blurhash": row.get("blur_hash") or None,
    }


def _float(text: str) -> float | None:
    try:
        value = float(text)
    except ValueError:
        return None
    return value if abs(value) < 1e12 else None


def _whole(text: str) -> int | None:
    return int(text) if text.isdecimal() and len(text) < 8 else None


def with_query(url: str, values: Mapping[str, str]) -> str:
    """Return a URL with these values in its query, replacing its own of the same names."""
    parts = urlsplit(url)
    own = [pair for pair in parse_qsl(parts.query, keep_blank_values=True) if pair[0] not in values]
    return urlunsplit(parts._replace(query=urlencode([*own, *values.items()])))


def _is_web(url: str) -> bool:
    try:
        parts = urlsplit(url)
    except ValueError:
        return False
    return parts.scheme in {"http", "https"} and bool(parts.hostname) and url.isprintable()


@contextmanager
def _readable_errors() -> Iterator[None]:
    """Turn errors of files and the network into an UnsplashError with a sentence."""
    try:
        yield
    except RemoteError as error:
        raise UnsplashError(
            f"The Unsplash dataset cannot be fetched: {error} Check the network, or use a zip or"
            " folder of it that is already downloaded."
        ) from error
    except FileNotFoundError as error:
        raise UnsplashError(f"{Path(error.filename).name} does not exist.") from error
    except (zipfile.BadZipFile, EOFError, csv.Error, UnicodeDecodeError, ValueError) as error:
        raise UnsplashError("The Unsplash dataset is damaged. Download it again.") from error
    except OSError as error:
        reason = error.strerror or type(error).__name__
        raise UnsplashError(f"The Unsplash dataset cannot be read: {reason}.") from error
