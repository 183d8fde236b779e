"""Zero-shot labels on arrays: lists, probabilities, calibration, suspicious given labels."""

import sys
from pathlib import Path

import numpy as np
import pytest

from components.bench import labels as bench
from components.bench.measure import average_precision
from components.errors import CaptionLensError
from components.labels.assign import Scorer, assign, fitted
from components.labels.calibration import calibration_error
from components.labels.images import label_column, read_images, rows_of
from components.labels.label_list import (
    NONE,
    Label,
    LabelError,
    label_vectors,
    parse_labels,
    parse_templates,
    phrasings,
)
from components.labels.labelled import label_images, rows
from components.labels.suspicious import is_suspicious, oppose, suspicious_first
from components.scores import Floats, unit
from tests.standin import stand_in
from tests.unit.helpers import SAMPLES

RNG = np.random.default_rng(0)
WIDTH, NUMBER = 16, 5
LABELS = unit(RNG.standard_normal((NUMBER, WIDTH)))
BANK = unit(RNG.standard_normal((200, WIDTH)))
SCORER = Scorer(LABELS, BANK)
NAMES = tuple(f"label {row}" for row in range(NUMBER))


def images_of(given: np.ndarray, noise: float = 0.15, seed: int = 1) -> Floats:
    """Return unit vectors near those of their labels."""
    rng = np.random.default_rng(seed)
    return unit(LABELS[given] + noise * rng.standard_normal((len(given), WIDTH)))


def test_a_line_is_a_label_with_its_synonyms() -> None:
    listed = parse_labels("dog | puppy, hound\n# a comment\n\n cat \nDog\n|,|\nown,own")
    assert [label.names for label in listed.labels] == [
        ("dog", "puppy", "hound"),
        ("cat",),
        ("own",),
    ]
    assert listed.merged == 1
    cut = parse_labels("\n".join(map(str, range(9))), limit=4)
    assert (cut.names, cut.dropped) == (("0", "1", "2", "3"), 5)


def test_a_label_is_put_into_every_phrase_without_its_own_article() -> None:
    label = Label(("an owl", "{}", "the"))
    assert phrasings(label, ("a {}",)) == ["a owl", "a {}", "a the"]
    assert parse_templates("a photo of a {}\n\n{} outside") == ("a photo of a {}", "{} outside")
    for text in ("", "no place"):
        with pytest.raises(LabelError, match="template"):
            parse_templates(text)


def test_a_labels_vector_is_the_mean_over_synonyms_and_phrases() -> None:
    known: dict[str, Floats] = {}

    def encode(texts: object) -> Floats:
        for text in texts:  # type: ignore[attr-defined]
            known.setdefault(text, unit(RNG.standard_normal((1, 4)))[0])
        return np.stack([known[text] for text in texts])  # type: ignore[attr-defined]

    labels = (Label(("dog", "puppy")), Label(("cat",)))
    vectors = label_vectors(encode, labels, ("{}", "a {}"))
    texts = ("dog", "puppy", "a dog", "a puppy")
    expected = unit(np.stack([known[text] for text in texts]).mean(axis=0, keepdims=True))
    assert vectors[0] == pytest.approx(expected[0], abs=1e-6)
    assert np.linalg.norm(vectors, axis=1) == pytest.approx(np.ones(2), abs=1e-6)


def test_the_best_label_is_found_and_chance_is_none_of_these() -> None:
    given = np.arange(NUMBER)
    result = assign(NAMES, [SCORER.probabilities(images_of(given))])
    assert result.best.tolist() == given.tolist()
    assert (result.confidence > 0.9).all()
    everyday = assign(NAMES, [SCORER.probabilities(BANK)])
    assert (everyday.best == NUMBER).mean() > 0.9
    assert everyday.names[-1] == NONE
    assert everyday.counts.sum() == len(BANK)
    best = everyday.images_of(NUMBER)
    assert (np.diff(everyday.confidence[best]) <= 0).all()


def test_probabilities_sum_to_one_and_chunks_change_nothing() -> None:
    images = images_of(RNG.integers(0, NUMBER, 50), noise=1.0)
    shares = SCORER.probabilities(images)
    assert shares.sum(axis=1) == pytest.approx(np.ones(50), abs=1e-5)
    whole = assign(NAMES, [shares])
    parts = assign(NAMES, map(SCORER.probabilities, (images[:7], images[7:])))
    assert whole.best.tolist() == parts.best.tolist()
    assert whole.second.tolist() == np.argsort(-shares, axis=1)[:, 1].tolist()
    assert len(assign(NAMES, [])) == 0


def test_one_label_is_enough() -> None:
    result = label_images(
        ["a", "b"], ["only"], Scorer(LABELS[:1], BANK), [images_of(np.array([0, 1]))]
    )
    assert result.labelling.best.tolist() == [0, 1]


