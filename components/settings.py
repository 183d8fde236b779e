"""The settings and their defaults; each is overridden by an environment variable."""

import os
from dataclasses import dataclass, field
from pathlib import Path

from platformdirs import user_data_path

from components.errors import CaptionLensError

ROOT = Path(__file__).resolve().parent.parent


class SettingError(CaptionLensError):
    """An environment variable holds something that is not a whole positive number."""


def _switch(variable: str) -> bool:
    return os.environ.get(variable, "") not in {"", "0"}


def _count(variable: str, default: int) -> int:
    text = os.environ.get(variable, str(default))
    if not text.isdecimal() or int(text) < 1:
        raise SettingError(f"{variable} must be a whole number above zero, not {text!r}.")
    return int(text)


@dataclass(frozen=True)
class Settings:
    """Limits and places, read from the environment when it is made."""

    # An image of more pixels is refused before it is decoded; 100 megapixels is a large camera's.
    max_pixels: int = field(default_factory=lambda: _count("CAPTIONLENS_MAX_PIXELS", 100_000_000))
    # More images than this in one drop are named and left out: uploads live in memory.
    max_files: int = field(default_factory=lambda: _count("CAPTIONLENS_MAX_FILES", 200))
    # A caption list longer than this is cut: every caption is a row of scores.
    max_captions: int = field(default_factory=lambda: _count("CAPTIONLENS_MAX_CAPTIONS", 100))
    # Checkpoints and compiled models live here.
    model_cache: Path = field(
        default_factory=lambda: Path(
            os.environ.get("CAPTIONLENS_MODEL_CACHE", ROOT / "model_cache")
        )
    )
    # Collections live here: by default where the system keeps an application's data.
    data: Path = field(
        default_factory=lambda: Path(
            os.environ.get("CAPTIONLENS_DATA") or user_data_path("captionlens", appauthor=False)
        )
    )
    # Images may then be fetched from loopback, private and link-local addresses.
    private_addresses: bool = field(
        default_factory=lambda: _switch("CAPTIONLENS_PRIVATE_ADDRESSES")
    )
    # The pages then neither build nor remove collections: for a copy that strangers can reach.
    read_only: bool = field(default_factory=lambda: _switch("CAPTIONLENS_READ_ONLY"))
    samples: Path = ROOT / "sample_images"
