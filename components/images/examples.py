"""The examples of the Match page: sets of captions that show something on the sample images."""

from dataclasses import dataclass


@dataclass(frozen=True)
class ExampleSet:
    """Captions to rank the sample images against."""

    title: str  # one to three words
    captions: tuple[str, ...]
    note: str  # a sentence: what to look at in the results


EXAMPLE_SETS = (
    ExampleSet(
        "First look",
        ("a cat", "a mountain landscape", "a person playing sport"),
        "Each caption ranks all of the images, the best match first.",
    ),
)
EXAMPLE_CAPTION = "\n".join(EXAMPLE_SETS[0].captions)
