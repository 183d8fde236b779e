"""One server for many people: roles, allowed folders, sharing, and the log of events."""

import json
from pathlib import Path

import pytest

from components.models import resolve
from components.models.ids import ModelError
from components.server import events
from components.server.roles import (
    Access,
    AccessError,
    Permission,
    Role,
    matches,
    permits,
    refusal,
    verified_address,
)
from components.server.sharing import PlaceRefused, check_place, is_loopback, reaches_beyond

EDITORS = {Permission.INDEX, Permission.DECIDE, Permission.READ_PATHS, Permission.TRAIN}


@pytest.mark.parametrize(
    ("address", "entry"),
    [
        ("ann@example.org", "example.org"),
        ("Ann@Example.ORG", "example.org"),
        ("ann@example.org", " Example.Org "),
        ("ann@example.org", "@example.org"),
        ("ANN@example.com", "ann@Example.com"),
        ("ann+list@example.org", "example.org"),
    ],
)
def test_an_address_is_of_its_domain_whatever_the_case(address: str, entry: str) -> None:
    assert matches(address, [entry])


@pytest.mark.parametrize(
    "address",
    [
        "ann@notexample.org",
        "ann@example.org.evil.com",
        "ann@mail.example.org",
        "ann@example.orgs",
        "example.org",
        "@example.org",
        "example.org@",
        "ann@evil.com@example.org",
        '"ann@evil.com"@example.org',
        "ann@evil.com, bob@example.org",
        "ann@evil.com\nbob@example.org",
        "ann @example.org",
        "ann@example.org\0",
        "ann@example.org.",
        "ann@EXAMPLE.ORG".replace("E", "\N{FULLWIDTH LATIN CAPITAL LETTER E}"),
        "",
        "   ",
    ],
)
def test_no_other_address_is(address: str) -> None:
    assert not matches(address, ["example.org"])


def test_a_letter_that_folds_into_another_is_another_one() -> None:
    assert "\N{KELVIN SIGN}".lower() == "k"
    assert not matches("ann@\N{KELVIN SIGN}ite.example", ["kite.example"])
    assert matches("ann@straße.example", ["straße.example"])
    assert not matches("ann@strasse.example", ["straße.example"])


def test_an_empty_entry_lets_nobody_in() -> None:
    assert not any(matches(each, ["", "@", " "]) for each in ("", "@", " ", "ann@example.org"))
    assert not matches("ann@example.org", [])


@pytest.mark.parametrize(
    ("verified", "counts"),
    [(True, True), ("true", True), (False, False), ("false", False), (None, False), (1, False)],
)
def test_an_address_counts_unless_the_provider_says_that_it_is_not_verified(
    verified: object, counts: bool
) -> None:
    claims = {"email": "ann@example.org", "email_verified": verified}
    assert bool(verified_address(claims)) is counts
    assert verified_address({"email": "ann@example.org"})  # some providers say nothing


@pytest.mark.parametrize("email", [None, 7, ["ann@example.org"], {}])
def test_a_person_without_an_address_is_not_let_in(email: object) -> None:
    assert Access(("example.org",)).role_of({"email": email, "email_verified": True}) is None


def test_the_highest_role_counts_and_every_list_lets_in() -> None:
    access = Access(("example.org",), ("ed@example.org", "x.example"), ("Root@Example.org",))
    people = ["vic@example.org", "ed@example.org", "root@example.org", "a@x.example", "a@y.example"]
    roles = [access.role_of({"email": each}) for each in people]
    assert roles == [Role.VIEWER, Role.EDITOR, Role.ADMIN, Role.EDITOR, None]


def test_a_login_without_lists_lets_nobody_in() -> None:
    assert Access.of({}).nobody
    assert Access.of({}).role_of({"email": "ann@example.org"}) is None


@pytest.mark.parametrize("section", [{"allowed": "example.org"}, {"admins": [7]}, ["x"], "x", None])
def test_lists_that_cannot_be_read_are_named(section: object) -> None:
    with pytest.raises(AccessError, match=r"secrets\.toml"):
        Access.of(section)


def test_each_role_permits_what_those_below_it_do_and_nobody_nothing() -> None:
    permitted = {role: {each for each in Permission if permits(role, each)} for role in Role}
    assert permitted == {Role.VIEWER: set(), Role.EDITOR: EDITORS, Role.ADMIN: set(Permission)}
    assert not any(permits(None, each) for each in Permission)


def test_a_refusal_says_why_and_what_to_do() -> None:
    assert refusal(Permission.TRAIN, Role.VIEWER, read_only=False) == (
        "Your role is viewer: models cannot be trained. Ask for the role editor."
    )
    assert refusal(Permission.TRAIN, Role.VIEWER, read_only=True).startswith(
        "This installation is read-only"
    )
    assert "Log in" in refusal(Permission.TRAIN, None, read_only=False)


