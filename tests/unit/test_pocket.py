"""Making Pocket from a few real images: it runs, resumes, and `AutoModel` loads the result."""

import csv
import itertools
import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
import transformers as hf
from safetensors.torch import load_file

from components.bench import training
from components.bench.training import agreement, names
from components.datasets.captioned import DataError
from components.encoder import load
from components.images import sample_sources
from components.training.loop import Ended, Step
from components.training.pocket import learner
from components.training.pocket.make import TEXT_PLAN, TOWERS_PLAN, make
from components.training.pocket.material import Sources, read_named
from components.training.run import Message
from tests import checkpoints
from tests.pairs import write_pairs

pytestmark = pytest.mark.slow  # converts or trains a model


@pytest.fixture
def sources(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Sources:
    """Tiny random checkpoints as backbone and MiniLM, and two datasets of a few images."""
    sizes = learner.Sizes(batch=8, named=2, names=5, naming=0.3)
    monkeypatch.setattr(learner.TextLearner, "sizes", sizes)
    monkeypatch.setattr(learner.TowersLearner, "sizes", sizes)
    monkeypatch.setattr(learner, "CROP", 64)
    monkeypatch.setattr(learner, "PASSES", 2)
    captioned = tuple(write_pairs(tmp_path / name, splits=True) for name in ("one", "two"))
    named = tmp_path / "imagenet"
    (named / "images").mkdir(parents=True)
    with (named / "labels.csv").open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["image", "class_index", "wnid", "names"])
        for number, source in enumerate(list(sample_sources())[:10]):
            shutil.copy(Path(str(source.data)), named / "images" / f"{number}.jpg")
            writer.writerow([f"{number}.jpg", number, f"n{number}", f"thing {number}, other name"])
    backbone = hf.MobileNetV2Config(depth_multiplier=0.35)
    backbone.num_labels = 11  # background, and ten things
    hf.MobileNetV2ForImageClassification(backbone).save_pretrained(tmp_path / "backbone")
    checkpoints.write_bert(tmp_path / "minilm")
    return Sources(captioned, named, tmp_path / "backbone", tmp_path / "minilm")


def test_it_makes_a_checkpoint_that_plain_transformers_loads(
    sources: Sources, tmp_path: Path
) -> None:
    text = replace(TEXT_PLAN, epochs=1, precision="f32", checkpoint_every=2)
    towers = replace(TOWERS_PLAN, epochs=1, precision="f32", checkpoint_every=2)
    work, killed = tmp_path / "work", tmp_path / "killed"
    events = make(sources, work, text, towers)
    begun = list(itertools.takewhile(lambda event: not isinstance(event, Ended), events))
    first = list(itertools.islice(events, 3))[-1]
    shutil.copytree(work, killed)  # as a kill leaves it: the second step of the towers is kept
    again = next(event for event in make(sources, killed, text, towers) if isinstance(event, Step))
    assert isinstance(begun[0], Message) and "images with captions" in begun[0].text
    assert isinstance(first, Step)
    assert (again.number, again.loss) == (first.number, first.loss)
    *_, last = events
    assert isinstance(last, Ended)
    made = tmp_path / "work" / "pocket"
    model = hf.AutoModel.from_pretrained(made, dtype=torch.float32)
    processor = hf.AutoProcessor.from_pretrained(made)
    read = processor(text=["a cat"], images=np.zeros((50, 70, 3), np.uint8), return_tensors="pt")
    assert read["pixel_values"].shape == (1, 3, 224, 224)
    assert model(**read).logits_per_image.shape == (1, 1)
    assert (
        len(processor(text=["a dog " * 30]).input_ids[0]) == 62
    )  # not truncated to the length in training
    assert {value.dtype for value in load_file(made / "model.safetensors").values()} >= {
        torch.float16
    }
    encoder = load(made)
    assert encoder.texts(["a cat"]).shape == (1, 384)
    continued = list(make(replace(sources, base=made), tmp_path / "next", text, towers))
    assert [type(event) for event in continued].count(Ended) == 1  # the towers' stage alone
    assert hf.AutoModel.from_pretrained(tmp_path / "next" / "pocket").config.projection_dim == 384


def test_classes_and_their_names_are_read(sources: Sources) -> None:
    assert read_named(sources.imagenet).names[3] == ("thing 3", "other name")


def test_a_sample_without_its_list_or_an_image_is_named(sources: Sources, tmp_path: Path) -> None:
    folder = tmp_path / "bare"
    folder.mkdir()
    with pytest.raises(DataError, match=r"bare lacks a labels\.csv"):
        read_named(folder)
    shutil.copy(sources.imagenet / "labels.csv", folder)
    with pytest.raises(DataError, match="or its images"):
        read_named(folder)


def test_images_are_named_and_compared_with_the_backbone(
    sources: Sources, monkeypatch: pytest.MonkeyPatch
) -> None:
    lines: list[str] = []
    pocket = load("pocket")
    names(pocket, sources.imagenet, lines.append)
    assert lines[0].startswith("pocket: top-1 among 10 names ")
    monkeypatch.setattr(training, "_SURE", 0.0)  # a random classifier is never sure
    agreement(pocket, sources.imagenet, sources.captioned[0], sources.backbone, lines.append)
    assert "images, among the first five on" in lines[1]
