"""Files of less than a megabyte that expand: none takes more than 500 MB of memory or 5 seconds."""

import base64
import io
import json
import struct
import subprocess
import sys
import zlib
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from PIL import Image

from components.datasets.table import TableError, read_rows
from components.images import decode, source_of
from components.settings import ROOT

SIDE = 10_000  # pixels: an image of 100 megapixels, the limit
AVIF = (  # of 10,000 x 10,000 black pixels, compressed: encoding it takes 13 seconds
    "eNpjYGBQSCupLEgsy0xjAAIQnZuZZpibmZjm62joBBR6nZtaksgAAYoZKTlFUDZDQWZyCQMa4CvILMkFsxiBWC4z"
    "Jz8ZxHEB8RkhoozCDAysX4FsjczMvDS4WikgJ5UJykssMzB0zs/JB9uVlVlQVACkvTMLkvOBtEhmcUEqxDp1AQhm"
    "ECjIrMgEiTBzcHAAKZ7EMkPnRnkekJBwcn5OUV5yTgXQZF4GtgagkHhmQS7MT0CHsTAyNbMAXfU3NyWxRIiBi1v+"
    "ezr/HNtFTFK8HEaPuYXPuLe33r3sa3Lo2AEGhoDzpzSPT5GvdtF/cJLBxItzqu1lnadLGllrV/Zp/9S/YmYX81v2"
    "zPIH9aoxnRfdKzeJvLx9WNGba/LUj6uncTK5M25tY2Xb+3TdebvkqzVrNLdHeNQtHQomZhJj4gqJI5ft3/A+cI6o"
    "CRTZbPbtqcwy9d59798enaJcnBi9jNfOU/lC0EKHCez79TvX6xV4rXZtqZ2tZ6n8ff/764tlZ/91u+G/JmPGaACP"
    "BvDQDuBMqjo+1ueiGOeeE3yPb+xb6b54pZBdwdFP2yu+hOg3lkkrDE+r6BFV7l4/3USS7oq2R3w4IgUAwj4BwQ=="
)


