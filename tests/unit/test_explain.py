"""Occlusion maps: by hand on a model whose answer is known, and better than chance on images."""

from dataclasses import replace

import numpy as np
import pytest
from PIL import Image

from components import explain
from components.encoder import Encoder, load
from components.encoder.encoder import Inputs
from components.encoder.runtimes import Array
from components.explain import Curves, Occlusion
from components.explain.occlusion import GRID, _tenths, _windows
from components.images import decode, samples
from components.output.explain_figure import Explained, draw
from components.scores import Floats, unit

pytestmark = pytest.mark.slow  # converts or trains a model


@pytest.fixture(scope="module")
def encoder() -> Encoder:
    return load("pocket")


class _Corner:
    """A runtime whose vectors depend only on how white the upper left quarter is."""

    library, device, precision = "none", "none", "f32"

    def images(self, *inputs: Array) -> Floats:
        side = inputs[0].shape[1] // 2
        white = inputs[0][:, :side, :side].astype(np.float32).mean(axis=(1, 2, 3)) / 255
        return np.stack([white, 1 - white], axis=1)

    def texts(self, ids: Array, mask: Array) -> Floats:
        raise NotImplementedError


def _corner(encoder: Encoder) -> Encoder:
    return replace(encoder, runtime=_Corner())


def _white_corner() -> Image.Image:
    image = Image.new("RGB", (224, 224))
    image.paste((255, 255, 255), (0, 0, 112, 112))
    return image


WHITE = np.array([1.0, 0.0], dtype=np.float32)


def test_the_map_finds_what_the_model_depends_on(encoder: Encoder) -> None:
    occlusion = explain.occlude(_corner(encoder), _white_corner())
    salient = explain.saliency(occlusion, WHITE)
    half = GRID // 2
    assert salient[:half, :half].min() > 5 * abs(salient[half + 3 :]).max()
    row, column = divmod(int(salient.argmax()), GRID)
    assert row < half
    assert column < half
    opposite = explain.saliency(occlusion, -WHITE)
    np.testing.assert_allclose(opposite, -salient, atol=1e-6)


def test_a_map_is_the_mean_fall_of_the_windows_over_a_cell() -> None:
    """By hand: one window of the middle size costs 0.5, averaged over the windows of a cell."""
    windows = _windows()
    sizes = windows.sum(axis=(1, 2))
    hidden = np.tile(np.array([[1.0, 0.0]], dtype=np.float32), (len(windows), 1))
    one = int(np.flatnonzero(sizes == 16)[0])  # four cells wide, at the upper left
    hidden[one] = [0.5, 0.0]
    occlusion = Occlusion(np.zeros((224, 224, 3), np.uint8), WHITE, hidden)
    salient = explain.saliency(occlusion, WHITE)
    covering = windows[sizes == 16].sum(axis=0)
    assert covering[0, 0] == 1
    assert salient[0, 0] == pytest.approx(0.5 / 1 / 3)
    assert salient[3, 3] == pytest.approx(0.5 / covering[3, 3] / 3)
    assert salient[4, 4] == 0


def test_every_cell_is_hidden_by_windows_of_every_size() -> None:
    windows = _windows()
    sizes = windows.sum(axis=(1, 2))
    assert sorted(set(sizes)) == [4, 16, 36]
    for size in set(sizes):
        assert windows[sizes == size].any(axis=0).all()


def test_curves_go_from_the_image_to_nothing_and_back(encoder: Encoder) -> None:
    known = _corner(encoder)
    occlusion = explain.occlude(known, _white_corner())
    checked = explain.curves(known, occlusion, explain.saliency(occlusion, WHITE), WHITE)
    whole = float(occlusion.vector @ WHITE)
    assert checked.deletion[0] == checked.random_deletion[0] == pytest.approx(whole)
    assert checked.insertion[-1] == pytest.approx(whole)
    assert checked.deletion[-1] == pytest.approx(checked.insertion[0])
    assert explain.area(checked.deletion) < explain.area(checked.random_deletion)
    assert explain.area(checked.insertion) > explain.area(checked.random_insertion)


def test_tenths_grow_from_the_most_salient() -> None:
    salient = np.arange(GRID * GRID, dtype=np.float32).reshape(GRID, GRID)
    masks = _tenths(salient)
    assert not masks[0].any()
    assert masks[10].all()
    assert (masks[1:] >= masks[:-1]).all()
    assert masks[1][-1, -1]
    assert not masks[9][0, 0]


def test_maps_of_the_sample_images_beat_chance(encoder: Encoder) -> None:
    """The most salient patches matter more than random ones, with each image's own caption."""
    captions, areas, tenths = samples.sample_captions(), [], []
    for source in samples.sample_sources()[::4]:  # all take two minutes
        occlusion = explain.occlude(encoder, decode(source)[1])
        text = encoder.texts([captions[source.name]])[0]
        checked = explain.curves(encoder, occlusion, explain.saliency(occlusion, text), text)
        each = (
            checked.deletion,
            checked.random_deletion,
            checked.insertion,
            checked.random_insertion,
        )
        areas.append([explain.area(curve) for curve in each])
        tenths.append(checked.random_deletion[1] - checked.deletion[1])
    deletion, by_chance, insertion, shown_by_chance = np.mean(areas, axis=0)
    assert insertion > shown_by_chance
    assert (
        insertion - deletion > shown_by_chance - by_chance
    )  # deletion by itself is as at random here
    assert np.mean(tenths) > 0.02
    wins = np.array(areas)
    assert (wins[:, 2] > wins[:, 3]).mean() > 0.75


