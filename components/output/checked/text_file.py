"""Writes the lists of Flickr8k and Flickr30k again, which end with the caption of each line.

They have no room for columns, as a caption may hold any character: marked, such a list becomes
CSV with the columns image and caption and those added. Cleaned, it keeps its format.
"""

import csv
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from components.output.checked.original import Original, as_text
from components.output.checked.verdict import Verdicts, missing
from components.output.export import inert

_BARS = "image_name|"  # the header of Flickr30k's results.csv
# The number of an image's caption at the end of what precedes it: "a.jpg#0<tab>", "a.jpg| 0| ".
_NUMBER = re.compile(r"[#|]\s*(\d{1,9})\s*[\t|]\s*$")


@dataclass(frozen=True)
class Line:
    """A line: the text that precedes its caption, and what the reader takes from it.

    ``image`` is empty where the reader passes the line over.
    """

    text: str
    start: str = ""
    image: str = ""
    caption: str = ""

    @property
    def end(self) -> str:
        """The end of the line."""
        return self.text[len(self.text.rstrip("\r\n")) :] or "\n"


def mark(original: Original, out: BinaryIO, verdicts: Verdicts) -> None:
    """Write a CSV file of the list's pairs in its order. Raises OSError or ValueError."""
    with as_text(out) as lines:
        writer = csv.writer(lines)
        writer.writerow(["image", "caption", *verdicts.columns])
        for line in filter(lambda line: line.image, _lines(original)):
            cells = verdicts.cells(line.image, [line.caption])
            writer.writerow([line.image, line.caption, *map(inert, cells)])


def clean(original: Original, out: BinaryIO, verdicts: Verdicts) -> None:
    """Write the list with its decisions carried out. Raises OSError or ValueError.

    A caption that moves gets the next number of its new image, where the list numbers captions.
    """
    numbers = _last_numbers(original, verdicts)
    with as_text(out, original.encoding) as lines:
        for line in _lines(original):
            lines.write(_cleaned(line, verdicts, numbers))


def _cleaned(line: Line, verdicts: Verdicts, numbers: dict[str, int]) -> str:
    """Return what a line becomes, with its end, or nothing."""
    (kept,) = verdicts.kept(line.image, [line.caption])
    if kept == line.caption:
        return line.text
    for target, caption in verdicts.moves(line.image, [line.caption]):
        if target not in numbers:
            raise missing(target)
        numbers[target] += 1
        return _moved(line, target, numbers[target]) + _written(line.start, caption) + line.end
    return line.start + _written(line.start, kept) + line.end if kept else ""


def _moved(line: Line, image: str, number: int) -> str:
    """Return what precedes a caption once it belongs to another image."""
    found = _NUMBER.search(line.start)
    if not found:
        return line.start.replace(line.image, image, 1)
    first, last = found.span(1)
    return image + line.start[found.start() : first] + str(number) + line.start[last:]


def _written(start: str, caption: str) -> str:
    """Return a caption as it stands in a line: in quotes where a comma would end it."""
    if start.endswith(",") and ("," in caption or caption.startswith('"')):
        return '"' + caption.replace('"', '""') + '"'
    return caption


def _last_numbers(original: Original, verdicts: Verdicts) -> dict[str, int]:
    """Return the largest number of each image that captions move to, -1 where none has one."""
    numbers: dict[str, int] = {}
    for line in _lines(original) if verdicts.targets else ():
        if line.image in verdicts.targets:
            found = _NUMBER.search(line.start)
            number = int(found[1]) if found else -1
            numbers[line.image] = max(numbers.get(line.image, -1), number)
    return numbers


def _lines(original: Original) -> Iterator[Line]:
    """Yield the lines of a list, as `components.datasets.captioned` reads them."""
    with original.text() as lines:
        head = next(lines, "")
        bars = head.startswith(_BARS) and Path(original.name).suffix not in {".txt", ".token"}
        yield Line(head) if bars else _text(head)
        yield from map(_barred if bars else _text, lines)


def _barred(text: str) -> Line:
    """Return a line of Flickr30k; one that lacks its second bar gets it when it changes."""
    image, _, rest = text.partition("|")
    number, bar, caption = rest.partition("|")
    if not bar:
        number, _, caption = number.strip().partition(" ")
        number = f" {number}"
    return _line(text, f"{image}|{number}| ", image, caption)


def _text(text: str) -> Line:
    """Return a line of Flickr8k: "name.jpg#0<tab>caption" or "name.jpg,caption"."""
    if "\t" in text:
        name, tab, caption = text.partition("\t")
        return _line(text, name + tab, name.partition("#")[0], caption)
    if ".jpg," in text:
        name, joint, caption = text.partition(".jpg,")
        return _line(text, name + joint, f"{name.strip()}.jpg", caption.strip().strip('"'))
    return Line(text)


def _line(text: str, start: str, image: str, caption: str) -> Line:
    return Line(text, start, image.strip(), " ".join(caption.split()))
