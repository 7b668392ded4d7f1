"""Streaming reader of call records in XLSX: the first sheet, columns as in CSV."""

import zipfile
import zlib
from datetime import UTC, datetime, time, timedelta

from .call_headings import FileError, headings_of
from .call_record import RowError, checked_record

ZIP_MAGIC = b"PK\x03\x04"
# What openpyxl and the modules below it raise for files that are no workbooks, or are damaged or encrypted.
DAMAGES = (
    *(zipfile.BadZipFile, zipfile.LargeZipFile, zlib.error, EOFError, OSError, SyntaxError, RuntimeError),
    *(KeyError, ValueError, IndexError, TypeError, AttributeError),
)


def read_xlsx_calls(stream, tz, report_error, accept=None):
    """Read call records from a workbook, one by one; as ``call_csv.read_calls``."""
    # Odoo brings it along; only those who import workbooks need it.
    from openpyxl import load_workbook  # noqa: PLC0415

    try:
        book = load_workbook(stream, read_only=True, data_only=True)
        rows = _rows(book.worksheets[0].iter_rows(values_only=True))
    except DAMAGES as error:
        raise FileError(f"the workbook is damaged, or it is none: {error}") from error
    header = next(rows, None)
    if header is None:
        raise FileError("the file is empty")
    headings = headings_of([_text(cell) or "" for cell in header])
    if accept:
        accept(headings)
    return _records(rows, headings, tz, report_error)


def _rows(rows):
    """Yield the rows of a sheet, which is read on the way."""
    while True:
        try:
            row = next(rows, None)
        except DAMAGES as error:
            raise FileError(f"the workbook is damaged: {error}") from error
        if row is None:
            return
        yield row


def _records(rows, headings, tz, report_error):
    columns, source = headings.columns, headings.source
    if source != "import":
        # Tables are in UTC, whatever the reports of the same ASTPP are in.
        tz = UTC
    for number, cells in enumerate(rows, 2):
        texts = [_text(cell) for cell in cells[: len(columns)]]
        if not any(texts):
            continue
        try:
            row = dict(zip(columns, texts, strict=False))
            if not row.get("accountid") and not row.get("account_number"):
                raise RowError("accountid: empty, so nobody can be billed")
            yield number, checked_record(row, source, tz)
        except RowError as error:
            report_error(number, str(error), ",".join(text or "" for text in texts))


def _text(cell):
    """Write a cell as CSV would have it."""
    if cell is None:
        return None
    if isinstance(cell, datetime):
        return cell.strftime("%Y-%m-%d %H:%M:%S")
    if isinstance(cell, time):
        cell = timedelta(hours=cell.hour, minutes=cell.minute, seconds=cell.second, microseconds=cell.microsecond)
    if isinstance(cell, timedelta):
        return _clock(round(cell.total_seconds()))
    if isinstance(cell, float) and cell.is_integer():
        return str(int(cell))
    return str(cell).replace("\0", " ")


def _clock(seconds):
    """Write a time cell as hours, minutes and seconds: what a spreadsheet took it for."""
    minutes, seconds = divmod(seconds, 60)
    return f"{minutes // 60}:{minutes % 60:02d}:{seconds:02d}"
