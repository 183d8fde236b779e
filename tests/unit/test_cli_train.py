"""`cli.py train`, evaluated and ranked with afterwards; rows and settings that cannot be."""

import csv
import json
import shutil
import threading
from dataclasses import asdict, replace
from pathlib import Path

import numpy as np
import pytest

from components.datasets.captioned import Example, read
from components.images import source_of
from components.training.densenet_lstm import Margin
from components.training.dual import Tuning
from components.training.jobs import JOBS, DenseNetLstmJob, DualJob, Job, PairMatcherJob
from components.training.learner import TrainingError
from components.training.loader import DecodedExamples
from components.training.loop import CHECKPOINT, Ended, Step
from components.training.plan import Plan
from components.training.run import Comparison, Cost
from components.training.split import dev_split, split_decoded, split_examples
from components.training.uploads import in_memory
from components.training.worker import Request, follow
from tests.pairs import write_pairs
from tests.unit.helpers import SAMPLES, run

pytestmark = pytest.mark.slow  # converts or trains a model


@pytest.fixture(scope="module")
def pairs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_pairs(tmp_path_factory.mktemp("pairs"), splits=True)


def test_a_pair_matcher_is_trained_kept_evaluated_and_ranks(pairs: Path, tmp_path: Path) -> None:
    cache = {"CAPTIONLENS_MODEL_CACHE": str(tmp_path / "cache")}
    options = ["--data", pairs, "--out", tmp_path / "run", "--epochs", 1, "--batch", 8]
    done = run("train", "matcher", *options, "--name", "pairs", environment=cache)
    assert done.stdout.strip() == "trained:pairs"
    assert "Epoch 1: dev" in done.stderr
    evaluated = run(
        "evaluate", pairs, "--split", "dev", "-m", "trained:pairs", "-f", "json", environment=cache
    )
    found = json.loads(evaluated.stdout)
    assert found["model"] == "trained:pairs"
    assert found["caption_to_image"]["gallery"] == 8
    assert 0 <= found["pairs"]["accuracy"] <= 1
    ranked = run(
        "match", SAMPLES, "-c", "a cat", "-m", "trained:pairs", "-f", "json", environment=cache
    )
    rows = json.loads(ranked.stdout)
    assert all(row["cosine"] is None for row in rows)
    chances = [row["probability"] for row in rows]
    assert chances == sorted(chances, reverse=True)
    for command in (
        ["search", "a cat", "--data-dir", tmp_path],
        ["matrix", SAMPLES, "-c", "a cat"],
    ):
        refused = run(*command, "-m", "trained:pairs", status=2, environment=cache)
        assert refused.stderr.strip()
    again = run("train", "matcher", *options, "--name", "pairs", environment=cache, status=2)
    assert "A model named 'pairs' already exists" in again.stderr


def test_a_densenet_lstm_is_trained_with_glove_and_evaluated(pairs: Path, tmp_path: Path) -> None:
    glove = tmp_path / "glove.6B.5d.txt"
    glove.write_text("a 1 2 3 4 5\nof 5 4 3 2 1\n", encoding="utf-8")
    options = ["--data", pairs, "--out", tmp_path / "run", "--epochs", 1, "--batch", 12]
    done = run("train", "densenet-lstm", *options, "--glove", glove)
    assert "GloVe has vectors for 2 of " in done.stderr
    assert "DenseNet-121 starts from random weights" in done.stderr
    told = run("evaluate", pairs, "--split", "dev", "-m", tmp_path / "run" / "model", "-f", "json")
    assert json.loads(told.stdout)["score_rule"]["kind"] == "softmax"


def test_pocket_is_tuned_and_compared_before_and_after(pairs: Path, tmp_path: Path) -> None:
    options = ["--data", pairs, "--out", tmp_path / "run", "--epochs", 1, "--batch", 12]
    done = run("train", "dual", *options, "--trains", "projections", "--rate", "1e-4")
    assert "R@1/5/10 on dev, before and after" in done.stderr
    assert (tmp_path / "run" / "model" / "config.json").is_file()
    told = run("evaluate", pairs, "--split", "dev", "-m", tmp_path / "run" / "model", "-f", "json")
    assert json.loads(told.stdout)["caption_to_image"]["recall"][2]["value"] > 0.5


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (
            ["dual", "--trains", "some"],
            "--trains is one of projections, last, full, lora, not 'some'",
        ),
        (
            ["densenet-lstm", "--negatives", "soft"],
            "--negatives is one of all, hardest, semi-hard, not 'soft'",
        ),
        (["matcher", "--name", "a/b"], "is not a valid name"),
        (["matcher", "--batch", "500"], "less than one batch of pairs"),
        (["dual", "--base", "no such model"], "is not a model"),
    ],
)
def test_wrong_settings_are_named(
    arguments: list[str], sentence: str, pairs: Path, tmp_path: Path
) -> None:
    done = run("train", *arguments, "--data", pairs, "--out", tmp_path, status=2)
    assert sentence in done.stderr


