"""A local Hub for the tests: a few repositories, and simulated failures.

with HubServer({"a/b": {"config.json": b"{}"}}) as hub:
    monkeypatch.setenv("HF_ENDPOINT", hub.url)
"""

import hashlib
import json
import re
import threading
import time
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import TracebackType
from typing import Self
from urllib.parse import unquote, urlsplit

Files = Mapping[str, bytes]
LFS_FROM = 1000  # bytes: files of this size are redirected


@dataclass(frozen=True)
class Request:
    """A request that the server received."""

    method: str
    path: str
    range: str | None


class HubServer:
    """Serves ``repos``; every attribute may be changed while it runs."""

    def __init__(self, repos: Mapping[str, Files], gated: Iterable[str] = ()) -> None:
        self.repos = dict(repos)
        self.gated = set(gated)
        self.commits: dict[tuple[str, str], Files] = {}  # (id, commit): not on the main branch
        self.bytes_per_second: float | None = None
        self.cut_after: int | None = None  # bytes of a weights file before the connection breaks
        self.cuts = 0  # how many more connections are to break
        self.silent_after: int | None = None  # bytes of a weights file before no more come
        self.status: int | None = None  # answered to everything
        self.file_status: int | None = None  # answered to every file but config.json
        self.ignores_range = False
        self.damages_weights = False
        self.requests: list[Request] = []
        self.ended = threading.Event()
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), _handler(self))
        self._server.daemon_threads = True
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.05,))

    @property
    def url(self) -> str:
        """The value for HF_ENDPOINT."""
        return f"http://127.0.0.1:{self._server.server_port}"

    def commit(self, repo: str) -> str:
        """Return the commit of a repository's main branch: it changes with the files."""
        names = "".join(f"{name}{len(data)}" for name, data in sorted(self.repos[repo].items()))
        return hashlib.sha1(f"{repo}{names}".encode(), usedforsecurity=False).hexdigest()

    def files(self, repo: str, revision: str) -> Files | None:
        """Return a revision's files, None where there is no such revision."""
        if repo in self.repos and revision in ("main", self.commit(repo)):
            return self.repos[repo]
        return self.commits.get((repo, revision))

    def asked_for(self, name: str) -> list[Request]:
        """Return the requests for a file by its name, as far as its bytes."""
        return [r for r in self.requests if r.method == "GET" and r.path.endswith(f"/{name}")]

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        at: TracebackType | None,
    ) -> None:
        self.ended.set()
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()


