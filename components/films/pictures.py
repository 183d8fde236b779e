"""Frames as upright images of a reduced size, in the colours of an ordinary screen."""

import io
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from components.films.cuts import Points
from components.films.opening import shown_size

if TYPE_CHECKING:
    from av import VideoFrame, VideoStream

_HD = 720  # lines from which on films that do not say so have the colours of HD (ITU-R BT.709)
_CELL = 16  # pixels
_COLUMNS, _ROWS = 64, 36  # of the points that are compared
_QUALITY = 90


class Pictures:
    """Turns the frames of a film into images whose longer side has at most ``side`` pixels."""

    def __init__(self, seen: "VideoStream", side: int) -> None:
        from av.video.reformatter import VideoReformatter

        self._seen, self._side = seen, side
        self._scaler = VideoReformatter()

    def image(self, frame: "VideoFrame") -> Image.Image:
        """Return a frame as an upright RGB image."""
        width, height = shown_size(frame.width, frame.height, self._seen, 0)
        scale = min(1.0, self._side / max(width, height))
        size = max(1, round(width * scale)), max(1, round(height * scale))
        rgb = Image.fromarray(self._rgb(frame, *size))
        return rgb.rotate(frame.rotation, expand=True) if frame.rotation else rgb

    def _rgb(self, frame: "VideoFrame", width: int, height: int) -> NDArray[np.uint8]:
        from av.video.reformatter import ColorPrimaries, Colorspace, ColorTrc, Interpolation

        bright = frame.color_trc in {ColorTrc.SMPTE2084, ColorTrc.ARIB_STD_B67}  # HDR
        unsaid = frame.colorspace not in {int(Colorspace.ITU709), int(Colorspace.BT2020), 5, 6, 7}
        small = self._scaler.reformat(
            frame,
            width,
            height,
            "rgb24",
            src_colorspace=Colorspace.ITU709 if unsaid and frame.height >= _HD else None,
            interpolation=Interpolation.AREA,
            dst_color_trc=ColorTrc.IEC61966_2_1 if bright else None,
            dst_color_primaries=ColorPrimaries.BT709 if bright else None,
            threads=1,
        )
        return small.to_ndarray()  # type: ignore[return-value] # rgb24 has eight bits


def jpeg(image: Image.Image) -> bytes:
    """Return the JPEG bytes of an image."""
    out = io.BytesIO()
    image.save(out, "JPEG", quality=_QUALITY)
    return out.getvalue()


def cells(image: Image.Image) -> Points:
    """Return the mean brightness of each cell of an image."""
    return np.asarray(image.convert("L").reduce(_CELL), dtype=np.int16)


def points(frame: "VideoFrame") -> Points:
    """Return some thousand samples of a frame's brightness and colour, (n,), up to 255.

    They are read where the decoder left them, which takes a thousandth of scaling the frame.
    """
    shift = max(0, frame.format.components[0].bits - 8)
    found = [_grid(frame, plane, shift > 0) >> shift for plane in range(len(frame.planes))]
    return np.concatenate(found)


def _grid(frame: "VideoFrame", number: int, deep: bool) -> Points:
    plane = frame.planes[number]
    samples = np.frombuffer(memoryview(plane), np.uint16 if deep else np.uint8)
    across = plane.line_size // samples.itemsize
    lines = len(samples) // across
    rows = samples[: lines * across].reshape(lines, across)
    step = max(1, lines // _ROWS), max(1, plane.width // _COLUMNS)
    chosen = rows[step[0] // 2 :: step[0], step[1] // 2 : plane.width : step[1]]
    return chosen.astype(np.int16).ravel()
