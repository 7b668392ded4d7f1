"""Streaming reader of call records in CSV: ASTPP's own tables or its CDR reports."""

import csv
import unicodedata
from collections import deque
from collections.abc import Iterator, Sequence
from datetime import UTC, tzinfo
from typing import BinaryIO

from .call_headings import Accept, FileError, Headings, ReportError, headings_of
from .call_record import CallRecord, RowError, checked_record
from .file_text import NO_TEXT, open_text

DELIMITERS = ",;\t"
# A quoted field may hold line breaks; after so many lines the quote is taken for one that was never closed.
MAX_LINES_A_ROW = 10
# Unicode's categories of control characters, surrogates (undecodable bytes) and unassigned code points.
NO_CHARACTERS = ("Cc", "Cs", "Cn")


def read_calls(
    stream: BinaryIO,
    tz: tzinfo,
    report_error: ReportError,
    accept: Accept | None = None,
    after: int = 0,
    call_type: str | None = None,
) -> Iterator[tuple[int, CallRecord]]:
    """Read call records from a CSV file, one by one.

    :param stream: seekable binary file, plain or gzip; UTF-8, UTF-16 or Windows-1252; comma, semicolon or tab
    :param tz: zone of the times in an ASTPP report (its tables are UTC)
    :param report_error: called for each line that is left out
    :param accept: called with the file's ``Headings`` before the lines below them are read; may raise
    :param after: number of a line up to which the file was read before: nothing up to it is returned or reported
    :param call_type: ASTPP's word for the type of calls in a file that has no such column
    :return: iterator of (line number, ``CallRecord``)
    :raise FileError: when the file is damaged, or its first line lacks columns that a call needs
    """
    encoding, text = open_text(stream)
    lines = _Lines(text)
    headings, delimiter = _header(lines)
    if accept:
        accept(headings._replace(encoding=encoding))
    return _records(lines, headings, delimiter, tz, report_error, after, call_type)


def _records(
    lines: "_Lines",
    headings: Headings,
    delimiter: str,
    tz: tzinfo,
    report_error: ReportError,
    after: int,
    call_type: str | None,
) -> Iterator[tuple[int, CallRecord]]:
    columns, source = headings.columns, headings.source
    more = {} if "calltype" in columns else {"calltype": call_type}
    if source != "import":
        # A table is in UTC, whatever zone the reports are in.
        tz = UTC
    while (line := lines.next()) is not None:
        number = lines.number
        if not line.strip() or (number <= after and '"' not in line):
            continue
        try:
            values, line = _fields(line, lines, delimiter, len(columns))
            if number <= after:
                continue
            yield number, checked_record(dict(zip(columns, values, strict=True)) | more, source, tz)
        except RowError as error:
            if number > after:
                report_error(number, str(error), line)


class _Lines:
    """Lines with their numbers, some of which can be given back to be read again."""

    def __init__(self, lines: Iterator[str]):
        self._lines = lines
        self._returned: deque[str] = deque()
        self.number = 0

    def next(self) -> str | None:
        """Return the next line, None at the end."""
        line = self._returned.popleft() if self._returned else next(self._lines, None)
        if line is not None:
            self.number += 1
        return line

    def give_back(self, lines: Sequence[str]) -> None:
        """Have lines, the last ones that were taken, come again."""
        self._returned.extendleft(reversed(lines))
        self.number -= len(lines)


def _header(lines: _Lines) -> tuple[Headings, str]:
    """Return the ``Headings`` of the file and its delimiter."""
    line = lines.next()
    if line is None:
        raise FileError("the file is empty")
    if any(unicodedata.category(character) in NO_CHARACTERS for character in line.strip().replace("\t", "")):
        raise FileError(NO_TEXT)
    delimiter = max(DELIMITERS, key=line.count)
    try:
        headings = next(csv.reader([line], delimiter=delimiter))
    except csv.Error as error:
        raise FileError(f"the first line is not CSV: {error}") from error
    return headings_of(headings), delimiter


def _fields(line: str, lines: _Lines, delimiter: str, expected: int) -> tuple[list[str], str]:
    """Split a line into its values; a quote that is open at its end takes the following lines as well.

    :param expected: how many values there should be
    :return: (values, the text that was read)
    :raise RowError: when the text cannot be split, or not into so many values
    """
    taken: list[str] = []
    while line.count('"') % 2 and len(taken) < MAX_LINES_A_ROW and (more := lines.next()) is not None:
        taken.append(more)
        line += more
    if line.count('"') % 2:
        # Only this line is bad: the others are read again on their own.
        lines.give_back(taken)
        raise RowError("a quoted text is not closed")
    if not line.isascii() and any("\udc80" <= char <= "\udcff" for char in line):
        raise RowError("the line is not UTF-8")
    if "\0" in line:
        raise RowError("the line has a NUL character")
    try:
        values = next(csv.reader([line] if not taken else line.splitlines(keepends=True), delimiter=delimiter))
    except csv.Error as error:
        raise RowError(f"the line is not CSV: {error}") from error
    if len(values) != expected:
        lines.give_back(taken)
        raise RowError(f"{len(values)} columns where the first line has {expected}")
    return values, line
