"""The manifest: one small JSON file, replaced in one step, with model, source and shards."""

import errno
import hashlib
import json
import re
from collections.abc import Callable
from dataclasses import asdict, dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from components.collection.index import Effort
from components.collection.sources.source import SourceSpec
from components.encoder import Encoder
from components.errors import CaptionLensError
from components.files import write_bytes, write_whole
from components.settings import Settings

PUBLISHED, UNDER_WAY = "manifest.json", "build.json"  # what readers see; the writer's notes
CHECK = "check"  # the folder of a check's files: vectors of captions, and what a person decided
FILMS = "films"  # the folder of what is known of each film: the times of its frames
MAP = "map"  # the folder of the collection's map, of this state or an earlier one
_FORMAT = 1
_NAME = re.compile(r"(?!.*\.\.)\w[\w .-]{0,62}(?<![ .])")


class CollectionError(CaptionLensError):
    """A collection that cannot be used, and what to do about it."""


class Damaged(CollectionError):  # noqa: N818 - a state of files, which an update mends
    """A file that is not what was written."""


class OtherModel(CollectionError):  # noqa: N818 - named for what the person decides
    """A collection whose vectors were made by another model."""


@dataclass(frozen=True)
class File:
    """A file of a collection: its name in the folder, its size, and its SHA-256 in hex."""

    name: str
    bytes: int
    sha256: str

    def is_whole(self, folder: Path) -> bool:
        """Return whether the file is there with this size and digest; reads all of it.

        Raises OSError where it may be whole and cannot be read.
        """
        path = folder / self.name
        try:
            return has_size(path, self.bytes) and digest_of(path) == self.sha256
        except OSError as error:
            if error.errno != errno.EIO:  # a bad sector
                raise
            return False


@dataclass(frozen=True)
class Shard:
    """Some rows: their vectors, thumbnails and metadata, in files that never change."""

    number: int
    rows: int
    vectors: File
    thumbnails: File
    metadata: File

    @property
    def files(self) -> tuple[File, ...]:
        """The three files."""
        return self.vectors, self.thumbnails, self.metadata


@dataclass(frozen=True)
class IndexInfo:
    """The FAISS index: its file, its kind as FAISS's index factory spells it, and its recall."""

    file: File
    kind: str
    exact: bool
    effort: Effort  # limits of a query
    recall_at_10: float  # against exact search, for text queries; 1.0 where exact


@dataclass(frozen=True)
class Manifest:
    """A state of a collection."""

    name: str
    model: str
    revision: str
    precision: str
    width: int
    source: SourceSpec
    shards: tuple[Shard, ...] = ()
    index: IndexInfo | None = None
    skipped: File | None = None
    skipped_count: int = 0
    complete: bool = False  # False where the build was stopped
    generation: int = 0  # one more with every published state
    updated: str = ""  # ISO 8601, UTC

    @property
    def rows(self) -> int:
        """How many images are in it."""
        return sum(shard.rows for shard in self.shards)

    @property
    def files(self) -> tuple[File, ...]:
        """Every file of this state."""
        own = [file for file in (self.index and self.index.file, self.skipped) if file]
        return (*(file for shard in self.shards for file in shard.files), *own)

    def same_maker(self, other: "Manifest") -> bool:
        """Return whether vectors of both may be mixed: same model, revision and precision."""
        return self._maker == other._maker and self.precision == other.precision

    @property
    def _maker(self) -> tuple[str, str, int]:
        return self.model, self.revision, self.width

    def check_maker(self, other: "Manifest") -> None:
        """Raise OtherModel, which says what to do, where ``same_maker`` is False."""
        self.check_model(other.model, other.revision)
        if self.precision != other.precision:
            raise OtherModel(
                f"{self.name} was indexed in {self.precision}, but {self.model} runs in"
                f" {other.precision} here. Rebuild it."
            )

    def check_model(self, model: str, revision: str) -> None:
        """Raise OtherModel, which says what to do, where another model made the vectors."""
        if self.model != model:
            raise OtherModel(
                f"{self.name} was indexed with {self.model}, but the model in use is {model}. Use"
                f" {self.model}, or rebuild the collection with this model."
            )
        if self.revision != revision:
            raise OtherModel(
                f"{self.name} was indexed with another revision of {self.model}. Rebuild it."
            )


def damaged(collection: str, file: str) -> Damaged:
    """Return the error that names a damaged file and says what to do."""
    return Damaged(
        f"{collection} is damaged: {file} is not as it was written. Update the collection to encode"
        " again what is damaged."
    )


def collections_folder() -> Path:
    """Return the folder of all collections."""
    return Settings().data / "collections"


