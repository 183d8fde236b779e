"""Files that are written whole or not at all."""

from pathlib import Path

import pytest

from components.files import write_bytes, write_whole


def test_a_file_is_replaced_and_readable_by_all(tmp_path: Path) -> None:
    file = tmp_path / "new" / "file"
    for content in (b"one", b"two"):
        write_bytes(file, content)
        assert file.read_bytes() == content
    assert file.stat().st_mode & 0o777 == 0o644
    assert [*file.parent.iterdir()] == [file]


def test_a_failed_write_leaves_the_old_file_and_no_draft(tmp_path: Path) -> None:
    file = tmp_path / "file"
    file.write_bytes(b"old")

    def write(draft: Path) -> None:
        draft.write_bytes(b"half")
        raise OSError("disk full")

    with pytest.raises(OSError, match="disk full"):
        write_whole(file, write)
    assert file.read_bytes() == b"old"
    assert [*tmp_path.iterdir()] == [file]


def test_two_writers_of_one_file_do_not_share_a_draft(tmp_path: Path) -> None:
    file = tmp_path / "file"

    def write(draft: Path) -> None:
        draft.write_bytes(b"outer")
        write_bytes(file, b"inner")  # the other writer, meanwhile
        assert draft.read_bytes() == b"outer"

    write_whole(file, write)
    assert file.read_bytes() == b"outer"
