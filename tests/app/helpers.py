"""What the tests of the pages share: starting the app, uploading, and reading what a page shows."""

import json
from typing import Any

from streamlit.testing.v1 import AppTest

from components.settings import ROOT

SAMPLES = ROOT / "sample_images"
SHELL = str(ROOT / "components/ui/shell/session.py")


def start(**query: str) -> AppTest:
    """Return the app at its first page, opened with a link's query."""
    app = AppTest.from_file(SHELL, default_timeout=120)
    for name, value in query.items():
        app.query_params[name] = value
    return done(app.run())


def done(app: AppTest) -> AppTest:
    """Return the app after a run that raised nothing."""
    assert not app.exception, app.exception
    return app


def texts(app: AppTest) -> str:
    """Return the sentences of a page."""
    parts = [*app.caption, *app.markdown, *app.info, *app.warning, *app.subheader]
    return "\n".join(str(part.value) for part in parts)


def uploads(*names: str) -> list[tuple[str, bytes, str]]:
    """Return sample images as `AppTest`'s uploader takes them."""
    return [(name, (SAMPLES / name).read_bytes(), "image/jpeg") for name in names]


def open_page(file: str, **query: str) -> AppTest:
    """Return the app at a page of ``pages/``, opened with a link's query."""
    app = start()
    for name, value in query.items():
        app.query_params[name] = value
    return done(app.switch_page(f"../../../pages/{file}").run())


def components(app: AppTest, key: str) -> list[dict[str, Any]]:
    """Return the data of the page's components of a key."""
    protos = [element.proto for element in app.get("bidi_component")]
    return [json.loads(proto.json) for proto in protos if proto.id.endswith(f"-{key}")]


def groups(app: AppTest, key: str) -> list[dict[str, Any]]:
    """Return the lists of the photo grid of a key, each with its tiles; none without a grid."""
    return [group for data in components(app, key) for group in data["groups"]]


def tiles(app: AppTest, key: str) -> list[str]:
    """Return the ids of the tiles of all lists of a photo grid, in the page's order."""
    return [tile["id"] for group in groups(app, key) for tile in group["tiles"]]
