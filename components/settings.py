"""The settings and their defaults; each is overridden by an environment variable."""

import os
from dataclasses import dataclass, field
from pathlib import Path

from platformdirs import user_data_path

from components.errors import CaptionLensError

ROOT = Path(__file__).resolve().parent.parent
SHARED = "CAPTIONLENS_SHARED"  # a server sets it for itself where it finds that it is


class SettingError(CaptionLensError):
    """An environment variable is set to something other than a positive whole number."""


def _switch(variable: str) -> bool:
    return os.environ.get(variable, "") not in {"", "0"}


def _count(variable: str, default: int) -> int:
    text = os.environ.get(variable, str(default))
    if not text.isdecimal() or int(text) < 1:
        raise SettingError(f"{variable} must be a whole number above zero, not {text!r}.")
    return int(text)


def _folders(variable: str) -> tuple[Path, ...]:
    """Return the folders of a list such as PATH's."""
    listed = os.environ.get(variable, "").split(os.pathsep)
    return tuple(Path(folder) for folder in listed if folder)


@dataclass(frozen=True)
class Settings:
    """Limits and folders, read from the environment when an instance is created."""

    # Larger images are rejected before decoding; 100 megapixels is a medium-format camera's.
    max_pixels: int = field(default_factory=lambda: _count("CAPTIONLENS_MAX_PIXELS", 100_000_000))
    # Images per upload; further ones are listed and ignored, because uploads are held in memory.
    max_files: int = field(default_factory=lambda: _count("CAPTIONLENS_MAX_FILES", 200))
    # Captions per list; further ones are ignored: every caption adds a row of scores.
    max_captions: int = field(default_factory=lambda: _count("CAPTIONLENS_MAX_CAPTIONS", 100))
    # The folder of checkpoints and converted models.
    model_cache: Path = field(
        default_factory=lambda: Path(
            os.environ.get("CAPTIONLENS_MODEL_CACHE", ROOT / "model_cache")
        )
    )
    # The folder of collections; by default the platform's folder for application data.
    data: Path = field(
        default_factory=lambda: Path(
            os.environ.get("CAPTIONLENS_DATA") or user_data_path("captionlens", appauthor=False)
        )
    )
    # Allows fetching images from loopback, private and link-local addresses.
    private_addresses: bool = field(
        default_factory=lambda: _switch("CAPTIONLENS_PRIVATE_ADDRESSES")
    )
    # For public installations: everyone only searches, matches and reads.
    read_only: bool = field(default_factory=lambda: _switch("CAPTIONLENS_READ_ONLY"))
    # Other people use this server: a page names no folder that is not allowed below.
    shared: bool = field(default_factory=lambda: _switch(SHARED))
    # Folders that may be indexed from the page; None: any, or none where it is shared.
    folders: tuple[Path, ...] | None = field(
        default_factory=lambda: _folders("CAPTIONLENS_FOLDERS") or None
    )
    # Where it is read-only or shared, no folder is a model unless it is one of these or inside one.
    model_folders: tuple[Path, ...] = field(
        default_factory=lambda: _folders("CAPTIONLENS_MODEL_FOLDERS")
    )
    # Writes queries, names of files and collections, and addresses into the log of events.
    log_texts: bool = field(default_factory=lambda: _switch("CAPTIONLENS_LOG_TEXTS"))
    # Where published collections are searched: milvus://HOST:PORT/DATABASE or a file, NAME.db.
    milvus: str = field(default_factory=lambda: os.environ.get("CAPTIONLENS_MILVUS", ""))
    milvus_token: str = field(
        default_factory=lambda: os.environ.get("CAPTIONLENS_MILVUS_TOKEN", ""), repr=False
    )
    # Collections that others built: a folder, or an address that fsspec reads, such as s3://b/c.
    shared_collections: str = field(
        default_factory=lambda: os.environ.get("CAPTIONLENS_SHARED_COLLECTIONS", "")
    )
    # Gigabytes of the disk for copies of their files.
    cache_gb: int = field(default_factory=lambda: _count("CAPTIONLENS_CACHE_GB", 10))
    samples: Path = ROOT / "sample_images"
