"""A person's decisions: they can be undone, kept and read again, whatever a file says."""

import json
from pathlib import Path
from typing import Any

import pytest

from components.check import decisions
from components.check.decisions import Decision, Decisions, DecisionsError

DOG, CAT = ("dog.jpg", "a dog"), ("cat.jpg", "a cat, 猫 \u2028")
DROP, REWRITE = Decision("drop"), Decision("rewrite", "a sleeping cat")


def test_every_decision_can_be_undone_in_turn() -> None:
    start = Decisions("captions.csv")
    dropped = start.decide(DOG, DROP)
    changed = dropped.decide(CAT, REWRITE).decide(DOG, Decision("keep"))
    assert (len(start), len(dropped), len(changed)) == (0, 1, 2)
    assert changed.counts() == {"keep": 1, "drop": 0, "rewrite": 1, "move": 0}
    assert changed.last == DOG
    undone = changed.undo()
    assert (undone.get(DOG), undone.get(CAT)) == (DROP, REWRITE)
    assert undone.undo() == dropped
    assert undone.undo().undo() == start
    assert start.undo() == start
    assert start.last is None
    assert changed.decide(DOG, None).get(DOG) is None


def test_a_file_says_all_and_undo_begins_anew(tmp_path: Path) -> None:
    file = tmp_path / "check" / "decisions.json"
    made = Decisions("x.csv").decide(DOG, Decision("move", image="cat.jpg")).decide(CAT, REWRITE)
    made.save(file)
    read = Decisions.load(file)
    assert read == made
    assert read.undo() == read
    assert [each.name for each in file.parent.iterdir()] == [file.name]


def test_decisions_that_say_too_little_are_refused() -> None:
    for action, caption, image in (
        ("burn", "", ""),
        ("rewrite", " ", ""),
        ("move", "", ""),
        ("drop", "a cat", ""),
        ("keep", "", "cat.jpg"),
    ):
        with pytest.raises(DecisionsError):
            Decision(action, caption, image)  # type: ignore[arg-type]


def content(**changes: Any) -> str:
    row = {"image": "a", "caption": "b", "action": "drop"} | changes
    return json.dumps({"version": 1, "dataset": "x.csv", "decisions": [row]})


@pytest.mark.parametrize(
    "text",
    [
        *("", "{", "[]", "null", "7", "[" * 1_000_000, '{"version": 1}', "\x00", '"version"'),
        *('{"version": 1, "dataset": 5, "decisions": []}', "9" * 10_000),
        '{"version": 1, "dataset": "x", "decisions": {"image": "caption"}}',
        *(content(action="burn"), content(action=["drop"]), content(action={}), content(image=1)),
        *(content(caption=None), content(new_caption="never asked"), content(caption="\ud800")),
        content(action="rewrite"),
    ],
)
def test_damage_is_one_sentence(text: str) -> None:
    with pytest.raises(DecisionsError, match=r"^x.json does not hold the decisions of a check\.$"):
        Decisions.from_json(text, "x.json")


def test_another_version_and_too_large_a_file_are_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(DecisionsError, match="written by another version"):
        Decisions.from_json('{"version": 2}')
    monkeypatch.setattr(decisions, "MAX_BYTES", 1_000_000)
    file = tmp_path / "large.json"
    file.write_text(" " * 1_000_001)
    with pytest.raises(DecisionsError, match=r"^large.json takes more than 1 MB\.$"):
        Decisions.load(file)
    long = Decisions().decide(("a.jpg", "x" * 1_000_000), DROP)
    with pytest.raises(DecisionsError, match="more than 1 MB"):
        long.save(file)
    assert file.stat().st_size == 1_000_001
