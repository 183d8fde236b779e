"""Thirty-two real pairs to train on: samples with their captions."""

import csv
from pathlib import Path

from PIL import Image

from components.settings import Settings

COUNT = 32


def write_pairs(folder: Path, splits: bool = False) -> Path:
    """Write images and their ``captions.csv``; return the folder. ``splits``: 24 train, 8 dev."""
    samples = Settings().samples
    with (samples / "captions.csv").open(encoding="utf-8", newline="") as lines:
        known = [(row["image"], row["caption"]) for row in csv.DictReader(lines)]
    folder.mkdir(parents=True, exist_ok=True)
    rows = []
    for number, (name, caption) in enumerate(known[:COUNT]):
        image = Image.open(samples / name).convert("RGB")
        image.thumbnail((320, 320))
        image.save(folder / name)
        split = "train" if number % 4 else "dev"
        rows.append([name, caption, *([split] if splits else [])])
    with (folder / "captions.csv").open("w", encoding="utf-8", newline="") as file:
        csv.writer(file).writerows([["image", "caption", *(["split"] if splits else [])], *rows])
    return folder
