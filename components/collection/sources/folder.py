"""The images of a folder and its subfolders; links that lead outside are ignored."""

from collections.abc import Iterator
from pathlib import Path

from components.collection.sources.source import Item
from components.encoder import Skipped
from components.errors import CaptionLensError
from components.images import ImageError, Source, source_of, walk_images


class Folder:
    """An ImageSource: the images of a folder."""

    def __init__(self, location: str) -> None:
        self._folder = Path(location).expanduser()

    def items(self) -> Iterator[Item | Skipped]:
        """Yield the images in natural order. Raises CaptionLensError where there is no folder."""
        if not self._folder.is_dir():
            raise CaptionLensError(f"{self._folder.name or self._folder} is not a folder.")
        for found in walk_images(self._folder):
            if isinstance(found, ImageError):
                yield Skipped(source_of(b"", self._folder.name), str(found))
                continue
            assert isinstance(found.data, Path)  # noqa: S101 - a folder holds files
            yield file_item(str(found.data.relative_to(self._folder)), found, found.data)


def file_item(id_: str, source: Source, path: Path) -> Item:
    """Return the item of an image file; its signature is its size and modification time."""
    try:
        status = path.stat()
        signature = f"{status.st_size}-{status.st_mtime_ns}"
    except OSError:
        signature = ""  # deleted meanwhile: reading it reports the error
    return Item(id_, source, signature, str(path.absolute()))
