"""A text box's lines become captions as a person means them."""

import pytest

from components.encoder import parse_captions
from components.settings import SettingError


@pytest.mark.parametrize(
    ("text", "captions"),
    [
        ("a dog\na cat", ("a dog", "a cat")),
        ("a dog\r\n\r\n  a   cat \t", ("a dog", "a cat")),
        ("# a comment\n  # another\na dog #1", ("a dog #1",)),
        ("", ()),
        (" \u00a0\u3000\n\u200b\n\u200d\n\ufeff", ()),
        ("a dog\u2028a cat", ("a dog", "a cat")),
        ("cafe\u0301", ("café",)),
        ("a\x07b\x00c", ("abc",)),
        ("👩\u200d🚀 in space", ("👩\u200d🚀 in space",)),
        ("كلب على الشاطئ", ("كلب على الشاطئ",)),
        ("\ud800 broken", ("broken",)),
        ("a \x07 dog\na dog", ("a dog",)),
        ("e\x07\u0301", ("é",)),
        ("\u200f\n\ufe0f\n\u00ad", ()),
        ("\u200b# a comment", ()),
        ("نمی\u200cدونم", ("نمی\u200cدونم",)),
    ],
)
def test_lines_become_captions(text: str, captions: tuple[str, ...]) -> None:
    assert parse_captions(text).captions == captions


def test_equal_captions_are_merged_and_counted() -> None:
    parsed = parse_captions("a dog\nA dog\na  dog\na dog")
    assert parsed.captions == ("a dog", "A dog")
    assert parsed.merged == 2


def test_captions_above_the_limit_are_counted(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CAPTIONLENS_MAX_CAPTIONS", "2")
    parsed = parse_captions("a\nb\nc\nd\na")
    assert (parsed.captions, parsed.merged, parsed.dropped) == (("a", "b"), 1, 2)
    assert parse_captions("a\nb\nc", limit=3).dropped == 0
    assert parse_captions("a\nb", limit=0).dropped == 2


def test_a_long_caption_is_kept_whole() -> None:
    assert parse_captions("x" * 5000).captions == ("x" * 5000,)


@pytest.mark.parametrize("value", ["0", "-1", "many", ""])
def test_a_setting_that_is_no_number_is_named(value: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CAPTIONLENS_MAX_CAPTIONS", value)
    with pytest.raises(SettingError, match="CAPTIONLENS_MAX_CAPTIONS"):
        parse_captions("a dog")
