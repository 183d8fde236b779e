"""A file on a server, read in the pieces that are asked for."""

import io
import time
from collections import OrderedDict
from typing import Any

import urllib3
from urllib3.exceptions import HTTPError

from components.collection.sources.remote import Fetcher, RemoteError, shown

_BLOCK = 1 << 20  # bytes that a ranged file asks for at a time
_BLOCKS = 8  # of them kept


class RangeFile(io.RawIOBase):
    """A file on a server, read in the pieces that are asked for; what `zipfile` needs.

    Raises RemoteError where the server sends no pieces, or the file changes in between.
    """

    def __init__(self, url: str, fetcher: Fetcher) -> None:
        self._url, self._fetcher = url, fetcher
        self._blocks: OrderedDict[int, bytes] = OrderedDict()
        self._position = 0
        self._size, self._mark = -1, ""
        self._block(0)

    def seekable(self) -> bool:
        return True

    def readable(self) -> bool:
        return True

    def tell(self) -> int:
        return self._position

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        start = {io.SEEK_SET: 0, io.SEEK_CUR: self._position, io.SEEK_END: self._size}[whence]
        self._position = max(0, start + offset)
        return self._position

    def readinto(self, buffer: Any) -> int:
        if self._position >= self._size:
            return 0
        number, start = divmod(self._position, _BLOCK)
        piece = self._block(number)[start : start + len(buffer)]
        buffer[: len(piece)] = piece
        self._position += len(piece)
        return len(piece)

    def _block(self, number: int) -> bytes:
        if number not in self._blocks:
            self._blocks[number] = self._fetch(number)
            while len(self._blocks) > _BLOCKS:
                self._blocks.popitem(last=False)
        self._blocks.move_to_end(number)
        return self._blocks[number]

    def _fetch(self, number: int) -> bytes:
        for left in range(self._fetcher.tries, -1, -1):
            try:
                return self._fetch_once(number)
            except HTTPError as error:
                if not left:
                    raise RemoteError(f"{shown(self._url)} breaks off.") from error
                time.sleep(self._fetcher.backoff * 2 ** (self._fetcher.tries - left))
        raise AssertionError("unreachable")  # pragma: no cover

    def _fetch_once(self, number: int) -> bytes:
        start = number * _BLOCK
        end = start + _BLOCK - 1 if self._size < 0 else min(start + _BLOCK, self._size) - 1
        headers = {"Range": f"bytes={start}-{end}", "Accept-Encoding": "identity"}
        response = self._fetcher.ask(self._url, headers)
        try:
            total = str(response.headers.get("Content-Range", "")).rpartition("/")[2]
            if response.status != 206 or not total.isdecimal():
                raise RemoteError(f"{shown(self._url)} cannot be read in pieces.")
            mark = str(response.headers.get("ETag", ""))
            if self._size < 0:
                self._size, self._mark = int(total), mark
            if (int(total), mark) != (self._size, self._mark):
                raise RemoteError(f"{shown(self._url)} changed while it was read: try again.")
            data = response.read(_BLOCK)
        finally:
            response.close()
            response.release_conn()
        if len(data) != min(_BLOCK, self._size - start):
            raise urllib3.exceptions.ProtocolError("cut off")
        return data
