"""The drawn figure contains the matrix: checked by its values, not its pixels."""

import io
import xml.etree.ElementTree as ET

import numpy as np
import pyarrow.parquet as pq
import pytest
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle
from PIL import Image

from components.output.export import matrix_to_csv, matrix_to_parquet
from components.output.matrix_figure import draw, legend, save
from components.scores import Heatmap, Mode, arrange, clustered, difference, scale_of
from tests.unit.helpers import jpeg, scores

NASTY = ("$x$ & <b>", "=SUM(A1)", "a" * 300, "猫 🐈")


def heatmap(captions: int = 3, images: int = 4) -> Heatmap:
    some = scores(captions, images)
    scale = scale_of(Mode.cosine, some.cosine)
    return arrange(some, some.cosine, scale, clustered(some.cosine), assign=True)


def drawn(shown: Heatmap) -> Figure:
    return draw(shown, [jpeg("teal")] * len(shown.images), "CaptionLens 1.2.3")


def test_the_image_on_the_axes_is_the_matrix_on_its_scale() -> None:
    shown = heatmap()
    axes = drawn(shown).axes[1]
    image = axes.images[0]
    np.testing.assert_array_equal(image.get_array(), shown.values)
    assert image.get_clim() == (shown.scale.low, shown.scale.high)
    assert [label.get_text() for label in axes.get_yticklabels()] == list(shown.captions)
    assert [label.get_text() for label in axes.get_xticklabels()] == list(shown.images)


def test_the_last_line_is_the_footer() -> None:
    figure = drawn(heatmap())
    assert figure.get_supxlabel().splitlines()[-1] == "CaptionLens 1.2.3"


def test_the_legend_is_inside_a_narrow_figure() -> None:
    figure = drawn(heatmap())
    figure.draw_without_rendering()
    box = figure._supxlabel.get_window_extent()  # type: ignore[attr-defined] # no public way
    assert box.x0 >= 0
    assert box.x1 <= figure.bbox.width


def test_the_colours_are_those_of_the_screen() -> None:
    shown = heatmap()
    image = drawn(shown).axes[1].images[0]
    points = np.linspace(shown.scale.low, shown.scale.high, 33)
    own = np.asarray(image.cmap(image.norm(points)))[:, :3] * 255
    np.testing.assert_allclose(own, shown.scale.colour(points), atol=1)


def test_cells_show_values_and_marks() -> None:
    shown = heatmap()
    axes = drawn(shown).axes[1]
    texts = {
        (round(t.get_position()[1]), round(t.get_position()[0])): t.get_text() for t in axes.texts
    }
    assert texts == {
        (row, column): shown.scale.text(float(value))
        for (row, column), value in np.ndenumerate(shown.values)
    }
    rows, columns = (np.rint(each.get_offsets()).astype(int).tolist() for each in axes.collections)
    assert rows == [[column, row] for row, column in shown.best_of_row]
    assert columns == [[column, row] for row, column in shown.best_of_column]
    frames = [patch for patch in axes.patches if isinstance(patch, Rectangle)]
    places = {(round(p.get_y() + 0.46), round(p.get_x() + 0.46)) for p in frames}
    assert places == set(shown.assigned)


def test_every_column_has_its_thumbnail() -> None:
    shown = heatmap()
    colours = ["red", "lime", "blue", "white"]
    strip = draw(shown, [jpeg(colour) for colour in colours], "below").axes[0]
    assert len(strip.images) == 4
    for column, (image, colour) in enumerate(zip(strip.images, colours, strict=True)):
        assert round(np.mean(image.get_extent()[:2])) == column
        expected = np.array(Image.new("RGB", (1, 1), colour))[0, 0]
        np.testing.assert_allclose(np.asarray(image.get_array())[5, 5], expected, atol=6)


@pytest.mark.parametrize("size", [(1, 1), (2, 2), (1, 30), (30, 1), (100, 100)])
def test_any_size_becomes_a_png(size: tuple[int, int]) -> None:
    image = Image.open(io.BytesIO(save(drawn(heatmap(*size)), "png")))
    assert image.format == "PNG"
    assert image.width > 400
    assert max(image.size) < 12_000


def test_values_are_omitted_where_they_do_not_fit() -> None:
    assert not drawn(heatmap(100, 100)).axes[1].texts


def test_all_formats_open_whatever_the_names() -> None:
    some = scores(4, 4)
    nasty = arrange(some, some.cosine, scale_of(Mode.cosine, some.cosine))
    shown = Heatmap(**{**vars(nasty), "captions": NASTY, "images": NASTY})
    figure = drawn(shown)
    assert save(figure, "png").startswith(b"\x89PNG")
    assert save(figure, "pdf").startswith(b"%PDF")
    ET.fromstring(save(figure, "svg"))  # noqa: S314 - our own file: it must be well formed


def test_a_difference_has_no_marks() -> None:
    shown = difference(scores(seed=1), scores(seed=2))
    assert not drawn(shown).axes[1].collections
    assert "best" not in legend(shown)
    assert "-100 points to 100 points" in legend(shown)


def test_csv_and_parquet_contain_the_values() -> None:
    some = scores(4, 4)
    plain = arrange(some, some.cosine, scale_of(Mode.cosine, some.cosine))
    shown = Heatmap(**{**vars(plain), "captions": NASTY, "images": NASTY})
    lines = matrix_to_csv(shown).splitlines()
    assert lines[0].startswith("caption,$x$ & <b>,'=SUM(A1),")
    assert lines[2].startswith("'=SUM(A1),")
    numbers = [float(cell) for cell in lines[1].rsplit(",", 4)[1:]]
    np.testing.assert_allclose(numbers, shown.values[0], rtol=1e-5)
    table = pq.read_table(io.BytesIO(matrix_to_parquet(shown, {"model": "pocket"})))
    assert table.column_names == ["caption", *NASTY]
    assert table["caption"].to_pylist() == list(NASTY)
    np.testing.assert_array_equal(table[NASTY[2]].to_numpy(), shown.values[:, 2])
    assert b'"model": "pocket"' in table.schema.metadata[b"captionlens"]
