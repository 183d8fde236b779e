"""The log of a training run, as CSV."""

import csv
import io
from pathlib import Path

from components.files import write_bytes

_COLUMNS = ("step", "epoch", "loss", "rate", "seconds", "dev")


class Log:
    """The CSV of a run: a row for each step, and one for each dev figure."""

    def __init__(self, file: Path) -> None:
        self._file = file
        self._rows: list[dict[str, str]] = []

    def read(self, text: str) -> None:
        self._rows = list(csv.DictReader(io.StringIO(text, newline="")))

    def add(self, step: int, epoch: int, **values: float) -> None:
        cells = {name: f"{value:.6g}" for name, value in values.items()}
        self._rows.append({"step": str(step), "epoch": str(epoch), **cells})

    def measured(self) -> set[int]:
        return {int(row["epoch"]) for row in self._rows if row.get("dev")}

    def text(self) -> str:
        sheet = io.StringIO()
        writer = csv.DictWriter(sheet, _COLUMNS, lineterminator="\n")
        writer.writeheader()
        writer.writerows(self._rows)
        return sheet.getvalue()

    def write(self) -> None:
        write_bytes(self._file, self.text().encode())