def _zeros(size: int) -> bytes:
    """Return ``size`` zero bytes as zlib compresses them, a multiple of a megabyte, at once."""
    deflate = zlib.compressobj(9, zlib.DEFLATED, -15)
    piece = deflate.compress(bytes(2**20)) + deflate.flush(zlib.Z_FULL_FLUSH)
    rest = zlib.compressobj(9, zlib.DEFLATED, -15)
    end = rest.compress(bytes(size % 2**20)) + rest.flush()
    checksum = struct.pack(">HH", size % 65521, 1)
    return b"\x78\x9c" + piece * (size // 2**20) + end + checksum


def _png(width: int, height: int, depth: int, colour: int, channels: int) -> bytes:
    def chunk(kind: bytes, body: bytes) -> bytes:
        return (
            struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))
        )

    header = struct.pack(">IIBBBBB", width, height, depth, colour, 0, 0, 0)
    pixels = _zeros(height * (width * channels * depth // 8 + 1))
    body = chunk(b"IHDR", header) + chunk(b"IDAT", pixels) + chunk(b"IEND", b"")
    return b"\x89PNG\r\n\x1a\n" + body


def _tiff(tags: dict[int, tuple[int, ...]], data: bytes) -> bytes:
    """Return a TIFF of one directory of numbers, after ``data`` at byte 8."""
    start = 8 + len(data) + len(data) % 2
    entries, rest = b"", b""
    for tag, values in sorted(tags.items()):
        body = struct.pack(f"<{len(values)}I", *values)
        place = start + 2 + 12 * len(tags) + 4 + len(rest)
        here = body if len(values) == 1 else struct.pack("<I", place)
        rest += b"" if len(values) == 1 else body
        entries += struct.pack("<HHI", tag, 4, len(values)) + here
    head = b"II*\0" + struct.pack("<I", start) + data.ljust(start - 8, b"\0")
    return head + struct.pack("<H", len(tags)) + entries + bytes(4) + rest


def _float_tiff(rows: int) -> bytes:
    """Return a TIFF of floats whose strips of ``rows`` rows are all the same bytes of the file."""
    data, strips = _zeros(SIDE * rows * 4), SIDE // rows
    sizes = {256: (SIDE,), 257: (SIDE,), 258: (32,), 278: (rows,), 339: (3,)}
    places = {273: (8,) * strips, 279: (len(data),) * strips}
    return _tiff({**sizes, **places, 259: (8,), 262: (1,), 277: (1,)}, data)


def _tile_tiff() -> bytes:
    """Return a TIFF of 64 x 64 pixels in a tile of 15,000 x 15,000."""
    data, side = _zeros(15_000 * 15_000 * 3), 15_000
    sizes = {256: (64,), 257: (64,), 258: (8, 8, 8), 322: (side,), 323: (side,)}
    return _tiff({**sizes, 324: (8,), 325: (len(data),), 259: (8,), 262: (2,), 277: (3,)}, data)


def _directories() -> bytes:
    """Return a TIFF of 1,000 directories of 60,000 entries each, which overlap."""
    count, pages, base = 60_000, 1_000, 16
    page = [(256, 1), (257, 1), (258, 8), (259, 1), (262, 1), (273, 8), (277, 1), (279, 1)]
    entries = (
        struct.pack("<HHIH", *(page[n % 8][0], 3, 1, page[n % 8][1])) for n in range(count + pages)
    )
    data = bytearray(
        b"II*\0" + struct.pack("<I", base) + bytes(10) + b"\0\0".join(entries) + bytes(64)
    )
    for number in range(pages):
        struct.pack_into("<H", data, base + 12 * number, count)
        following = base + 12 * (number + 1)
        struct.pack_into("<I", data, base + 12 * number + 2 + 12 * count, following)
    return bytes(data)


def _parts() -> bytes:
    """Return an AVIF that lists 90,000 parts."""

    def box(kind: bytes, body: bytes) -> bytes:
        return struct.pack(">I", len(body) + 8) + kind + body

    places = b"".join(struct.pack(">IHHH", number, 0, 0, 0) for number in range(1, 90_001))
    kind = box(b"hdlr", bytes(8) + b"pict" + bytes(13))
    first = box(b"pitm", bytes(4) + b"\0\1")
    listed = box(b"iloc", b"\2" + bytes(5) + struct.pack(">I", 90_000) + places)
    start = box(b"ftyp", b"avif" + bytes(4) + b"avifmif1miaf")
    return start + box(b"meta", bytes(4) + kind + first + listed)


def _scans(side: int, count: int) -> bytes:
    """Return a grey progressive JPEG whose scans say in a few bytes that nothing changes."""

    def segment(marker: int, body: bytes) -> bytes:
        return b"\xff" + bytes([marker]) + struct.pack(">H", len(body) + 2) + body

    blocks = (side // 8) ** 2
    frame = struct.pack(">BHHB", 8, side, side, 1) + b"\1\x11\0"
    tables = [b"\0" + bytes([1, *bytes(15), 0]), b"\x10" + bytes([1, *bytes(15), 0xE0])]
    first = segment(0xDA, b"\1\1\0\0\0\0") + bytes(blocks // 8 + 1)
    bits = ("0" + "1" * 14) * (blocks // 32767 + 1)  # each: a run of 32,767 empty blocks
    run = int(bits.ljust(-(-len(bits) // 8) * 8, "1"), 2).to_bytes(-(-len(bits) // 8), "big")
    empty = run.replace(b"\xff", b"\xff\0")
    scans = [segment(0xDA, b"\1\1\0" + bytes([1 + n % 63] * 2 + [0])) + empty for n in range(count)]
    head = b"\xff\xd8" + segment(0xDB, b"\0" + b"\x10" * 64) + segment(0xC2, frame)
    return head + b"".join(segment(0xC4, table) for table in tables) + first + b"".join(scans)


def _gif(frames: int) -> bytes:
    out = io.BytesIO()
    Image.new("P", (1, 1)).save(out, "GIF")
    whole = out.getvalue()
    frame = b",\0\0\0\0\1\0\1\0\0\2\2\x44\1\0"
    return whole[: whole.rindex(b",")] + frame * frames + b";"


def _bmp() -> bytes:
    """Return a run-length coded BMP: each line is one pixel and an end."""
    header = struct.pack("<IiiHHIIiiII", 40, SIDE, SIDE, 1, 8, 1, 4 * SIDE, 0, 0, 256, 0)
    place = 14 + 40 + 1024
    start = b"BM" + struct.pack("<IHHI", place + 4 * SIDE, 0, 0, place) + header
    return start + bytes(1024) + b"\1\0\0\0" * SIDE


IMAGES: dict[str, Callable[[], bytes]] = {
    "float TIFF": lambda: _float_tiff(16),
    "float TIFF in one strip": lambda: _float_tiff(SIDE),
    "TIFF of one large tile": _tile_tiff,
    "TIFF of overlapping directories": _directories,
    "RGB PNG": lambda: _png(SIDE, SIDE, 8, 2, 3),
    "RGBA PNG": lambda: _png(SIDE, SIDE, 8, 6, 4),
    "16-bit PNG": lambda: _png(SIDE, SIDE, 16, 0, 1),
    "RGBA PNG of two rows": lambda: _png(SIDE**2 // 2, 2, 8, 6, 4),
    "WebP": lambda: b"RIFF\x1a\0\0\0WEBPVP8L\x0e\0\0\0/\x0f\xe7\xc3\x09\7\x10\x11\xfd\x0fDD\xff\3",
    "AVIF": lambda: zlib.decompress(base64.b64decode(AVIF)),
    "AVIF of very many parts": _parts,
    "JPEG of 4,000 scans": lambda: _scans(SIDE, 4000),
    "GIF of 60,000 frames": lambda: _gif(60_000),
    "BMP": _bmp,
}
PROGRAM = """if True:
    import json, resource, sys, time
    from pathlib import Path
    from components.errors import CaptionLensError
    from components.images import decode, source_of, thumbnail
    from components.datasets import pairs, captioned
    def now(field):
        lines = Path("/proc/self/status").read_text().splitlines()
        return next(int(line.split()[1]) for line in lines if line.startswith(field)) / 1000
    def read(file):
        if file.suffix != ".bin":
            return captioned.read(file)
        photo, image = decode(source_of(file))
        return thumbnail(image)
    decode(source_of(next(Path("sample_images").glob("*.jpg"))))  # loads the decoders
    import pyarrow.compute, pyarrow.parquet
    before, started = now("VmHWM"), time.process_time()
    room = int(now("VmSize") * 1000 + 1.5e9)  # some is only reserved
    resource.setrlimit(resource.RLIMIT_AS, (room, room))
    try:
        read(Path(sys.argv[1]))
        sentence = ""
    except CaptionLensError as error:
        sentence = str(error)
    print(json.dumps([now("VmHWM") - before, time.process_time() - started, sentence]))
"""


def _taken(file: Path) -> tuple[float, float, str]:
    """Return the megabytes and seconds that a file takes in a process of its own, and its error."""
    command = [sys.executable, "-c", PROGRAM, str(file)]
    run = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=60, check=False)
    assert run.returncode == 0, run.stderr
    megabytes, seconds, sentence = json.loads(run.stdout)
    return megabytes, seconds, sentence


pytestmark = pytest.mark.skipif(
    not Path("/proc/self/status").exists(), reason="memory is read from /proc, on Linux alone"
)


@pytest.mark.parametrize("kind", IMAGES)
def test_a_small_image_file_takes_little(kind: str, tmp_path: Path) -> None:
    file = tmp_path / "bomb.bin"
    file.write_bytes(IMAGES[kind]())
    assert file.stat().st_size < 1_000_000
    megabytes, seconds, sentence = _taken(file)
    assert megabytes < 500
    assert seconds < 20  # two files once took 21 and 29; a slow machine takes 5
    assert "than is available" not in sentence
    assert not sentence or sentence.startswith("bomb.bin ")


def test_what_would_take_too_much_is_said_in_numbers(tmp_path: Path) -> None:
    (tmp_path / "black.bin").write_bytes(IMAGES["WebP"]())
    assert _taken(tmp_path / "black.bin")[2] == (
        "black.bin takes 1,600 MB of memory to decode, above the limit of 500 MB for a file of its"
        " size."
    )


def test_an_image_too_large_to_convert_whole_is_decoded_reduced() -> None:
    photo, image = decode(source_of(IMAGES["RGBA PNG"](), "black.png"))
    assert (photo.width, photo.height) == (SIDE, SIDE)
    assert image.size == (323, 323)
    assert image.getpixel((160, 160)) == (255, 255, 255)  # transparent, over white


def _table(**columns: pa.Array) -> bytes:
    out = io.BytesIO()
    pq.write_table(pa.table(columns), out, compression="gzip", store_schema=False)
    return out.getvalue()


def _repeated(text: str, count: int) -> pa.Array:
    return pa.DictionaryArray.from_arrays(pa.array(np.zeros(count, np.int32)), [text])


def _long_list() -> bytes:
    """Return a table of one image that has 30 million captions."""
    captions = pa.ListArray.from_arrays(
        pa.array([0, 30_000_000], pa.int32()), _repeated("a", 30_000_000)
    )
    return _table(image=pa.array(["a.jpg"]), caption=captions)


def _lying_list() -> bytes:
    """Return the same table with a footer that states one caption."""
    data = _long_list()
    footer = len(data) - 8 - int.from_bytes(data[-8:-4], "little")
    count = bytes(
        [
            0x80 | 60_000_000 & 127,
            0x80 | 60_000_000 >> 7 & 127,
            0x80 | 60_000_000 >> 14 & 127,
            60_000_000 >> 21,
        ]
    )
    assert count in data[footer:]
    return data[:footer] + data[footer:].replace(count, b"\x82\x80\x80\0")


TABLES: dict[str, Callable[[], bytes]] = {
    "list.parquet": _long_list,
    "lie.parquet": _lying_list,
    "rows.parquet": lambda: _table(
        image=_repeated("a.jpg", 5_000_000), caption=_repeated("a", 5_000_000)
    ),
    "cells.parquet": lambda: _table(
        image=pa.array(map(str, range(2000))), caption=_repeated("x" * 900_000, 2000)
    ),
    "cell.parquet": lambda: _table(
        image=pa.array(["a.jpg"]), caption=pa.array(["x" * 120_000_000])
    ),
    "columns.parquet": lambda: _table(
        image=pa.array(["a.jpg"]), **{f"c{n}": pa.nulls(1) for n in range(1001)}
    ),
    "wide.csv": lambda: b"image,caption," + b"a," * 250_000 + b"\n" + b"x\n" * 230_000,
}


@pytest.mark.parametrize("name", TABLES)
def test_a_small_table_takes_little_and_is_refused(name: str, tmp_path: Path) -> None:
    file = tmp_path / name
    file.write_bytes(TABLES[name]())
    assert file.stat().st_size < 1_000_000
    megabytes, seconds, sentence = _taken(file)
    assert megabytes < 500
    assert seconds < 20  # two files once took 21 and 29; a slow machine takes 5
    assert sentence.startswith(f"{name} ")


def test_files_of_writers_that_arrow_reads_further_are_refused() -> None:
    written = _table(image=pa.array(["a.jpg"]), caption=pa.array(["a dog"]))
    version = pq.read_metadata(io.BytesIO(written)).created_by.encode()
    assert list(read_rows(Path("x.parquet"), written)) == [{"image": "a.jpg", "caption": "a dog"}]
    for writer, is_read in (
        (b"parquet-mr version 1.12.3", True),
        (b"parquet-mr version 1.2.8", False),
    ):
        data = written.replace(version, writer.ljust(len(version)))
        if is_read:
            assert list(read_rows(Path("x.parquet"), data))
        else:
            with pytest.raises(TableError, match=r"before 1\.3"):
                list(read_rows(Path("x.parquet"), data))
