"""What the tests of the pages share: starting the app, uploading, and reading what a page shows."""

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