def test_the_calibration_error_is_the_gap_between_confidence_and_truth() -> None:
    assert calibration_error(np.full(10, 0.8, np.float32), np.arange(10) < 8) == pytest.approx(
        0, abs=1e-6
    )
    assert calibration_error(np.ones(4, np.float32), np.zeros(4, dtype=bool)) == 1
    assert calibration_error(np.zeros(0, np.float32), np.zeros(0, dtype=bool)) == 0


def test_fitting_to_given_labels_calibrates() -> None:
    given = RNG.integers(0, NUMBER, 600)
    images = images_of(given, noise=0.5)
    learned = fitted(SCORER, images[:300], given[:300])

    def error(scorer: Scorer) -> float:
        shares = scorer.probabilities(images[300:])
        return calibration_error(shares.max(axis=1), shares.argmax(axis=1) == given[300:])

    assert error(learned) <= error(Scorer(LABELS, BANK, 1.0))
    assert fitted(SCORER, images[:10], given[:10]) is SCORER


def test_spoiled_labels_are_suspicious_and_first() -> None:
    true = RNG.integers(0, NUMBER, 200)
    spoiled = np.arange(200) < 20
    given = np.where(spoiled, (true + 1) % NUMBER, true)
    given[50] = -1
    opposed = oppose(SCORER.probabilities(images_of(true))[:, :-1], given)
    found = is_suspicious(opposed, NUMBER)
    assert found[spoiled].all()
    assert not found[~spoiled].any()
    order = suspicious_first(opposed, NUMBER)
    assert set(order[:20].tolist()) == set(range(20))
    assert 50 not in order
    assert (opposed.other[spoiled] == true[spoiled]).all()


def test_rows_begin_with_the_suspicious() -> None:
    true = RNG.integers(0, NUMBER, 80)
    given = true.copy()
    given[7] = (true[7] + 1) % NUMBER
    chunks = [images_of(true)[:30], images_of(true)[30:]]
    names = [str(number) for number in range(80)]
    labelled = label_images(names, NAMES, SCORER, chunks, given)
    table = rows(labelled, [NAMES[row] for row in given])
    assert [row["image"] for row in table] == ["7", *(name for name in names if name != "7")]
    assert (table[0]["given"], table[0]["suspicious"]) == (NAMES[given[7]], True)
    assert table[0]["label"] == NAMES[true[7]]
    assert labelled.fitted
    assert labelled.accuracy == pytest.approx(79 / 80)
    plain = label_images(names, NAMES, SCORER, chunks)
    assert list(rows(plain)[0]) == [
        *("image", "label", "confidence"),
        *("second_label", "second_confidence"),
    ]


def test_given_labels_match_by_name_before_synonym() -> None:
    labels = parse_labels("mouth organ, harp\nharp\nbull terrier").labels
    assert rows_of(["harp", "Mouth organ, harp", "", "poodle"], labels).tolist() == [1, 0, -1, -1]
    assert label_column(["image", "Names"]) == "Names"
    assert label_column(["image"]) == ""
    with pytest.raises(LabelError, match="no column 'kind'"):
        label_column(["image", "label"], "kind")


def test_a_table_names_images_inside_its_folder_only(tmp_path: Path) -> None:
    (tmp_path / "data" / "images").mkdir(parents=True)
    for name in ("data/images/a.jpg", "outside.jpg"):
        (tmp_path / name).write_bytes((SAMPLES / "chelsea.jpg").read_bytes())
    table = tmp_path / "data" / "labels.csv"
    rows_ = "image,label\na.jpg,=cat\n../outside.jpg,dog\n\0,x\n,y\ngone.jpg,z\n"
    table.write_text(rows_, encoding="utf-8")
    given = read_images(table)
    assert [source.name for source in given.sources] == ["a.jpg"]
    assert list(given.labels) == ["=cat"]
    assert "3 images of labels.csv not found" in given.missing[0]
    with pytest.raises(LabelError, match="no column"):
        read_images(table, "nothing")
    with pytest.raises(LabelError, match="A folder has no column"):
        read_images(tmp_path, "label")


def test_the_bench_measures_average_precision_and_asks_for_cleanlab(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    scores, wrong = np.array([3, 2, 1, 0], np.float32), np.array([True, False, True, False])
    assert average_precision(scores, wrong) == pytest.approx((1 + 2 / 3) / 2)
    for module in ("cleanlab", "cleanlab.filter", "cleanlab.rank"):
        monkeypatch.setitem(sys.modules, module, None)
    with pytest.raises(CaptionLensError, match="pip install cleanlab"):
        bench.labels(stand_in(), Path("labels.csv"), print)
