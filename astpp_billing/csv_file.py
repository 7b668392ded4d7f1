"""CSV files that we write: people open them in a spreadsheet, which must not take a text of theirs for a formula."""

import csv
import io
from collections.abc import Iterable, Iterator
from typing import Any, TextIO

# What makes a spreadsheet take a text for a formula, full-width forms among them.
FORMULA = frozenset("=+-@\t\r\n＝＋－＠")
# By this mark a spreadsheet knows UTF-8.
MARK = "\ufeff".encode()
# Rows of one piece of a file.
CHUNK = 5000


def harmless(value: Any) -> Any:
    """Keep a text from being a formula when a spreadsheet opens it; other values are as they are."""
    return f"'{value}" if isinstance(value, str) and value[:1] in FORMULA else value


class CsvWriter:
    """Writes harmless rows below their headings."""

    def __init__(self, file: TextIO, headings: Iterable[str]):
        self._writer = csv.writer(file)
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
