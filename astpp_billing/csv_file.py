"""Writing CSV files that are safe to open in a spreadsheet: no text in them is taken for a formula."""

import csv
import io
from collections.abc import Iterable, Iterator
from typing import Any, TextIO

# A text that begins with one of these is taken for a formula; the last four are full-width forms.
FORMULA = frozenset("=+-@\t\r\n＝＋－＠")
# The byte order mark, by which a spreadsheet recognises UTF-8.
MARK = "\ufeff".encode()
# Rows in each piece of a file.
CHUNK = 5000


def harmless(value: Any) -> Any:
    """Return a text so that no spreadsheet takes it for a formula; other values are returned as they are."""
    return f"'{value}" if isinstance(value, str) and value[:1] in FORMULA else value


class CsvWriter:
    """Writes rows of harmless values below their headings; without any where a file is continued."""

    def __init__(self, file: TextIO, headings: Iterable[str] | None):
        self._writer = csv.writer(file)
        if headings:
            self.add(headings)

    def add(self, row: Iterable[Any]) -> None:
        """Write one row; None is an empty cell."""
        self._writer.writerow(map(harmless, row))


def csv_chunks(headings: Iterable[str], rows: Iterable[Iterable[Any]]) -> Iterator[bytes]:
    """Yield a CSV file piece by piece, in UTF-8 with its mark."""
    buffer = io.StringIO()
    writer = CsvWriter(buffer, headings)
    yield MARK
    for number, row in enumerate(rows, 1):
        writer.add(row)
        if number % CHUNK == 0:
            yield buffer.getvalue().encode()
            buffer.seek(0)
            buffer.truncate()
    yield buffer.getvalue().encode()
