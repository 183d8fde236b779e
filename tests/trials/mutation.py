"""Damages the bytes of a file as a stranger would: at any place, with values that matter."""

from hypothesis import strategies as st

_VALUES = (
    *(b"\0", b"\xff", b"\x7f", b"\x80", b"\0\0", b"\xff\xff", b"\0\1", b"\1\0", b"\x7f\xff"),
    *(b"\0\0\0\0", b"\xff\xff\xff\xff", b"\x7f\xff\xff\xff", b"\xff\xff\xff\x7f", b"\0\0\0\1"),
    *(b"\1\0\0\0", b"\x80\0\0\0", b"\0\1\0\0", b"\xff" * 8, b"\0" * 16),
)


@st.composite
def damaged(draw: st.DrawFn, files: dict[str, bytes]) -> bytes:
    """Draw one of the files, most often with a few changes."""
    data = files[draw(st.sampled_from(sorted(files)))]
    for _ in range(draw(st.integers(0, 6))):
        data = _changed(draw, data, files)
    return data


def _changed(draw: st.DrawFn, data: bytes, files: dict[str, bytes]) -> bytes:
    # Headers and footers are short and decide most: half of the changes are there.
    where = draw(st.sampled_from(["anywhere", "start", "end"]))
    place = draw(st.integers(0, len(data)))
    if where != "anywhere":
        place = draw(st.integers(0, min(len(data), 200)))
        place = place if where == "start" else len(data) - place
    size = draw(st.sampled_from([0, 1, 2, 4, 8, 50]))
    new = draw(st.one_of(st.sampled_from(_VALUES), st.binary(max_size=8)))
    change = draw(
        st.sampled_from(["set", "set", "set", "insert", "delete", "repeat", "cut", "mix"])
    )
    if change == "set":
        return data[:place] + new + data[place + len(new) :]
    if change == "insert":
        return data[:place] + new + data[place:]
    if change == "delete":
        return data[:place] + data[place + size :]
    if change == "repeat":
        return data[:place] + data[place : place + size] * 3 + data[place + size :]
    if change == "cut":
        return data[:place]
    other = files[draw(st.sampled_from(sorted(files)))]
    return data[:place] + other[place : place + 10 * size] + data[place + size :]
