"""The sample images as a collection's source."""

import hashlib
import json
from collections.abc import Iterator
from dataclasses import replace

from components.collection.sources.folder import file_item
from components.collection.sources.source import Item
from components.datasets.table import Value
from components.encoder import Skipped
from components.images import sample_captions, sample_credit, sample_sources


class Samples:
    """An ImageSource: the sample images, with their captions and credits."""

    def items(self) -> Iterator[Item | Skipped]:
        """Yield the images."""
        for source in sample_sources():
            assert not isinstance(source.data, bytes) and not callable(source.data)  # noqa: S101
            item, metadata = file_item(source.name, source, source.data), _metadata(source.name)
            mark = hashlib.sha256(json.dumps(metadata).encode()).hexdigest()[:16]
            yield replace(item, signature=f"{item.signature} {mark}", metadata=metadata)


def _metadata(name: str) -> dict[str, Value]:
    captions: list[str] = [sample_captions()[name]]
    credit = sample_credit(name)
    if credit is None:
        return {"captions": captions}
    credited = {"photographer": credit.author, "licence": credit.licence, "page_url": credit.source}
    return {"captions": captions, **credited}
