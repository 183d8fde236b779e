"""A heatmap as a figure for print: PNG, SVG or PDF, by matplotlib, in the app's colours."""

import io
import textwrap
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from components.scores import Heatmap
from components.words import shorten

if TYPE_CHECKING:
    from matplotlib.figure import Figure

Form = Literal["png", "svg", "pdf"]
FORMS: dict[str, Form] = {".png": "png", ".svg": "svg", ".pdf": "pdf"}

_CELL = 0.62  # inches at most; cells shrink to keep the figure within `_WIDEST`
_LABELS = 3.0  # inches beside the matrix, for the captions
_WIDEST = 18.0
_LETTERS = 14  # of the legend in an inch
_VALUES_FIT = 0.3  # inches: smaller cells show no value
MARKS = (
    " \N{BLACK RIGHT-POINTING TRIANGLE} The best image of its row,"
    " \N{BLACK DOWN-POINTING TRIANGLE} the best caption of its column."
)
ASSIGNED = " \N{WHITE SQUARE} The one-to-one assignment."


def legend(heatmap: Heatmap) -> str:
    """Return the line that explains the colours and marks."""
    scale = heatmap.scale
    ends = [
        f"{end * scale.factor:.{scale.decimals}f}{scale.unit}" for end in (scale.low, scale.high)
    ]
    marks = MARKS if heatmap.best_of_row else ""
    assigned = ASSIGNED if heatmap.assigned else ""
    return f"Colour: {scale.title}, from {ends[0]} to {ends[1]}, fixed.{marks}{assigned}"


def draw(heatmap: Heatmap, thumbnails: Sequence[bytes], footer: str) -> "Figure":
    """Return the figure: ``thumbnails`` (JPEG bytes, by column as drawn) above the matrix.

    The second axes hold the matrix as an image of its values; ``footer`` is a line below.
    """
    from matplotlib.figure import Figure

    rows, columns = heatmap.values.shape
    cell = min(_CELL, (_WIDEST - _LABELS) / columns, 60 / rows)
    size = (_LABELS + max(cell * columns, 3.0) + 1.0, cell * (rows + 1.2) + 1.3)
    figure = Figure(figsize=size, layout="constrained")
    strip, axes = figure.subplots(
        2, 1, sharex=True, height_ratios=[1.2, rows], gridspec_kw={"hspace": 0.01}
    )
    _images(strip, thumbnails)
    _cells(figure, axes, heatmap)
    if cell >= _VALUES_FIT:
        _values(axes, heatmap, cell)
    _marks(axes, heatmap, cell)
    lines = textwrap.wrap(legend(heatmap), int(_LETTERS * size[0]))
    figure.supxlabel("\n".join([*lines, footer]), fontsize=8, parse_math=False)
    return figure


def save(figure: "Figure", form: Form) -> bytes:
    """Return the figure as a file of format ``form``."""
    import matplotlib as mpl

    out = io.BytesIO()
    with mpl.rc_context({"pdf.fonttype": 42}):  # embed fonts as TrueType, so that text stays text
        figure.savefig(out, format=form, dpi=160, facecolor="white")
    return out.getvalue()


def _images(strip: Any, thumbnails: Sequence[bytes]) -> None:
    from PIL import Image

    for column, jpeg in enumerate(thumbnails):
        image = Image.open(io.BytesIO(jpeg))
        image.thumbnail((160, 160))
        half = 0.46 * np.array(image.size) / max(image.size)
        extent = (column - half[0], column + half[0], -half[1], half[1])
        strip.imshow(image, extent=extent)
    strip.set(xlim=(-0.5, len(thumbnails) - 0.5), ylim=(-0.5, 0.5))
    strip.axis("off")


def _cells(figure: "Figure", axes: Any, heatmap: Heatmap) -> None:
    from matplotlib.colors import LinearSegmentedColormap

    scale = heatmap.scale
    colours = LinearSegmentedColormap.from_list(scale.title, scale.colours, N=1024)
    rows, columns = heatmap.values.shape
    image = axes.imshow(
        heatmap.values, cmap=colours, vmin=scale.low, vmax=scale.high, aspect="auto"
    )
    size = 9 if max(rows, columns) <= 30 else 6
    names = [shorten(name, 45) for name in heatmap.captions]
    axes.set_yticks(range(rows), names, fontsize=size, parse_math=False)
    names = [shorten(name, 24) for name in heatmap.images]
    axes.set_xticks(range(columns), names, fontsize=size, rotation=60, ha="right", parse_math=False)
    axes.tick_params(length=0)
    bar = figure.colorbar(image, ax=axes, label=f"{scale.title} (fixed scale)", fraction=0.03)
    bar.ax.yaxis.set_major_formatter(
        lambda value, _: f"{value * scale.factor:.{scale.decimals}f}{scale.unit}"
    )


def _values(axes: Any, heatmap: Heatmap, cell: float) -> None:
    dark = heatmap.scale.is_dark(heatmap.values)
    for (row, column), value in np.ndenumerate(heatmap.values):
        colour = "white" if dark[row, column] else "black"
        text = heatmap.scale.text(float(value))
        axes.text(column, row, text, ha="center", va="center", fontsize=16 * cell, color=colour)


def _marks(axes: Any, heatmap: Heatmap, cell: float) -> None:
    if not heatmap.best_of_row:
        return
    style = {
        "zorder": 3,
        "s": (14 * cell) ** 2,
        "c": "white",
        "edgecolors": "black",
        "linewidths": 0.8,
    }
    rows = [(column - 0.4, row) for row, column in heatmap.best_of_row]
    axes.scatter(*zip(*rows, strict=True), marker=">", **style)
    columns = [(column, row - 0.38) for row, column in heatmap.best_of_column]
    axes.scatter(*zip(*columns, strict=True), marker="v", **style)
    from matplotlib.patches import Rectangle

    for row, column in heatmap.assigned:
        for width, colour in ((3.0, "black"), (1.4, "white")):
            place = (column - 0.46, row - 0.46)
            axes.add_patch(Rectangle(place, 0.92, 0.92, fill=False, lw=width * 1.2, ec=colour))
