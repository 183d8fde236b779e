"""The sample images as a collection's source."""

from collections.abc import Iterator
from dataclasses import replace

from components.collection.sources.folder import file_item
from components.collection.sources.source import Item
from components.encoder import Skipped
from components.images import sample_captions, sample_sources


class Samples:
    """An ImageSource: the sample images, with their captions."""

    def items(self) -> Iterator[Item | Skipped]:
        """Yield the images."""
        for source in sample_sources():
            assert not isinstance(source.data, bytes) and not callable(source.data)  # noqa: S101
            item = file_item(source.name, source, source.data)
            yield replace(item, metadata={"captions": [sample_captions()[source.name]]})
