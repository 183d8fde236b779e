"""A server of photographs on this machine for the tests, and a dataset shaped like Unsplash Lite.

with PhotoServer({"/a.jpg": jpeg(1)}) as server:
    Fetcher().get(f"{server.url}/a.jpg")
"""

import io
import threading
import time
import zipfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import TracebackType
from typing import Self
from urllib.parse import urlsplit

import numpy as np
from PIL import Image

PHOTO_COLUMNS = (
    *("photo_id", "photo_url", "photo_image_url", "photo_submitted_at", "photo_featured"),
    *("photo_width", "photo_height", "photo_aspect_ratio", "photo_description"),
    *("photographer_username", "photographer_first_name", "photographer_last_name"),
    *("exif_camera_make", "exif_camera_model", "exif_iso", "exif_aperture_value"),
    *("exif_focal_length", "exif_exposure_time", "photo_location_name"),
    *("photo_location_latitude", "photo_location_longitude", "photo_location_country"),
    *("photo_location_city", "stats_views", "stats_downloads", "ai_description"),
    *("ai_primary_landmark_name", "ai_primary_landmark_latitude"),
    *("ai_primary_landmark_longitude", "ai_primary_landmark_confidence", "blur_hash"),
)
KEYWORD_COLUMNS = (
    *("photo_id", "keyword", "ai_service_1_confidence", "ai_service_2_confidence"),
    "suggested_by_user",
)


@dataclass(frozen=True)
class Request:
    """A request that the server received."""

    path: str
    query: str
    range: tuple[int, int] | None


@dataclass
class Trouble:
    """How a path misbehaves, the first ``times`` times."""

    status: int = 200
    location: str = ""
    retry_after: str = ""
    cut_after: int | None = None  # bytes of the body before the connection breaks
    pause: float = 0.0  # seconds before each kilobyte of the body
    times: int = 1_000_000


class _QuietServer(ThreadingHTTPServer):
    def handle_error(self, request: object, client_address: object) -> None:
        """Log nothing: some tests close the connection early."""


class PhotoServer:
    """Serves ``files`` by path; ``troubles`` may be changed while it runs."""

    def __init__(self, files: Mapping[str, bytes]) -> None:
        self.files = dict(files)
        self.troubles: dict[str, Trouble] = {}
        self.ranges = True
        self.etag = '"one"'
        self.requests: list[Request] = []
        self._server = _QuietServer(("127.0.0.1", 0), _handler(self))
        self._server.daemon_threads = True
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.05,))

    @property
    def url(self) -> str:
        """The address of its root."""
        return f"http://127.0.0.1:{self._server.server_port}"

    def asked_for(self, path: str) -> list[Request]:
        """Return the requests for a path."""
        return [request for request in self.requests if request.path == path]

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()


def _handler(server: PhotoServer) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:
            parts = urlsplit(self.path)
            requested = _range(self.headers.get("Range", "")) if server.ranges else None
            server.requests.append(Request(parts.path, parts.query, requested))
            trouble = _next(server, parts.path)
            body = server.files.get(parts.path)
            status = 404 if body is None and trouble.status == 200 else trouble.status
            if status != 200 or body is None:
                self._head(status, b"", trouble)
                return
            total = len(body)
            if requested:
                body = body[requested[0] : requested[1] + 1]
            self._head(206 if requested else 200, body, trouble, requested, total)
            self._body(body, trouble)

        def _head(
            self,
            status: int,
            body: bytes,
            trouble: Trouble,
            requested: tuple[int, int] | None = None,
            total: int = 0,
        ) -> None:
            self.send_response(status)
            self.send_header("Content-Length", str(len(body)))
            self.send_header("ETag", server.etag)
            if requested:
                end = requested[0] + len(body) - 1
                self.send_header("Content-Range", f"bytes {requested[0]}-{end}/{total}")
            if trouble.location:
                self.send_header("Location", trouble.location)
            if trouble.retry_after:
                self.send_header("Retry-After", trouble.retry_after)
            self.end_headers()

        def _body(self, body: bytes, trouble: Trouble) -> None:
            sent = body if trouble.cut_after is None else body[: trouble.cut_after]
            for start in range(0, len(sent), 1024):
                if trouble.pause:
                    time.sleep(trouble.pause)
                self.wfile.write(sent[start : start + 1024])
            if len(sent) < len(body):
                self.close_connection = True

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002
            pass

    return Handler


def _next(server: PhotoServer, path: str) -> Trouble:
    trouble = server.troubles.get(path)
    if trouble is None or trouble.times <= 0:
        return Trouble()
    trouble.times -= 1
    return trouble


def _range(header: str) -> tuple[int, int] | None:
    if not header.startswith("bytes="):
        return None
    start, _, end = header.removeprefix("bytes=").partition("-")
    return int(start), int(end)


def jpeg(seed: int) -> bytes:
    """Return a small image, a different one for each seed."""
    pixels = np.random.default_rng(seed).integers(0, 256, (6, 8, 3), dtype=np.uint8)
    out = io.BytesIO()
    Image.fromarray(pixels).resize((320, 240)).save(out, "JPEG")
    return out.getvalue()


def tsv(columns: Sequence[str], rows: Sequence[Mapping[str, object]]) -> str:
    """Return a table as the dataset writes it: tab-separated, quoted, with a header."""
    lines = ["\t".join(columns)]
    for row in rows:
        cells = [str(row.get(column, "")).replace('"', '""') for column in columns]
        lines.append("\t".join(f'"{cell}"' if cell else "" for cell in cells))
    return "\n".join(lines) + "\n"


def photo(number: int, server: str, **own: object) -> dict[str, object]:
    """Return a row of ``photos`` whose image the server has at /photo-N."""
    return {
        "photo_id": f"photo-{number}",
        "photo_url": f"https://unsplash.com/photos/photo-{number}",
        "photo_image_url": f"{server}/photo-{number}",
        "photo_submitted_at": f"{2010 + number % 10}-05-14 16:25:14.123",
        "photo_width": "4000",
        "photo_height": "3000",
        "photo_description": f'a "image"\tof {number}\nin two lines',
        "photographer_username": f"user{number % 3}",
        "photographer_first_name": "Zoë",
        "photographer_last_name": f"Doe {number % 3}",
        "exif_camera_make": "Canon",
        "exif_camera_model": "EOS 5D",
        "photo_location_name": "Oslo, Norway",
        "photo_location_latitude": "59.91",
        "photo_location_longitude": "10.75",
        "photo_location_country": "Norway",
        "photo_location_city": "Oslo",
        "blur_hash": "LEHV6nWB2yk8pyo0adR*.7kCMdnj",
        **own,
    }


def lite_zip(members: Mapping[str, str | bytes]) -> bytes:
    """Return a zip of these members, stored as the published one is: compressed."""
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, data in members.items():
            archive.writestr(name, data)
    return out.getvalue()