@pytest.mark.parametrize(
    ("address", "names", "beyond"),
    [
        ("127.0.0.1", ["localhost", "127.0.0.1", "::1"], False),
        ("localhost", ["[::1]", "LOCALHOST"], False),
        ("127.8.9.1", ["127.0.0.1"], False),
        ("unix:///run/app.sock", ["localhost"], False),
        (None, ["localhost"], True),
        ("0.0.0.0", ["localhost"], True),  # noqa: S104 - nothing listens there
        ("::", ["localhost"], True),
        ("192.0.2.7", ["localhost"], True),
        ("127.0.0.1", ["localhost", "photos.example.org"], True),
        ("127.0.0.1", ["*"], True),
        ("127.0.0.1", [], True),
        ("127.0.0.1", ["localhost.evil.example"], True),
    ],
)
def test_a_server_is_shared_where_others_reach_it(
    address: str | None, names: list[str], beyond: bool
) -> None:
    assert reaches_beyond(address, names) is beyond


def test_loopback_has_many_spellings() -> None:
    assert all(map(is_loopback, ["::ffff:127.0.0.1", "[::1]", " localhost "]))
    assert not any(map(is_loopback, ["", "testclient", "10.0.0.1", "::ffff:10.0.0.1", "local"]))


@pytest.fixture
def allowed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder that may be indexed, beside one that may not."""
    for name in ("allowed/inside", "allowed2", "secret"):
        (tmp_path / name).mkdir(parents=True)
    (tmp_path / "secret/list.csv").write_text("image\n")
    monkeypatch.setenv("CAPTIONLENS_FOLDERS", str(tmp_path / "allowed"))
    return tmp_path / "allowed"


def test_allowed_folders_and_what_is_in_them_may_be_indexed(allowed: Path) -> None:
    (allowed / "list.csv").write_text("image\n")
    link = allowed.parent / "link"
    link.symlink_to(allowed / "inside")
    for place in (allowed, allowed / "inside", allowed / "list.csv", allowed / "later", link):
        check_place(str(place))


def test_nothing_else_may_be_and_links_that_lead_out_neither(allowed: Path) -> None:
    secret = allowed.parent / "secret"
    (allowed / "out").symlink_to(secret)
    (allowed / "list.csv").symlink_to(secret / "list.csv")
    (allowed / "loop").symlink_to(allowed / "loop")
    places = [
        secret,
        allowed.parent,
        allowed.parent / "allowed2",
        allowed / "../secret",
        allowed / "out",
        allowed / "out/list.csv",
        allowed / "list.csv",
        allowed / "loop",
        "/",
        ".",
        "~",
        "~nobody-of-that-name/x",
        "relative",
        "a\0b",
        "file:///etc",
        "s3://bucket/list.csv",
    ]
    for place in places:
        with pytest.raises(PlaceRefused, match="may be indexed from this page"):
            check_place(str(place))


def test_an_address_of_the_web_and_the_samples_need_no_folder(allowed: Path) -> None:
    for place in ("", "https://example.org/list.zip", "http://example.org/list.zip"):
        check_place(place)


def test_without_a_list_any_folder_may_be_indexed_but_none_of_a_shared_server(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("CAPTIONLENS_FOLDERS", raising=False)
    check_place(str(tmp_path))
    monkeypatch.setenv("CAPTIONLENS_SHARED", "1")
    with pytest.raises(PlaceRefused):
        check_place(str(tmp_path))
    monkeypatch.setenv("CAPTIONLENS_FOLDERS", str(tmp_path))
    check_place(str(tmp_path / "inside"))


def test_no_folder_is_a_model_of_a_shared_server_unless_it_is_listed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert resolve(str(tmp_path)).image == str(tmp_path.resolve())
    monkeypatch.setenv("CAPTIONLENS_SHARED", "1")
    for place in (tmp_path, tmp_path / "missing"):  # alike: what exists is not told
        with pytest.raises(ModelError, match="a folder that this server allows"):
            resolve(str(place))
    monkeypatch.setenv("CAPTIONLENS_MODEL_FOLDERS", str(tmp_path))
    assert resolve(str(tmp_path)).image == str(tmp_path.resolve())


def test_an_event_is_one_line_of_json_without_texts(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def log() -> dict[str, object]:
        events.log("query", {"query": "my\nsecret “cat”"}, seconds=0.5, found=3)
        out, err = capsys.readouterr()
        assert not out
        assert err.count("\n") == 1
        return dict(json.loads(err))

    line = log()
    assert set(line) == {"time", "event", "seconds", "found"}
    assert (line["event"], line["seconds"], line["found"]) == ("query", 0.5, 3)
    monkeypatch.setenv("CAPTIONLENS_LOG_TEXTS", "1")
    assert log()["query"] == "my\nsecret “cat”"


def test_a_pseudonym_is_the_persons_own_and_needs_the_key() -> None:
    name = events.pseudonym("ann@example.org", "key")
    assert name == events.pseudonym(" ANN@example.org", "key")
    assert name != events.pseudonym("ann@example.org", "another key")
    assert name != events.pseudonym("bob@example.org", "key")
    assert "ann" not in name
