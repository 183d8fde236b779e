"""Wrong captions are found among real pictures, and the probabilities are calibrated."""

from dataclasses import replace

import numpy as np
import pytest

from components.check.caption_set import CaptionSet
from components.check.check import TooFew, check
from components.check.checked import WRONG, Checked
from components.check.evidence import Space, evidence
from components.check.findings.finding import Finding
from components.check.indexed import left_out
from components.encoder import Encoder, bank_vectors, load
from components.images import decode, sample_captions, sample_sources
from components.scores import Floats, unit

SWAPPED = (("chelsea.jpg", "rocket.jpg"), ("red_bus.jpg", "coffee.jpg"))


@pytest.fixture(scope="module")
def pocket() -> Encoder:
    return load("pocket")


@pytest.fixture(scope="module")
def samples(pocket: Encoder) -> tuple[list[str], list[str], Floats]:
    """The sample images' names, captions and vectors."""
    photos, pixels = zip(*map(decode, sample_sources()), strict=True)
    names = [photo.name for photo in photos]
    captions = [sample_captions()[name] for name in names]
    return names, captions, pocket.images(pixels)


def spoiled(samples: tuple[list[str], list[str], Floats]) -> CaptionSet:
    names, captions, _ = samples
    own = dict(zip(names, captions, strict=True))
    for one, other in SWAPPED:
        own[one], own[other] = own[other], own[one]
    splits = ("",) * len(names)
    return CaptionSet("samples", tuple(names), splits, tuple(own.values()), np.arange(len(names)))


@pytest.fixture(scope="module")
def checked(pocket: Encoder, samples: tuple[list[str], list[str], Floats]) -> Checked:
    data = spoiled(samples)
    texts = pocket.texts(data.captions)
    return check(data, samples[2], texts, bank_vectors(pocket))


def test_swapped_captions_come_first_and_are_explained(checked: Checked) -> None:
    wrong = {name for pair in SWAPPED for name in pair}
    first = [checked.data.image_of(row) for row in checked.order[:4].tolist()]
    assert set(first) == wrong
    assert checked.probability[checked.order[3]] > 0.5 > checked.probability[checked.order[8]]
    row = checked.data.images.index("chelsea.jpg")
    assert checked.kinds(row) == (WRONG,)
    assert "exchanged with the caption of rocket.jpg" in checked.reason(row)
    assert checked.data.image_of(int(checked.suggestion[row])) == "rocket.jpg"
    right = int(checked.order[-1])
    assert checked.kinds(right) == ()
    assert checked.suggestion[right] == -1


def test_the_same_data_give_the_same_probabilities(
    checked: Checked, pocket: Encoder, samples: tuple[list[str], list[str], Floats]
) -> None:
    texts = pocket.texts(checked.data.captions)
    again = check(checked.data, samples[2], texts, bank_vectors(pocket))
    assert np.array_equal(again.probability, checked.probability)


def test_a_finding_is_a_kind_of_its_pairs(checked: Checked) -> None:
    finding = Finding("Repeated caption", ("chelsea.jpg",), (3, 5), "Twice.")
    found = replace(checked, findings=(finding, finding))
    assert found.kinds(3)[-1:] == ("Repeated caption",)
    assert "Repeated caption" not in found.kinds(4)


def test_too_few_pairs_are_refused_with_a_sentence() -> None:
    few = CaptionSet("few", ("a", "b"), ("", ""), ("x", "y"), np.arange(2))
    vectors = np.eye(2, 4, dtype=np.float32)
    with pytest.raises(TooFew, match="few has 2 captions of 2 readable images"):
        check(few, vectors, vectors, vectors)


def test_a_check_ends_where_its_progress_raises(checked: Checked, pocket: Encoder) -> None:
    def stop(share: float, stage: str) -> None:
        if stage == "Calibrating":
            raise KeyboardInterrupt

    vectors = pocket.texts(checked.data.captions)
    with pytest.raises(KeyboardInterrupt):
        check(checked.data, vectors, vectors, vectors, stop)


def data(images: int, captions: int, seed: int = 0) -> tuple[Floats, Floats, np.ndarray]:
    """Unit vectors of images, and of captions that lie near their images."""
    rng = np.random.default_rng(seed)
    pictures = unit(rng.normal(size=(images, 16)))
    owner = np.repeat(np.arange(images), captions)
    return pictures, unit(pictures[owner] + 0.3 * rng.normal(size=(len(owner), 16))), owner


def test_evidence_is_what_its_definition_says() -> None:
    images, texts, owner = data(30, 3)
    chance = unit(np.random.default_rng(1).normal(size=(50, 16)))
    space = Space.of(images, texts, owner, chance)
    found = evidence(space)
    every = texts @ images.T
    for row in (0, 40, 89):
        own = every[row, owner[row]]
        others = np.delete(every[row], owner[row])
        captions = every[:, owner[row]][owner != owner[row]]
        siblings = [each for each in np.flatnonzero(owner == owner[row]) if each != row]
        assert found.cosine[row] == pytest.approx(own, abs=1e-5)
        assert found.image_rank[row] == 1 + (others > own).sum()
        assert found.image_margin[row] == pytest.approx(own - others.max(), abs=1e-5)
        assert found.caption_rank[row] == 1 + (captions > own).sum()
        assert found.caption_margin[row] == pytest.approx(own - captions.max(), abs=1e-5)
        mean = (texts[siblings] @ texts[row]).mean()
        assert found.siblings[row] == pytest.approx(mean, abs=1e-5)
        below = (images[owner[row]] @ chance.T < own).mean()
        assert found.percentile[row] == pytest.approx(below, abs=1e-5)


def test_a_virtual_swap_is_what_a_real_one_would_be() -> None:
    """Evidence on a caption in another's place equals that after the two were exchanged."""
    images, texts, owner = data(30, 3)
    row, slot = 4, 50
    exchanged = texts.copy()
    exchanged[[row, slot]] = texts[[slot, row]]
    virtual = evidence(Space.of(images, texts, owner, texts), np.array([row]), np.array([slot]))
    real = evidence(Space.of(images, exchanged, owner, texts))
    for name in ("cosine", "image_rank", "image_margin", "caption_margin", "siblings"):
        assert getattr(virtual, name)[0] == pytest.approx(getattr(real, name)[slot], abs=1e-5)


@pytest.mark.parametrize("share", [0.0, 0.05, 0.2])
def test_the_share_of_wrong_pairs_is_estimated(share: float) -> None:
    images, texts, owner = data(400, 2)
    rng = np.random.default_rng(2)
    rows = rng.permutation(len(texts))[: int(share * len(texts))]
    texts[rows] = texts[np.roll(rows, 1)]
    names = tuple(f"{number}.jpg" for number in range(400))
    captions = tuple(map(str, range(len(texts))))
    found = check(CaptionSet("x", names, ("",) * 400, captions, owner), images, texts, images[:50])
    assert found.share == pytest.approx(share, abs=0.03)
    assert found.precision(max(1, len(rows))) > 0.8 or not share


def test_images_in_no_row_are_unreadable_or_copies() -> None:
    found = left_out([("b.jpg", "b.jpg is the same file as a.jpg."), ("c.jpg", "c.jpg is empty.")])
    assert [(each.kind, each.images) for each in found] == [
        ("Exact duplicate", ("a.jpg", "b.jpg")),
        ("Unreadable", ("c.jpg",)),
    ]
