"""What each role sees and may do on the pages, and that callbacks ask again."""

import json
from collections.abc import Mapping
from pathlib import Path
from types import SimpleNamespace
from typing import cast

import pytest
from streamlit.testing.v1 import AppTest

from components.check.decisions import Decision
from components.check.indexed import DECISIONS
from components.collection.build import BuildJob
from components.collection.manifest import CHECK
from components.collection.sources.source import SourceSpec
from components.server.roles import NotAllowed, Role
from components.server.sharing import PlaceRefused
from components.ui import account
from components.ui.check import deciding
from components.ui.check.subject import Subject
from components.ui.models import downloads
from components.ui.search import builds
from components.ui.train import runs
from tests.app.helpers import SHELL, done, open_page, start, texts
from tests.standin import stand_in

SECRETS = {
    "auth": {"client_id": "captionlens", "cookie_secret": "a secret of this test"},
    "captionlens": {
        "allowed": ["example.org"],
        "editors": ["ed@example.org"],
        "admins": ["root@example.org"],
    },
}
PEOPLE = {
    Role.VIEWER: "Vic@Example.org",
    Role.EDITOR: "ed@example.org",
    Role.ADMIN: "root@example.org",
}


def visit(
    email: str | None, page: str = "", secrets: Mapping[str, object] = SECRETS, **query: str
) -> AppTest:
    """Return a page of a server with a login, as a person sees it; None: not logged in."""
    app = AppTest.from_file(SHELL, default_timeout=120)
    for name, section in secrets.items():
        app.secrets[name] = section
    app.user = {"is_logged_in": email is not None}
    if email is not None:
        app.user |= {"email": email, "email_verified": True, "iat": 1, "sub": email}
    done(app.run())
    for name, value in query.items():
        app.query_params[name] = value
    return done(app.switch_page(f"../../../pages/{page}").run()) if page else app


def labels(app: AppTest) -> set[str]:
    return {button.label for button in app.button}


@pytest.mark.parametrize("page", ["", "search.py", "train.py", "models.py", "check.py"])
def test_nobody_sees_a_page_before_the_login(page: str) -> None:
    app = visit(None, page)
    assert labels(app) == {"Log in"}
    assert [title.value for title in app.title] == ["CaptionLens"]


def test_each_provider_has_a_button() -> None:
    auth = {"google": {"client_id": "a"}, "okta": {"client_id": "b"}, "cookie_secret": "a secret"}
    app = visit(None, secrets={**SECRETS, "auth": auth})
    assert labels(app) == {"Log in with Google", "Log in with Okta"}


def test_who_is_not_listed_sees_why_and_no_page(capfd: pytest.CaptureFixture[str]) -> None:
    app = visit("eve@notexample.org", "models.py")
    assert labels(app) == {"Log out"}
    assert "has no access to this server" in texts(app)
    line = next(line for line in capfd.readouterr().err.splitlines() if "refused login" in line)
    assert json.loads(line)["role"] is None
    assert "eve@" not in line


def test_lists_that_cannot_be_read_let_nobody_in() -> None:
    app = AppTest.from_file(SHELL, default_timeout=120)
    app.secrets["auth"], app.secrets["captionlens"] = SECRETS["auth"], {"allowed": "example.org"}
    app.user = {"is_logged_in": True, "email": "ann@example.org", "email_verified": True}
    app.run()
    assert app.exception
    assert not app.title
    assert not app.button


@pytest.mark.parametrize("role", Role)
def test_the_models_page_offers_each_role_what_it_may_do(role: Role) -> None:
    app = visit(PEOPLE[role], "models.py", models_id="openai/clip-vit-base-patch32")
    admin = role is Role.ADMIN
    assert ("Download…" in labels(app)) is admin
    assert ("models cannot be downloaded. Ask for the role admin" in texts(app)) is not admin
    assert ("Usage" in [header.value for header in app.header]) is admin
    assert f"Role: {role.word}." in texts(app)
    assert "Log out" in labels(app)


