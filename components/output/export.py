"""Results as files: CSV, JSON and Parquet with their provenance, and a figure."""

import csv
import io
import json
import re
import zipfile
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, fields
from importlib import metadata
from typing import Any

from components.encoder import Encoder
from components.scores import Heatmap, Match
from components.version import version
from components.words import shorten

Row = Mapping[str, Any]
_LIBRARIES = ("streamlit", "torch", "transformers", "openvino", "pillow", "numpy")
_FORMULA = re.compile(r"\s*[=+\-@\t\r\n＝＋－＠]")  # noqa: RUF001 - full-width forms


def provenance(encoder: Encoder) -> dict[str, Any]:
    """Return what computed the scores: model, revision, runtime, precision, versions."""
    return {
        "model": encoder.spec.id,
        "revision": encoder.revision,
        "runtime": encoder.runtime.library,
        "device": encoder.runtime.device,
        "precision": encoder.runtime.precision,
        "score_rule": asdict(encoder.recipe.score),
        "versions": {
            "captionlens": version(),
            **{library: metadata.version(library) for library in _LIBRARIES},
        },
    }


def footer(encoder: Encoder) -> str:
    """Return the line under a figure: the product's version, the model and its precision."""
    model = f"{encoder.spec.name} {encoder.revision[:12]}".strip()
    return f"CaptionLens {version()} · {model} · {encoder.runtime.precision}"


def to_json(matches: Iterable[Match], receipt: dict[str, Any] | None = None) -> str:
    """Return a JSON list of matches, or an object of ``receipt`` and the list under "matches"."""
    return rows_to_json([asdict(match) for match in matches], receipt)


def rows_to_json(rows: Sequence[Row], receipt: dict[str, Any] | None = None) -> str:
    """Return a JSON list of rows, or an object of ``receipt`` and the list under "matches"."""
    content = {**receipt, "matches": rows} if receipt else rows
    return json.dumps(content, ensure_ascii=False, indent=2, default=str)


def to_csv(matches: Iterable[Match]) -> str:
    """Return CSV with a header, as `rows_to_csv` does."""
    rows = [asdict(match) for match in matches]
    return rows_to_csv(rows, [field.name for field in fields(Match)])


def to_zip(files: Mapping[str, bytes]) -> bytes:
    """Return a zip archive of files by name, stored as they are: images hardly compress."""
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_STORED) as archive:
        for name, data in files.items():
            archive.writestr(name, data)
    return out.getvalue()


def rows_to_csv(rows: Sequence[Row], columns: Sequence[str] | None = None) -> str:
    """Return CSV with a header of ``columns``, by default every key of any row.

    Names are untrusted: text that a spreadsheet would run as a formula is prefixed with an
    apostrophe (OWASP, "CSV Injection"). A list becomes text separated by semicolons.
    """
    names = columns or list(dict.fromkeys(name for row in rows for name in row))
    out = io.StringIO(newline="")
    writer = csv.writer(out)
    writer.writerow([inert(name) for name in names])
    writer.writerows([inert(row.get(name)) for name in names] for row in rows)
    return out.getvalue()


def inert(value: Any) -> Any:
    """Return a cell that no spreadsheet runs as a formula; the texts of a list are joined."""
    if isinstance(value, list):
        value = "; ".join(map(str, value))
    return f"'{value}" if isinstance(value, str) and _FORMULA.match(value) else value


def matrix_to_csv(heatmap: Heatmap) -> str:
    """Return CSV: a header of image names, then a caption and its values a line, as drawn."""
    names = [str(inert(name)) for name in heatmap.images]
    out = io.StringIO(newline="")
    writer = csv.writer(out)
    writer.writerow(["caption", *names])
    for caption, row in zip(heatmap.captions, heatmap.values, strict=True):
        writer.writerow([inert(caption), *(f"{value:.6g}" for value in row)])
    return out.getvalue()


def matrix_to_parquet(heatmap: Heatmap, receipt: Mapping[str, Any]) -> bytes:
    """Return a Parquet file of the same; its metadata has ``receipt`` as JSON: "captionlens"."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    columns = [pa.array(heatmap.captions), *(pa.array(column) for column in heatmap.values.T)]
    table = pa.table(columns, names=["caption", *heatmap.images])
    content = json.dumps({"score": heatmap.scale.title, **receipt})
    table = table.replace_schema_metadata({"captionlens": content})
    out = io.BytesIO()
    pq.write_table(table, out)
    return out.getvalue()


@dataclass(frozen=True)
class Panel:
    """A row of the figure: its title and its images as (JPEG bytes, label)."""

    title: str
    images: Sequence[tuple[bytes, str]]


def to_figure(panels: Sequence[Panel], footer: str, columns: int = 6) -> bytes:
    """Return a PNG: the images of each panel in a grid, each labelled, with a line below."""
    from matplotlib.figure import Figure

    heights = [max(1, -(-len(panel.images) // columns)) for panel in panels]
    size = (2.1 * columns, 2.6 * sum(heights) + 0.5 * len(panels) + 0.3)
    figure = Figure(figsize=size, layout="constrained")
    parts = figure.subfigures(len(panels), 1, height_ratios=heights, squeeze=False)[:, 0]
    for part, panel, height in zip(parts, panels, heights, strict=True):
        _draw(part, panel, height, columns)
    figure.supxlabel(footer, fontsize=8, parse_math=False)
    out = io.BytesIO()
    figure.savefig(out, format="png", dpi=120, facecolor="white")
    return out.getvalue()


def _draw(part: Any, panel: Panel, rows: int, columns: int) -> None:
    from PIL import Image

    # parse_math off: a file name with two dollar signs is not a formula
    part.suptitle(shorten(panel.title, 110), fontsize=11, parse_math=False)
    axes = part.subplots(rows, columns, squeeze=False).flat
    for axis in axes:
        axis.axis("off")
    for axis, (image, label) in zip(part.axes, panel.images, strict=False):
        axis.imshow(Image.open(io.BytesIO(image)))
        axis.set_title(label, fontsize=7.5, parse_math=False)
