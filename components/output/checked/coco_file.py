"""Writes COCO's ``captions_*.json`` again: all that it holds, with its annotations changed."""

import json
from typing import Any, BinaryIO

from components.output.checked.original import Original, as_text
from components.output.checked.verdict import Verdicts, free, missing

_Note = dict[str, Any]


def mark(original: Original, out: BinaryIO, verdicts: Verdicts) -> None:
    """Write the file with keys added to each annotation. Raises what reading damage raises."""
    content, images, escaped = _read(original)
    notes = content["annotations"]
    names = free(verdicts.columns, {name for note in notes for name in note})
    for note in notes:
        cells = verdicts.cells(images.get(note["image_id"], ""), [_caption(note)])
        note.update(zip(names, cells, strict=True))
    _write(out, content, escaped)


def clean(original: Original, out: BinaryIO, verdicts: Verdicts) -> None:
    """Write the file with its decisions carried out: an annotation moves by its ``image_id``.

    Images without annotations stay. Raises CaptionLensError and what reading damage raises.
    """
    content, images, escaped = _read(original)
    numbers = {name: number for number, name in reversed(images.items())}
    notes = [_cleaned(note, images, numbers, verdicts) for note in content["annotations"]]
    content["annotations"] = [note for note in notes if note]
    _write(out, content, escaped)


def _cleaned(
    note: _Note, images: dict[Any, str], numbers: dict[str, Any], verdicts: Verdicts
) -> _Note | None:
    image, caption = images.get(note["image_id"], ""), _caption(note)
    (kept,) = verdicts.kept(image, [caption])
    for target, _ in verdicts.moves(image, [caption]):
        if target not in numbers:
            raise missing(target)
        return {**note, "image_id": numbers[target]}
    if kept == caption:
        return note
    return {**note, "caption": kept} if kept else None


def _caption(note: _Note) -> str:
    return " ".join(str(note["caption"]).split())


def _read(original: Original) -> tuple[dict[str, Any], dict[Any, str], bool]:
    """Return the content, its images' names by id, and whether its letters are escaped."""
    with original.open() as data:
        text = data.read().decode("utf-8")
    content = json.loads(text)
    images = {image["id"]: str(image["file_name"]) for image in content["images"]}
    return content, images, text.isascii() or "\\u" in text


def _write(out: BinaryIO, content: dict[str, Any], escaped: bool) -> None:
    with as_text(out) as text:
        json.dump(content, text, ensure_ascii=escaped)
