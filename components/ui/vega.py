"""Altair charts as Vega-Lite specifications that can be cached.

`st.altair_chart` builds, validates and converts a chart again in every run: 0.1 s for a small one.
"""

import io
from typing import Any

import altair as alt
import pandas as pd
import pyarrow as pa


def data(frame: pd.DataFrame) -> alt.InlineData:
    """Return a table as a chart's data; its encodings then name their types."""
    rows = [{str(name): value for name, value in row.items()} for row in frame.to_dict("records")]
    return alt.InlineData(values=rows)


def spec_of(chart: alt.Chart | alt.LayerChart) -> dict[str, Any]:
    """Return a chart of `data` as `st.vega_lite_chart` takes it, its rows as Arrow streams."""
    spec: dict[str, Any] = chart.to_dict(validate=False)
    spec.pop("config", None)  # the sizes of Altair's default theme
    spec["datasets"] = {name: _arrow(rows) for name, rows in spec["datasets"].items()}
    return spec


def _arrow(rows: list[dict[str, Any]]) -> bytes:
    table = pa.Table.from_pylist(rows)
    sink = io.BytesIO()
    with pa.ipc.new_stream(sink, table.schema) as stream:
        stream.write_table(table)
    return sink.getvalue()
