"""Untrusted text on the pages: it is shown as it is, and its links lead where they say."""

import pytest

from components.ui.text import linked, plain, web_address


@pytest.mark.parametrize("text", [":material_home:.jpg", ":smile:", ":material/home:", "a:b:c"])
def test_no_name_between_colons_becomes_an_icon(text: str) -> None:
    shown = plain(text).replace("\\", "")
    assert not any(
        f":{name}:" in shown for name in ("material_home", "smile", "material/home", "b")
    )
    assert shown.replace("\N{WORD JOINER}", "") == text


def test_a_time_and_an_address_keep_their_letters() -> None:
    assert plain("12:30").replace("\\", "") == "12:30"
    assert plain("https://a.b/c").replace("\\", "") == "https://a.b/c"


@pytest.mark.parametrize(
    "url",
    [
        "",
        None,
        "javascript:alert(1)",
        "data:text/html,x",
        "file:///etc/passwd",
        "//a.b",
        "http://[",
    ],
)
def test_only_the_web_is_linked(url: object) -> None:
    assert web_address(url) == ""
    assert linked("Photo page", str(url)) == "Photo page"


def test_a_link_cannot_end_early_and_names_its_host() -> None:
    hostile = "https://example.org/a) ![x](http://evil.example/x.png"
    shown = linked("Photo page", hostile, host=True)
    assert shown.startswith("[Photo page \\(example\\.org\\)](https://example.org/a%29")
    assert shown.count("](") == 1
    assert "<" not in web_address('https://a.b/"><script>')
