"""The examples of the Match page: sets of captions, each of which shows something about models.

The notes are true of Pocket on the sample images; `tests/unit/test_sample_images.py` holds them.
"""

from dataclasses import dataclass


@dataclass(frozen=True)
class ExampleSet:
    """Captions to rank the sample images against."""

    title: str  # one to three words
    captions: tuple[str, ...]
    note: str  # a sentence: what to look at in the results


EXAMPLE_SETS = (
    ExampleSet(
        "Animals, places, sport",
        ("a cat", "mountains under a blue sky", "people playing sport"),
        "The first three images of each ranking match the caption.",
    ),
    ExampleSet(
        "Synonyms",
        ("a motorcycle", "a motorbike", "a two-wheeler"),
        "Different words for the same object rank the same image first.",
    ),
    ExampleSet(
        "Negation",
        ("a man with an elephant", "a man without an elephant", "no elephant"),
        "The elephant is first even where the caption excludes it: models of this kind match the"
        " objects that a caption names, and largely ignore “no” and “without”.",
    ),
    ExampleSet(
        "Counting",
        ("one cat", "two cats", "three cats"),
        "The same two images lead all three rankings: Pocket recognises cats but does not count"
        " them.",
    ),
    ExampleSet(
        "Colours",
        ("a red bus", "a green bus", "a blue bus"),
        "Both buses lead each ranking, each first for its own colour. No image shows a blue bus:"
        " for that caption Pocket matches the object and ignores the colour.",
    ),
    ExampleSet(
        "No good match",
        ("an octopus", "a snowman", "a bar chart of sales by month"),
        "None of the sample images shows these: every ranking has a first place, but its match is"
        " only weak.",
    ),
    ExampleSet(
        "Other languages",
        ("eine Katze", "un paysage de montagne", "gente haciendo deporte"),
        "A cat, mountains and sport in German, French and Spanish: Pocket reads only English and"
        " misses all three; choose a multilingual model for these.",
    ),
)
# The captions of the example that the first screen shows, one a line.
EXAMPLE_CAPTION = "\n".join(EXAMPLE_SETS[0].captions)
