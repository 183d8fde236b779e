"""Addresses of what a page shows and its data would be too large for: films, thumbnails of a map.

An address holds a random token, so that only who was sent it can use it; it serves what it was made
for and nothing else, from this process, until `_MOST` newer ones were made.
"""

import secrets
from collections.abc import Callable, Hashable
from dataclasses import dataclass
from pathlib import Path
from threading import Lock

from starlette.requests import Request
from starlette.responses import FileResponse, PlainTextResponse, Response
from starlette.routing import Route

from components.newest import keep

_MOST = 2000
_PREFIX = "files"  # Streamlit has /media itself
# A browser keeps what it was sent, and takes it for what it was sent as.
_HEADERS = {"Cache-Control": "private, max-age=3600", "X-Content-Type-Options": "nosniff"}


@dataclass(frozen=True)
class Answer:
    """What an address answers: bytes and their media type."""

    body: bytes
    media_type: str


@dataclass(frozen=True)
class _File:
    path: Path
    media_type: str


@dataclass(frozen=True)
class _Answers:
    answer: Callable[[str], Answer | None]


_tokens: dict[Hashable, str] = {}
_served: dict[str, _File | _Answers] = {}
_lock = Lock()


def of_file(path: Path, media_type: str) -> str:
    """Return the relative address of a file on this computer, of which ranges can be read.

    The same file has the same address; nothing of it is held in memory.
    """
    file = _File(path.absolute(), media_type)
    return _address(file, file)


def of_answers(key: Hashable, answer: Callable[[str], Answer | None]) -> str:
    """Return a relative address below which ``answer`` serves: "ADDRESS/12" calls ``answer("12")``.

    ``answer`` runs in a thread; None is answered as "Not found". The same ``key`` keeps its address
    and takes the new ``answer``.
    """
    return _address(("answers", key), _Answers(answer))


def _address(key: Hashable, serves: _File | _Answers) -> str:
    with _lock:
        token = keep(_tokens, key, _tokens.get(key) or secrets.token_urlsafe(24), _MOST)
        keep(_served, token, serves, _MOST)
    return f"{_PREFIX}/{token}"


def _file(request: Request) -> Response:
    serves = _served.get(request.path_params["token"])
    if not isinstance(serves, _File) or not serves.path.is_file():
        return PlainTextResponse("Not found", 404)
    return FileResponse(serves.path, media_type=serves.media_type, headers=_HEADERS)


def _answer(request: Request) -> Response:
    serves = _served.get(request.path_params["token"])
    answered = serves.answer(request.path_params["rest"]) if isinstance(serves, _Answers) else None
    if answered is None:
        return PlainTextResponse("Not found", 404)
    return Response(answered.body, media_type=answered.media_type, headers=_HEADERS)


ROUTES = [
    Route(f"/{_PREFIX}/{{token}}", _file),
    Route(f"/{_PREFIX}/{{token}}/{{rest:path}}", _answer),
]