def test_missing_and_damaged_images_are_named_and_the_rest_is_used(
    pairs: Path, tmp_path: Path
) -> None:
    folder = shutil.copytree(pairs, tmp_path / "pairs", ignore=shutil.ignore_patterns("cache"))
    (folder / "coffee.jpg").unlink()
    (folder / "china.jpg").write_bytes(b"no image")
    with (folder / "captions.csv").open("a", encoding="utf-8", newline="") as file:
        csv.writer(file).writerow(["", "a caption without an image", "train"])
    options = ["--data", folder, "--out", tmp_path / "run", "--epochs", 1, "--batch", 8]
    done = run("train", "matcher", *options, status=1)
    assert "missing: 1 image of captions.csv: coffee.jpg" in done.stderr
    assert "skipped: china.jpg is not an image" in done.stderr
    assert (tmp_path / "run" / "model" / "config.json").is_file()


def test_the_split_is_the_datasets_or_a_tenth_is_held_out(pairs: Path) -> None:
    data = read(pairs)
    learn, dev = split_examples(data.examples)
    assert (len(learn), len(dev)) == (24, 8)
    plain = read(write_pairs(pairs.parent / "plain"))
    learn, dev = split_examples(plain.examples, seed=3)
    assert (len(learn), len(dev)) == (28, 4)
    assert split_examples(plain.examples, seed=3) == (learn, dev)
    assert split_examples(plain.examples, seed=4) != (learn, dev)
    assert not set(learn) & set(dev)
    tested = [
        replace(example, split=example.split.replace("dev", "test")) for example in data.examples
    ]
    assert (dev_split(data.examples), dev_split(tested)) == ("dev", "")
    learn, dev = split_examples(tested)
    assert (len(learn), len(dev)) == (21, 3)
    assert {example.split for example in (*learn, *dev)} == {"train"}


def _uploads(pairs: Path) -> tuple[DecodedExamples, DecodedExamples]:
    examples = read(pairs).examples
    sources = [source_of(example.image.read_bytes(), example.image.name) for example in examples]
    known = {example.image.name: replace(example, split="") for example in examples}
    return split_decoded(in_memory(sources, known, 224, "crop"))


def test_pairs_in_memory_are_those_of_the_files(pairs: Path) -> None:
    learn, dev = _uploads(pairs)
    assert (len(learn.examples), len(dev.examples)) == (28, 4)
    assert learn.pixels.shape == (28, 224, 224, 3)
    broken = [
        source_of(b"no image", "a.jpg"),
        source_of((pairs / "coffee.jpg").read_bytes(), "b.jpg"),
    ]
    known = {name: Example(Path(name), (name[0],)) for name in ("a.jpg", "b.jpg", "c.jpg")}
    found = in_memory(broken, known, 32, "squeeze")
    assert found.examples == (Example(Path("b.jpg"), ("b",)),)
    assert found.skipped[0].startswith("a.jpg is not an image")


def test_the_worker_stops_with_a_checkpoint_and_resumes(pairs: Path, tmp_path: Path) -> None:
    images = _uploads(pairs)
    plan = Plan(epochs=4, rate=1e-4, precision="f32")
    job = DualJob(plan, tuning=Tuning("projections", batch=7))
    costs: list[object] = []
    follow(Request("probe", job, images, tmp_path / "probe"), costs.append, threading.Event())
    assert isinstance(costs[0], Cost)
    assert costs[0].steps == 16
    assert costs[0].seconds > 0

    stop, told = threading.Event(), []

    def stop_at_the_third(event: object) -> None:
        told.append(event)
        if isinstance(event, Step) and event.number == 3:
            stop.set()

    follow(Request("run", job, images, tmp_path / "run"), stop_at_the_third, stop)
    assert (tmp_path / "run" / CHECKPOINT).is_file()
    assert not any(isinstance(event, Ended) for event in told)
    rest: list[object] = []
    follow(Request("run", job, images, tmp_path / "run"), rest.append, threading.Event())
    steps = [event.number for event in rest if isinstance(event, Step)]
    assert 4 <= steps[0] <= 16
    assert steps[-1] == 16
    assert isinstance(rest[-1], Comparison)
    assert np.isfinite(rest[-1].after.ranks).all()


PLAN = Plan(epochs=2, rate=1e-4, seed=3, precision="f32")


@pytest.mark.parametrize(
    "job",
    [
        PairMatcherJob(PLAN, batch=7),
        DenseNetLstmJob(PLAN, Margin(9, negatives="all"), glove=Path("glove.txt")),
        DualJob(PLAN, "clip", Tuning("lora", rank=4)),
    ],
    ids=lambda job: type(job).__name__,
)
def test_a_job_is_the_same_after_json(job: Job) -> None:
    fields = json.loads(json.dumps(asdict(job), default=str))  # type: ignore[call-overload] # a dataclass
    assert JOBS[type(job).__name__].from_fields(fields) == job


def test_the_workers_error_is_the_jobs(pairs: Path, tmp_path: Path) -> None:
    job = DualJob(Plan(epochs=1, precision="f32"), tuning=Tuning(batch=50))
    with pytest.raises(TrainingError, match="less than one batch"):
        follow(Request("run", job, _uploads(pairs), tmp_path), lambda _: None, threading.Event())
