"""Compaction: which rows and shards it leaves, and what they hold."""

from dataclasses import replace
from itertools import count
from pathlib import Path

import numpy as np
import pytest

from components.collection import compact
from components.collection.chunks import Row, write_shard
from components.collection.compact import Compactor, Mask, Part
from components.collection.manifest import Shard
from components.collection.records import Record, read_table


def row(number: int) -> Row:
    thumbnail = b"x" * (number + 1)
    record: Record = {"id": str(number), "thumbnail_bytes": len(thumbnail)}
    return Row(record, np.full(4, number, dtype=np.float32), thumbnail)


def shards_of(folder: Path, sizes: list[int]) -> list[Shard]:
    numbers = count()
    return [
        write_shard(folder / f"{number:06}", [row(next(numbers)) for _ in range(size)], number)
        for number, size in enumerate(sizes, start=1)
    ]


def parts_of(shards: list[Shard], keep: Mask) -> list[Part]:
    ends = np.cumsum([shard.rows for shard in shards])
    return list(zip(shards, np.split(keep, ends[:-1]), strict=True))


def rows_in(folder: Path, shard: Shard) -> list[int]:
    """Return the numbers of a shard's rows, once its three files agree on them."""
    table = read_table(folder / shard.metadata.name)
    vectors = np.fromfile(folder / shard.vectors.name, "<f4").reshape(shard.rows, 4)
    numbers = [int(id_) for id_ in table["id"].to_pylist()]
    assert [int(vector[0]) for vector in vectors] == numbers
    assert (folder / shard.thumbnails.name).stat().st_size == sum(n + 1 for n in numbers)
    assert all(file.is_whole(folder) for file in shard.files)
    return numbers


def test_only_shards_that_lose_rows_are_rewritten(tmp_path: Path) -> None:
    shards = shards_of(tmp_path, [4, 4, 4, 4])
    keep = np.ones(16, dtype=np.bool_)
    keep[[5, 6, 12, 13, 14, 15]] = False
    parts = parts_of(shards, keep)
    first, second, third = Compactor(tmp_path, 8, count(9).__next__).compact(parts)
    assert (first, third) == (shards[0], shards[2])
    assert (second.number, rows_in(tmp_path, second)) == (9, [4, 7])
    assert rows_in(tmp_path, shards[1]) == [4, 5, 6, 7]  # old files stay for their readers


def test_many_small_shards_are_merged_up_to_the_limit(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(compact, "_MAX_SMALL", 2)
    shards = shards_of(tmp_path, [3, 3, 3, 3])
    parts = parts_of(shards, np.ones(12, dtype=np.bool_))
    merged = Compactor(tmp_path, 7, count(9).__next__).compact(parts)
    assert [rows_in(tmp_path, shard) for shard in merged] == [[*range(6)], [*range(6, 12)]]
    assert [shard.number for shard in merged] == [9, 10]


def test_chunks_are_merged_and_shards_beside_them_stay(tmp_path: Path) -> None:
    shard, *chunks = shards_of(tmp_path, [4, 4, 4, 4])
    chunks = [replace(chunk, number=0) for chunk in chunks]
    keep = np.ones(16, dtype=np.bool_)
    keep[[8, 9, 10, 11, 13]] = False
    parts = parts_of([shard, *chunks], keep)
    first, second = Compactor(tmp_path, 8, count(9).__next__).compact(parts)
    assert first == shard
    assert (second.number, rows_in(tmp_path, second)) == (9, [4, 5, 6, 7, 12, 14, 15])
