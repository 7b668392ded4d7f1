"""Streaming reader of call records in CSV: ASTPP's own tables or its CDR reports."""

import csv
import gzip
import io
import re
from collections import deque

from .call_record import RowError, call_record

GZIP_MAGIC = b"\x1f\x8b"
DELIMITERS = ",;\t"
# A quoted field may hold line breaks; more than this many is a quote that was never closed.
MAX_LINES_A_ROW = 10
MAX_LINE = 1 << 16

# Headings of ASTPP's CDR reports, folded, and the table columns that they show.
REPORT_COLUMNS = {
    "date": "callstart",
    "callerid": "callerid",
    "callednumber": "callednum",
    "code": "pattern",
    "destination": "notes",
    "duration": "billseconds",
    "billseconds": "billseconds",
    "billsec": "billseconds",
    "debit": "debit",
    "cost": "cost",
    "disposition": "disposition",
    "account": "account_number",
    "accountnumber": "account_number",
    "calltype": "calltype",
    "direction": "call_direction",
    "calldirection": "call_direction",
    "uniqueid": "uniqueid",
}
NEEDED = {
    "callstart": "callstart (or Date)",
    "billseconds": "billseconds (or Duration)",
    "debit": "debit",
}


class FileError(ValueError):
    """A file that cannot be read at all; its text says why."""


def read_calls(stream, tz, report_error):
    """Read call records from a CSV file, one by one.

    :param stream: binary file, plain or gzip; UTF-8, comma, semicolon or tab
    :param tz: zone of the times in an ASTPP report (its tables are UTC)
    :param report_error: called with (line number, reason, text of the line) for bad lines
    :return: iterator of (line number, ``CallRecord``)
    :raise FileError: when the first line has not the columns that a call needs; from the
        iterator when the file is damaged
    """
    lines = _Lines(_text_lines(stream))
    return _records(lines, *_header(lines), tz, report_error)


def _records(lines, columns, delimiter, source, tz, report_error):
    while (line := lines.next()) is not None:
        number = lines.number
        if not line.strip():
            continue
        try:
            values, line = _fields(line, lines, delimiter, len(columns))
            yield number, call_record(dict(zip(columns, values, strict=True)), source, tz)
        except RowError as error:
            report_error(number, str(error), line)


def _text_lines(stream):
    """Yield lines as text; bytes that are no UTF-8 come as surrogates."""
    head = stream.read(2)
    stream.seek(0)
    if head == GZIP_MAGIC:
        stream = gzip.GzipFile(fileobj=stream)
    text = io.TextIOWrapper(stream, encoding="utf-8-sig", errors="surrogateescape", newline="")
    try:
        # A limit on each read: a damaged file may be one endless line.
        while line := text.readline(MAX_LINE):
            yield line
    except (EOFError, OSError, gzip.BadGzipFile) as error:
        raise FileError(f"the compressed file is damaged: {error}") from error
    finally:
        text.detach()


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
    """Return the columns of the file, its delimiter, and its source."""
    line = lines.next()
    if line is None:
        raise FileError("the file is empty")
    delimiter = max(DELIMITERS, key=line.count)
    headings = next(csv.reader([line], delimiter=delimiter))
    columns, source = columns_of(headings)
    return columns, delimiter, source


def columns_of(headings):
    """Return ASTPP's column names for a file's headings, and the source of its rows.

    :raise FileError: when columns that a call needs are missing
    """
    folded = [re.sub(r"\(.*?\)|[^a-z_]", "", heading.strip().lower()) for heading in headings]
    is_table = "callstart" in folded
    columns = folded if is_table else [REPORT_COLUMNS.get(name.replace("_", "")) for name in folded]
    missing = [text for name, text in NEEDED.items() if name not in columns]
    if not {"accountid", "account_number"} & set(columns):
        missing.append("accountid (or Account)")
    if missing:
        raise FileError(
            f"the first line must name the columns, and these are missing: {', '.join(missing)}. "
            f"It reads: {', '.join(headings)[:200]}"
        )
    # reseller_cdrs has no sip_user and no type; its rows are other rows than those of cdrs.
    is_reseller = is_table and "reseller_code" in columns and not {"sip_user", "type"} & set(columns)
    return _unique(columns), "import" if not is_table else "reseller_cdr" if is_reseller else "cdr"


def _unique(columns):
    """Name columns of no use, and repeated ones, so that they do not shadow others."""
    seen = set()
    names = []
    for position, column in enumerate(columns):
        names.append(f"#{position}" if column is None or column in seen else column)
        seen.add(column)
    return names


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
