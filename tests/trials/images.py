"""Fuzzes `images.decode`: every file is an upright RGB image or one sentence that names it."""

import io
import struct
import zlib
from functools import cache

import numpy as np
from hypothesis import strategies as st
from PIL import Image, ImageCms
from pillow_heif import register_heif_opener

from components.images import ImageError, decode, source_of, thumbnail
from tests.trials.mutation import damaged

_PIXELS = 4_000_000
_PNG = b"\x89PNG\r\n\x1a\n"


def check(data: bytes) -> None:
    """Raise what `decode` raises, but for an ImageError, and where its image is not as stated."""
    try:
        photo, image = decode(source_of(data, "x"), max_pixels=_PIXELS)
    except ImageError as error:
        assert str(error).startswith("x ")
        assert str(error).endswith(".")
        return
    assert image.mode == "RGB"
    assert min(image.size) >= min(320, photo.width, photo.height)
    assert image.width <= photo.width
    assert image.height <= photo.height
    assert photo.width * photo.height <= _PIXELS
    assert thumbnail(image).startswith(b"\xff\xd8\xff")


def strategy() -> st.SearchStrategy[bytes]:
    """Return damaged files of every format; half of the PNG's have good checksums all the same."""
    files = _files()
    return st.one_of(
        damaged(files),
        damaged({name: data for name, data in files.items() if "PNG" in name}).map(_checked),
        st.binary(max_size=200),
    )


@cache
def _files() -> dict[str, bytes]:
    register_heif_opener()
    scene = Image.effect_noise((40, 30), 90).convert("RGB")
    exif = Image.Exif()
    exif[0x0112], exif[0x010E] = 6, "a description"
    profile = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    profile = profile.replace("sRGB".encode("utf-16-be"), "test".encode("utf-16-be"))
    more = {"exif": exif, "icc_profile": profile}
    files = {kind: _encoded(scene, kind) for kind in ("JPEG", "PNG", "WEBP", "BMP", "AVIF", "HEIF")}
    files |= {f"{kind} more": _encoded(scene, kind, **more) for kind in ("JPEG", "PNG", "WEBP")}
    files |= {f"{kind} moving": _moving(scene, kind) for kind in ("GIF", "PNG", "WEBP")}
    files |= {
        "JPEG progressive": _encoded(scene.resize((700, 650)), "JPEG", progressive=True, quality=5),
        "JPEG CMYK": _encoded(scene.convert("CMYK"), "JPEG"),
        "MPO": _moving(scene, "MPO"),
        "AVIF turned": _encoded(scene, "AVIF", exif=exif),
        "HEIF several": _moving(scene, "HEIF"),
        "BMP coded": _run_lengths(),
        "TIFF pages": _moving(scene, "TIFF", exif=exif),
    }
    grey = scene.convert("L")
    files["PNG deep"] = _encoded(Image.fromarray(np.asarray(grey).astype(np.uint16) * 257), "PNG")
    for mode in ("1", "L", "P", "LA", "RGBA"):
        files[f"PNG {mode}"] = _encoded(scene.convert(mode), "PNG")
    for mode in ("F", "CMYK", "YCbCr", "RGBA", "1", "I"):
        image = grey.convert(mode) if mode in {"F", "I"} else scene.convert(mode)
        files[f"TIFF {mode}"] = _encoded(image, "TIFF")
    for compression in ("tiff_lzw", "tiff_adobe_deflate", "packbits", "jpeg", "zstd", "lzma"):
        files[f"TIFF {compression}"] = _encoded(scene, "TIFF", compression=compression)
    files["TIFF group4"] = _encoded(scene.convert("1"), "TIFF", compression="group4")
    return files


def _encoded(image: Image.Image, kind: str, **options: object) -> bytes:
    out = io.BytesIO()
    image.save(out, kind, **options)
    return out.getvalue()


def _moving(image: Image.Image, kind: str, **options: object) -> bytes:
    others = [image.rotate(180), image.rotate(90)]
    return _encoded(image.copy(), kind, save_all=True, append_images=others, **options)


def _run_lengths() -> bytes:
    body = b"".join(bytes([20, shade, 20, 255 - shade, 0, 0]) for shade in range(30)) + b"\0\1"
    header = struct.pack("<IiiHHIIiiII", 40, 40, 30, 1, 8, 1, len(body), 0, 0, 256, 0)
    return b"BM" + struct.pack("<IHHI", 1078 + len(body), 0, 0, 1078) + header + bytes(1024) + body


def _checked(data: bytes) -> bytes:
    """Return a PNG with the checksums that its chunks should have."""
    if not data.startswith(_PNG):
        return data
    place, out = len(_PNG), _PNG
    while place + 12 <= len(data):
        size = int.from_bytes(data[place : place + 4], "big")
        body = data[place + 4 : place + 8 + size]
        out += data[place : place + 4] + body + struct.pack(">I", zlib.crc32(body))
        place += 12 + size
    return out + data[place:]
