"""The server's own addresses: /healthz for a proxy, /metrics for Prometheus, /files for pages."""

import os
from collections.abc import Mapping
from pathlib import Path

from prometheus_client import CONTENT_TYPE_LATEST
from starlette.datastructures import Headers
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Route
from starlette.types import ASGIApp, Receive, Scope, Send

from components import models
from components.errors import CaptionLensError
from components.server import media
from components.server.counters import as_text
from components.server.sharing import is_loopback
from components.settings import Settings

_FORWARDED = ("forwarded", "x-forwarded", "x-real-ip", "via")  # beginnings of headers of proxies


class LoopbackOnly:
    """Answers 404 to everyone but this computer, at addresses that end in /metrics.

    Streamlit's own /_stcore/metrics is one of them.
    """

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass a request on, or refuse it."""
        private = scope["type"] == "http" and scope["path"].rstrip("/").endswith("/metrics")
        client = scope.get("client")
        if private and not is_local(client[0] if client else "", Headers(scope=scope)):
            await PlainTextResponse("Not found", 404)(scope, receive, send)
        else:
            await self._app(scope, receive, send)


def is_local(peer: str, headers: Mapping[str, str]) -> bool:
    """Return whether a request comes from this computer itself, and not through a proxy on it.

    Its Host must be a name of this computer too: a page elsewhere may lead its own name here.
    """
    host = headers.get("host", "").lower()
    named = host.rpartition(":")[0] if not host.endswith("]") and ":" in host else host
    forwarded = any(name.lower().startswith(_FORWARDED) for name in headers)
    return is_loopback(peer) and is_loopback(named) and not forwarded


def trouble() -> str:
    """Return why the server cannot serve, in a sentence without paths; "" if it can."""
    try:
        models.locate(models.resolve(models.default_id()))
    except CaptionLensError:
        return "The default model cannot be loaded."
    folder = Settings().data
    try:
        with os.scandir(folder) as entries:
            next(entries, None)
    except FileNotFoundError:  # made by the first build
        if not _can_be_made(folder):
            return "The folder of collections is missing and cannot be made."
    except OSError:
        return "The folder of collections cannot be read."
    return ""


def _can_be_made(folder: Path) -> bool:
    nearest = next((each for each in folder.absolute().parents if each.exists()), None)
    return nearest is not None and nearest.is_dir() and os.access(nearest, os.W_OK)


def _health(_: Request) -> Response:
    wrong = trouble()
    return PlainTextResponse(wrong or "ok", 503 if wrong else 200)


def _metrics(_: Request) -> Response:
    return Response(as_text(), media_type=CONTENT_TYPE_LATEST)


ROUTES = [Route("/healthz", _health), Route("/metrics", _metrics), *media.ROUTES]
