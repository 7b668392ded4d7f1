"""Streaming reader of call records in CSV: ASTPP's own tables or its CDR reports."""

import csv
import unicodedata
from collections import deque
from datetime import UTC

from .call_headings import FileError, headings_of
from .call_record import RowError, checked_record
from .file_text import NO_TEXT, open_text

DELIMITERS = ",;\t"
# A quoted field may hold line breaks; more than this many is a quote that was never closed.
MAX_LINES_A_ROW = 10
# Unicode's categories of control characters, and of bytes that are no characters.
NO_CHARACTERS = ("Cc", "Cs", "Cn")


def read_calls(stream, tz, report_error, accept=None):
    """Read call records from a CSV file, one by one.

    :param stream: seekable binary file, plain or gzip; UTF-8, UTF-16 or Windows-1252; comma, semicolon or tab
    :param tz: zone of the times in an ASTPP report (its tables are UTC)
    :param report_error: called with (line number, reason, text of the line) for bad lines
    :param accept: called with the file's ``Headings`` before a line is read; may raise
    :return: iterator of (line number, ``CallRecord``)
    :raise FileError: when the file is damaged, or its first line has not the columns that a call needs
    """
    encoding, lines = open_text(stream)
    lines = _Lines(lines)
    headings, delimiter = _header(lines)
    if accept:
        accept(headings._replace(encoding=encoding))
    return _records(lines, headings, delimiter, tz, report_error)


def _records(lines, headings, delimiter, tz, report_error):
    columns, source = headings.columns, headings.source
    if source != "import":
        # Tables are in UTC, whatever the reports of the same ASTPP are in.
        tz = UTC
    while (line := lines.next()) is not None:
        number = lines.number
        if not line.strip():
            continue
        try:
            values, line = _fields(line, lines, delimiter, len(columns))
            yield number, checked_record(dict(zip(columns, values, strict=True)), source, tz)
        except RowError as error:
            report_error(number, str(error), line)


class _Lines:
    """Lines with their numbers and a way back."""

    def __init__(self, lines):
        self._lines = lines
        self._returned = deque()
        self.number = 0

    def next(self):
        line = self._returned.popleft() if self._returned else next(self._lines, None)
        if line is not None:
            self.number += 1
        return line

    def give_back(self, lines):
        self._returned.extendleft(reversed(lines))
        self.number -= len(lines)


def _header(lines):
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


def _fields(line, lines, delimiter, expected):
    """Split a line, together with those that follow while a quote is open.

    :return: (values, the text that was read)
    """
    taken = []
    while line.count('"') % 2 and len(taken) < MAX_LINES_A_ROW and (more := lines.next()) is not None:
        taken.append(more)
        line += more
    if line.count('"') % 2:
        # The quote belongs to this line alone: the others are read again on their own.
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
