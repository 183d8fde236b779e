"""The images of a folder and its subfolders; links that lead outside are ignored."""

from collections.abc import Iterator
from pathlib import Path

from components.collection.sources.source import Item
from components.encoder import Skipped
from components.errors import CaptionLensError
from components.images import Source, find_images, source_of


class Folder:
    """An ImageSource: the images of a folder."""

    def __init__(self, location: str) -> None:
        self._folder = Path(location).expanduser()

    def items(self) -> Iterator[Item | Skipped]:
        """Yield the images in natural order. Raises CaptionLensError where there is no folder."""
        if not self._folder.is_dir():
            raise CaptionLensError(f"{self._folder.name or self._folder} is not a folder.")
        sources, errors = find_images([self._folder])
        for error in errors:
            yield Skipped(source_of(b"", self._folder.name), str(error))
        sources.reverse()
        while sources:  # frees each one, as there may be very many
            source = sources.pop()
            assert isinstance(source.data, Path)  # noqa: S101 - a folder holds files
            id_ = str(source.data.relative_to(self._folder))
            if _is_text(id_):
                yield file_item(id_, source, source.data)
            else:
                reason = f"{source.name}: its name is not valid Unicode. Rename it to index it."
                yield Skipped(source, reason)


def file_item(id_: str, source: Source, path: Path) -> Item:
    """Return the item of an image file; its signature is its size and modification time."""
    try:
        status = path.stat()
        signature = f"{status.st_size}-{status.st_mtime_ns}"
    except OSError:
        signature = ""  # deleted meanwhile: reading it reports the error
    return Item(id_, source, signature, str(path.absolute()))


def _is_text(name: str) -> bool:
    """Return whether a name is text, not bytes that its file system lets through."""
    try:
        name.encode()
    except UnicodeEncodeError:
        return False
    return True