def test_words_are_left_out_one_by_one(encoder: Encoder) -> None:
    image = encoder.images([decode(samples.sample_sources()[14])[1]])[0]
    effects = explain.words(encoder, "a black horse", image)
    assert [word.text for word in effects] == ["a", "black", "horse"]
    whole, without = encoder.texts(["a black horse", "a black"]) @ image
    assert effects[2].change == pytest.approx(float(whole - without), abs=1e-5)
    assert max(effects, key=lambda word: word.change).text == "horse"
    assert explain.words(encoder, "horse", image) == []


def test_gibberish_is_as_long_and_always_the_same() -> None:
    caption = "a red motorcycle"
    letters = explain.gibberish(caption)
    assert [len(word) for word in letters.split()] == [1, 3, 10]
    assert letters == explain.gibberish(caption) != caption


def test_an_overlay_is_grey_where_salience_is_zero_and_coloured_elsewhere() -> None:
    view = np.full((224, 224, 3), (200, 100, 50), dtype=np.uint8)
    salient = np.zeros((GRID, GRID), dtype=np.float32)
    salient[:4], salient[-4:] = 1.0, -1.0
    pixels = np.asarray(explain.overlay(view, salient, 0.5, 1.0))
    red, green, blue = pixels[112, 112]
    assert red == green == blue
    assert tuple(pixels[20, 200]) == (255, 140, 0)
    assert tuple(pixels[210, 200]) == (94, 60, 153)
    clear = np.asarray(explain.overlay(view, salient, 0.5, 0.0))
    assert len(np.unique(clear.reshape(-1, 3), axis=0)) == 3  # grey, and the line's two


def test_full_colour_is_half_a_deviation_of_chance() -> None:
    bank = unit(np.random.default_rng(0).standard_normal((100, 5)))
    assert explain.full_colour(bank, bank[0]) == pytest.approx((bank @ bank[0]).std() / 2)


def test_a_model_that_takes_images_as_they_are_has_maps_too(encoder: Encoder) -> None:
    """Without a pixel recipe each version goes through the model's own processor."""
    corner = _corner(encoder)

    def prepare(image: Image.Image) -> Inputs:
        return (np.asarray(image.resize((64, 64))),)

    known = replace(corner, recipe=replace(encoder.recipe, pixels=None), prepare=prepare)
    occlusion = explain.occlude(known, _white_corner().resize((448, 300)))
    assert occlusion.view.shape[0] == 224
    salient = explain.saliency(occlusion, WHITE)
    assert salient[: GRID // 2, : GRID // 2].mean() > salient[GRID // 2 :].mean()


def curves(deletion: float, insertion: float) -> Curves:
    """Return curves of a constant height, against random ones of 0.5, from a cosine of 0.8."""

    def line(height: float) -> Floats:
        return np.array([0.8, *[height] * 10], dtype=np.float32)

    return Curves(line(deletion), line(insertion), line(0.5), line(0.5))


@pytest.mark.parametrize(
    ("deletion", "insertion", "result"),
    [
        (0.2, 0.6, "passes both tests"),
        (0.2, 0.4, "passes one of two tests"),
        (0.6, 0.4, "fails both tests: do not rely on it"),
    ],
)
def test_the_verdict_reports_the_faithfulness_check(
    deletion: float, insertion: float, result: str
) -> None:
    assert explain.verdict(curves(deletion, insertion)) == (
        f"Hiding the most salient tenth changes the cosine of 0.800 by {deletion - 0.8:+.3f},"
        " hiding a random tenth by -0.300. Compared with random order (deletion below it, insertion"
        f" above it), the map {result}."
    )


def test_the_figure_shows_maps_curves_and_footer(encoder: Encoder) -> None:
    known = _corner(encoder)
    occlusion = explain.occlude(known, _white_corner())
    own, other = explain.saliency(occlusion, WHITE), explain.saliency(occlusion, -WHITE)
    checked = explain.curves(known, occlusion, own, WHITE)
    explained = Explained("$a$ white corner", "xq", occlusion, own, other, checked, 0.1)
    figure = draw(explained, "CaptionLens 1.2.3")
    view, own_axes, other_axes, curve_axes = figure.axes
    np.testing.assert_array_equal(view.images[0].get_array(), occlusion.view)
    expected = np.asarray(explain.overlay(occlusion.view, own, 0.1, 0.7))
    np.testing.assert_array_equal(own_axes.images[0].get_array(), expected)
    assert [own_axes.get_title(), other_axes.get_title()] == ["$a$ white corner", "gibberish: xq"]
    np.testing.assert_array_equal(curve_axes.lines[0].get_ydata(), checked.deletion)
    assert curve_axes.get_title() == "faithfulness check"
    assert figure.get_supxlabel().splitlines()[-1] == "CaptionLens 1.2.3"
