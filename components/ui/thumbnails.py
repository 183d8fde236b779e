"""Thumbnails as sharp as a grid shows them: larger ones for large rows and dense screens."""

from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import streamlit as st

from components.errors import CaptionLensError
from components.images import Source, enlarge
from components.ui.grid import Group, Tile, density

_STORED = 320  # pixels: the longer side of the thumbnails that encoding makes
_SIDES = (480, 640, 960)
_KEPT = 300  # larger thumbnails in a session


def sharpened(
    grid_key: str, groups: Sequence[Group], height: int, source_of: Callable[[str], Source | None]
) -> list[Group]:
    """Return ``groups`` with larger thumbnails where the stored ones would look blurred.

    ``height`` of a row in pixels of the page; the grid reports the screen's density. ``source_of``
    is given a tile's id. An image without a source, or unreadable now, keeps its stored thumbnail.
    """
    needed = 1.5 * height * density(grid_key) / 1.1  # most images are no wider than 3:2
    if needed <= _STORED:
        return list(groups)
    side = next((each for each in _SIDES if each >= needed), _SIDES[-1])
    made = _made(side, {t.picture.thumbnail: source_of(t.id) for g in groups for t in g.tiles})
    return [replace(group, tiles=[_replaced(t, made) for t in group.tiles]) for group in groups]


def _replaced(tile: Tile, made: Mapping[bytes, bytes]) -> Tile:
    jpeg = made[tile.picture.thumbnail] or tile.picture.thumbnail
    return replace(tile, picture=replace(tile.picture, thumbnail=jpeg))


def _made(side: int, sources: Mapping[bytes, Source | None]) -> dict[bytes, bytes]:
    """Return larger thumbnails by the stored ones, b"" where none can be made; kept in session."""
    kept: dict[tuple[int, bytes], bytes] = st.session_state.setdefault("sharper", {})
    new = [small for small in sources if (side, small) not in kept]
    with ThreadPoolExecutor() as pool:
        large = pool.map(lambda small: _enlarged(sources[small], side), new)
        kept.update({(side, small): jpeg for small, jpeg in zip(new, large, strict=True)})
    made = {small: kept[side, small] for small in sources}
    while len(kept) > _KEPT:
        del kept[next(iter(kept))]
    return made


def _enlarged(source: Source | None, side: int) -> bytes:
    try:
        return enlarge(source, side) if source else b""
    except CaptionLensError:
        return b""