def _handler(hub: HubServer) -> type[BaseHTTPRequestHandler]:
    return type("BoundHandler", (_Handler,), {"hub": hub})


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    hub: HubServer

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the base's name
        """Stay silent: ``hub.requests`` is the log."""

    def do_HEAD(self) -> None:
        self._answer()

    def do_GET(self) -> None:
        self._answer()

    def _answer(self) -> None:
        path = unquote(urlsplit(self.path).path)
        self.hub.requests.append(Request(self.command, path, self.headers.get("Range")))
        if self.hub.status:
            self._refuse(self.hub.status)
        elif path.startswith("/api/models/"):
            self._answer_api(path.removeprefix("/api/models/"))
        elif found := re.fullmatch(r"/(?:cdn/)?([^/]+/[^/]+)/resolve/([^/]+)/(.+)", path):
            self._answer_file(found[1], found[2], found[3], path.startswith("/cdn/"))
        else:
            self._refuse(404)

    def _answer_api(self, path: str) -> None:
        found = re.fullmatch(r"([^/]+/[^/]+)(?:/(revision|tree)/([^/]+))?", path)
        repo, kind, revision = found.groups() if found else ("", None, None)
        if repo not in self.hub.repos:
            self._refuse(401, "RepoNotFound")
            return
        files = self.hub.files(repo, revision or "main")
        if files is None:
            self._refuse(404, "RevisionNotFound")
            return
        commit = self.hub.commit(repo) if files is self.hub.repos[repo] else str(revision)
        self._send_json(_tree(files) if kind == "tree" else _listing(repo, commit, files))

    def _answer_file(self, repo: str, revision: str, name: str, elsewhere: bool) -> None:
        files = self.hub.files(repo, revision)
        if files is None or name not in files:
            self._refuse(404, "EntryNotFound" if files else "RepoNotFound")
        elif repo in self.hub.gated:
            self._refuse(403, "GatedRepo")
        elif self.hub.file_status and name != "config.json":
            self._refuse(self.hub.file_status)
        elif len(files[name]) >= LFS_FROM and not elsewhere:
            self._redirect(repo, revision, name, files[name])
        else:
            self._send_file(repo, revision, name, files[name])

    def _redirect(self, repo: str, revision: str, name: str, data: bytes) -> None:
        self.send_response(302)
        self.send_header("Location", f"{self.hub.url}/cdn/{repo}/resolve/{revision}/{name}")
        self._send_file_headers(repo, revision, data)
        self.send_header("X-Linked-Size", str(len(data)))
        self.send_header("Content-Length", "0")
        self.end_headers()

    def _send_file_headers(self, repo: str, revision: str, data: bytes) -> None:
        commit = self.hub.commit(repo) if revision == "main" else revision
        self.send_header("X-Repo-Commit", commit)
        self.send_header("ETag", f'"{_sha256(data)}"')

    def _send_file(self, repo: str, revision: str, name: str, data: bytes) -> None:
        start = self._start(len(data))
        body = data[start:]
        if self.hub.damages_weights and name.endswith(".safetensors"):
            body = bytes(len(body))
        self.send_response(206 if start else 200)
        self._send_file_headers(repo, revision, data)
        self.send_header("Accept-Ranges", "bytes")
        self.send_header("Content-Length", str(len(body)))
        if start:
            self.send_header("Content-Range", f"bytes {start}-{len(data) - 1}/{len(data)}")
        self.end_headers()
        if self.command == "GET":
            self._send_body(body, is_weights=name.endswith(".safetensors"))

    def _start(self, size: int) -> int:
        found = re.fullmatch(r"bytes=(\d+)-", self.headers.get("Range") or "")
        return min(int(found[1]), size) if found and not self.hub.ignores_range else 0

    def _send_body(self, body: bytes, is_weights: bool) -> None:
        hub = self.hub
        if is_weights and hub.cuts and hub.cut_after is not None:
            hub.cuts -= 1
            self._write(body[: hub.cut_after])
            self.close_connection = True
        elif is_weights and hub.silent_after is not None:
            self._write(body[: hub.silent_after])
            hub.ended.wait(30)
            self.close_connection = True
        else:
            self._write(body)

    def _write(self, body: bytes) -> None:
        speed = self.hub.bytes_per_second
        step = len(body) if speed is None else max(int(speed / 20), 1)
        try:
            for at in range(0, len(body), max(step, 1)):
                self.wfile.write(body[at : at + step])
                self.wfile.flush()
                if speed is not None:
                    time.sleep(0.05)
        except OSError:  # the client went away
            self.close_connection = True

    def _send_json(self, value: object) -> None:
        body = json.dumps(value).encode()
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def _refuse(self, status: int, code: str | None = None) -> None:
        self.send_response(status)
        if code:
            self.send_header("X-Error-Code", code)
        self.send_header("Content-Length", "0")
        self.end_headers()


def _sha256(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


def _git_sha1(data: bytes) -> str:
    return hashlib.sha1(b"blob %d\0" % len(data) + data, usedforsecurity=False).hexdigest()


def _lfs(data: bytes, digest: str) -> dict[str, object]:
    if len(data) < LFS_FROM:
        return {}
    return {"lfs": {digest: _sha256(data), "size": len(data), "pointerSize": 130}}


def _listing(repo: str, commit: str, files: Files) -> dict[str, object]:
    siblings = [
        {"rfilename": name, "size": len(data), "blobId": _git_sha1(data)} | _lfs(data, "sha256")
        for name, data in files.items()
    ]
    return {"id": repo, "modelId": repo, "sha": commit, "private": False, "siblings": siblings}


def _tree(files: Files) -> list[dict[str, object]]:
    return [
        {"type": "file", "path": name, "size": len(data), "oid": _git_sha1(data)}
        | _lfs(data, "oid")
        for name, data in files.items()
    ]