def is_name(name: str) -> bool:
    """Return whether a collection may have this name."""
    return bool(_NAME.fullmatch(name))


def folder_of(name: str) -> Path:
    """Return a collection's folder, which may not exist. Raises CollectionError for a bad name."""
    if not is_name(name):
        raise CollectionError(
            f"{name[:80]!r} cannot be a collection's name. Use at most 63 letters, digits, spaces,"
            " dots, - and _, starting with a letter or digit."
        )
    return collections_folder() / name


def new_manifest(name: str, source: SourceSpec, encoder: Encoder) -> Manifest:
    """Return the manifest of an empty collection."""
    return Manifest(
        name=name,
        model=encoder.spec.id,
        revision=encoder.revision,
        precision=encoder.runtime.precision,
        width=encoder.recipe.width,
        source=source,
    )


def read_manifest(folder: Path, file: str = PUBLISHED) -> Manifest | None:
    """Return a manifest, None where there is none.

    Raises Damaged where the file is damaged or of another version, and CollectionError where it
    cannot be read.
    """
    try:
        text = (folder / file).read_bytes()
    except FileNotFoundError:
        return None
    except OSError as error:
        raise CollectionError(f"{folder.name} cannot be read: {error.strerror}.") from error
    return parse_manifest(folder.name, text, file)


def parse_manifest(
    name: str, text: bytes, file: str = PUBLISHED, remedy: str = "Rebuild it."
) -> Manifest:
    """Return the manifest of a collection from its JSON.

    Raises Damaged, which ends with ``remedy``, where it is damaged or of another version.
    """
    try:
        data = json.loads(text.decode())
        if data.get("format") != _FORMAT:
            raise Damaged(f"{name} was made by another version of CaptionLens. {remedy}")
        if data.pop("sha256", None) not in (sealed(data), None):  # None: up to version 0.1
            raise ValueError("not the text that was written")
        del data["format"]
        return manifest_of(data)
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise Damaged(f"{name} has a damaged {file}. {remedy}") from error


def sealed(data: dict[str, Any]) -> str:
    """Return the checksum that a JSON file carries of its own data."""
    return hashlib.sha256(json.dumps(data, sort_keys=True).encode()).hexdigest()


def manifest_of(data: dict[str, Any]) -> Manifest:
    """Return the manifest that a JSON file describes."""
    shards = tuple(shard_of(shard) for shard in data.pop("shards"))
    index, skipped = data.pop("index"), data.pop("skipped")
    source = data["source"]
    if "pictures" in source:  # the name of "images" up to version 0.1
        source["images"] = source.pop("pictures")
    return Manifest(
        **{**data, "source": SourceSpec(**source)},
        shards=shards,
        index=_index(index) if index else None,
        skipped=File(**skipped) if skipped else None,
    )


def _index(data: dict[str, Any]) -> IndexInfo:
    return IndexInfo(**{**data, "file": File(**data["file"]), "effort": Effort(**data["effort"])})


def shard_of(data: dict[str, Any]) -> Shard:
    """Return the shard that a JSON file describes."""
    files = {name: File(**data[name]) for name in ("vectors", "thumbnails", "metadata")}
    return Shard(data["number"], data["rows"], **files)


def write_manifest(folder: Path, manifest: Manifest, file: str = PUBLISHED) -> Manifest:
    """Replace a manifest in one step; return it with the time of the update."""
    stamped = replace(manifest, updated=datetime.now(UTC).isoformat(timespec="seconds"))
    data = {"format": _FORMAT, **asdict(stamped)}
    text = json.dumps({**data, "sha256": sealed(data)}, indent=1, ensure_ascii=False)
    write_bytes(folder / file, text.encode())
    return stamped


def write_file(path: Path, write: Callable[[Path], object]) -> File:
    """Have ``write(draft)`` write a file of a collection, in one step; return its entry."""
    write_whole(path, write)
    return file_entry(path)


def read_checked(folder: Path, file: File) -> bytes:
    """Return a file's bytes. Raises Damaged where they are not those that were written."""
    return checked(folder, file, (folder / file.name).read_bytes())


def checked(folder: Path, file: File, data: bytes) -> bytes:
    """Return ``data``, read from ``file``. Raises Damaged where it has another digest."""
    if hashlib.sha256(data).hexdigest() != file.sha256:
        raise damaged(folder.name, file.name)
    return data


def file_entry(path: Path) -> File:
    """Return a file's name, size and digest."""
    return File(path.name, path.stat().st_size, digest_of(path))


def digest_of(path: Path) -> str:
    """Return a file's SHA-256 in hex."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def has_size(path: Path, size: int) -> bool:
    """Return whether a file is there and has a size."""
    try:
        return path.stat().st_size == size
    except OSError:
        return False
