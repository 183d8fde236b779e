"""What a check finds beside wrong captions: the kinds of findings, and one finding."""

from dataclasses import dataclass

# Each kind, as it is shown, and what it means in a sentence.
KINDS: dict[str, str] = {
    "Exact duplicate": "Several image files with the same bytes.",
    "Near duplicate": "Images that show the same picture: re-encoded, resized or cropped a little.",
    "Different captions": "The same picture in several rows, under captions that disagree.",
    "Across splits": "The same picture in two splits: what was trained on is measured again.",
    "Repeated caption": "One caption for many images: it can hardly describe each of them.",
    "Uninformative": "A caption that fits most images of the dataset about equally well.",
    "Truncated": "A caption longer than the model reads; its end is ignored.",
    "Empty caption": "No words: blank, or punctuation alone.",
    "Other script": "A caption in a script that the model does not read.",
    "Markup": "A caption with HTML, an address or a file name in it.",
    "Unreadable": "An image that is missing or cannot be decoded.",
    "Tiny": "An image with too few pixels to show much.",
    "Blank": "An image of one colour, or nearly so.",
}


@dataclass(frozen=True)
class Finding:
    """One finding: its kind (a key of `KINDS`), what it concerns, and a sentence about it.

    ``images`` are names, the first one the image to look at first; ``rows`` are captions' rows in
    the `CaptionSet`, empty where the finding concerns images alone.
    """

    kind: str
    images: tuple[str, ...]
    rows: tuple[int, ...]
    detail: str
