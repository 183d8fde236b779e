"""A file on a server, read by HTTP ranges."""

import urllib3
from fsspec.spec import AbstractBufferedFile  # type: ignore[import-untyped] # has no types

from components.collection.sources.remote import Fetcher, RemoteError, shown

_BLOCK = 1 << 20  # bytes of a request
_BLOCKS = 8  # kept in memory, the least recently read dropped


class RangeFile(AbstractBufferedFile):  # type: ignore[misc] # see above
    """A seekable, read-only file on a server, of which only the blocks that are read are fetched.

    Every request goes through ``fetcher`` and its address guard. Raises RemoteError where the
    server does not support ranges, or the file changes meanwhile.
    """

    def __init__(self, url: str, fetcher: Fetcher) -> None:
        self._url, self._fetcher = url, fetcher
        self._version: tuple[int, str] | None = None  # size and ETag of the first answer
        self._fetch_range(0, 1)
        size = self._version and self._version[0]
        kept = {"maxblocks": _BLOCKS}
        super().__init__(
            None, url, block_size=_BLOCK, cache_type="blockcache", cache_options=kept, size=size
        )

    def _fetch_range(self, start: int, end: int) -> bytes:
        """Return the bytes from ``start`` to before ``end``, or to the end of the file."""
        return self._fetcher.retried(self._url, lambda: self._request(start, end))

    def _request(self, start: int, end: int) -> bytes:
        headers = {"Range": f"bytes={start}-{end - 1}", "Accept-Encoding": "identity"}
        response = self._fetcher.open(self._url, headers)
        try:
            size = str(response.headers.get("Content-Range", "")).rpartition("/")[2]
            if response.status != 206 or not size.isdecimal():
                raise RemoteError(f"The server of {shown(self._url)} does not support ranges.")
            version = int(size), str(response.headers.get("ETag", ""))
            self._version = self._version or version
            if version != self._version:
                raise RemoteError(f"{shown(self._url)} changed while it was read. Try again.")
            data = response.read(end - start)
        finally:
            response.close()
            response.release_conn()
        if len(data) != min(end, version[0]) - start:
            raise urllib3.exceptions.ProtocolError("cut off")
        return data