@pytest.mark.parametrize("role", Role)
def test_the_search_page_offers_each_role_what_it_may_do(role: Role) -> None:
    app = visit(PEOPLE[role], "search.py")
    app.button(key="collections_manage").click()
    done(app.run())
    shown = labels(app)
    assert ("Index" in shown, "Update" in shown) == (role > Role.VIEWER,) * 2
    assert ("Remove" in shown) is (role is Role.ADMIN)
    assert ("Your role is viewer" in texts(app)) is (role is Role.VIEWER)


@pytest.mark.parametrize("role", Role)
def test_the_train_page_trains_for_editors(role: Role) -> None:
    app = visit(PEOPLE[role], "train.py")
    assert ("models cannot be trained" in texts(app)) is (role is Role.VIEWER)
    assert bool(app.segmented_control) is (role is not Role.VIEWER)


def test_a_read_only_installation_makes_everyone_a_viewer(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CAPTIONLENS_READ_ONLY", "1")
    app = visit(PEOPLE[Role.ADMIN], "models.py")
    assert "Role: viewer." in texts(app)
    assert not app.header or "Usage" not in [header.value for header in app.header]


def test_without_a_login_everyone_is_an_admin_and_has_no_account() -> None:
    app = open_page("models.py")
    assert "Log out" not in labels(app)
    assert "Usage" in [header.value for header in app.header]
    assert "This server has no login" not in texts(app)


def test_a_shared_server_without_a_login_says_so_until_it_is_closed(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("CAPTIONLENS_SHARED", "1")
    app = start()
    assert "This server has no login: whoever reaches it can use all of it" in texts(app)
    done(app.button(key="login_missing_close").click().run())
    assert "This server has no login" not in texts(app)
    assert "This server has no login" in texts(start())  # another session


def test_what_a_control_does_asks_again(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """A person may lose a role, or a page become read-only, between drawing and clicking."""
    monkeypatch.setattr(account, "role", lambda: Role.VIEWER)
    job = BuildJob("mine", SourceSpec("folder", str(tmp_path)))
    with pytest.raises(NotAllowed, match="collections cannot be made"):
        builds.start(job, stand_in())
    with pytest.raises(NotAllowed, match="models cannot be downloaded"):
        downloads.start(None)  # type: ignore[arg-type]  # it is not looked at
    with pytest.raises(NotAllowed, match="models cannot be trained"):
        runs.start(None)  # type: ignore[arg-type]  # it is not looked at
    assert "mine" not in builds.running()


def test_no_role_indexes_a_folder_that_is_not_allowed(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(account, "role", lambda: Role.ADMIN)
    monkeypatch.setenv("CAPTIONLENS_SHARED", "1")
    for source in (
        SourceSpec("folder", str(tmp_path)),
        SourceSpec("table", str(tmp_path / "list.csv")),
        SourceSpec("captions", str(tmp_path / "list.csv")),
        SourceSpec("unsplash", str(tmp_path / "lite.zip")),
        SourceSpec("table", "https://example.org/list.csv", images=str(tmp_path)),
    ):
        with pytest.raises(PlaceRefused):
            builds.start(BuildJob("mine", source), stand_in())
    assert "mine" not in builds.running()


@pytest.mark.parametrize("role", Role)
def test_decisions_of_a_viewer_are_not_kept_with_the_collection(
    role: Role, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(account, "role", lambda: role)
    pairs = SimpleNamespace(
        folder=tmp_path,
        key=("collection", str(tmp_path)),
        dataset="mine",
        pair=lambda row: ("cat.jpg", "a cat"),
    )
    subject = cast("Subject", pairs)
    deciding.decide(subject, [0], Decision("keep"))
    kept = (tmp_path / CHECK / DECISIONS).exists()
    assert kept is deciding.in_file(subject) is (role > Role.VIEWER)
