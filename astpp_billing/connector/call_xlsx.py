"""Streaming reader of call records in XLSX: the first sheet, columns as in CSV."""

import struct
import zipfile
import zlib
from collections.abc import Iterator
from datetime import UTC, date, datetime, time, timedelta, tzinfo
from typing import BinaryIO

from .call_headings import MAX_COLUMNS, Accept, FileError, Headings, ReportError, headings_of
from .call_record import CallRecord, RowError, checked_record
from .workbook_archive import MAX_ROWS, WorkbookArchive

ZIP_MAGIC = b"PK\x03\x04"
# What openpyxl and the modules that it uses raise for files that are damaged, encrypted or no workbooks.
DAMAGES = (
    *(zipfile.BadZipFile, zipfile.LargeZipFile, zlib.error, EOFError, OSError, SyntaxError, RuntimeError),
    *(LookupError, ValueError, TypeError, AttributeError, ArithmeticError, AssertionError, struct.error),
)

# What openpyxl makes of a cell.
Cell = bool | int | float | str | date | time | timedelta | None


def read_xlsx_calls(
    stream: BinaryIO,
    tz: tzinfo,
    report_error: ReportError,
    accept: Accept | None = None,
    after: int = 0,
    call_type: str | None = None,
) -> Iterator[tuple[int, CallRecord]]:
    """Read call records from a workbook, one by one; as ``call_csv.read_calls``."""
    rows = _rows(stream)
    header = next(rows, None)
    if header is None:
        raise FileError("the file is empty")
    while header and header[-1] is None:
        header = header[:-1]
    if len(header) > MAX_COLUMNS:
        raise FileError(f"the first line has more than {MAX_COLUMNS} columns")
    headings = headings_of([_text(cell) or "" for cell in header])
    if accept:
        accept(headings)
    return _records(rows, headings, tz, report_error, after, call_type)


def _rows(stream: BinaryIO) -> Iterator[tuple[Cell, ...]]:
    """Yield the rows of the first sheet as they are read."""
    # Odoo depends on it; loading it takes time that only importing a workbook is worth.
    from openpyxl.reader.excel import ExcelReader  # noqa: PLC0415

    try:
        reader = ExcelReader(stream, read_only=True, data_only=True)
        reader.archive = WorkbookArchive(stream)
        reader.read()
        # Without limits of ours each row would be padded to the size that the sheet states, however large.
        sheet = reader.wb.worksheets[0].iter_rows(max_col=MAX_COLUMNS + 1, max_row=MAX_ROWS + 1, values_only=True)
        for number, row in enumerate(sheet, 1):
            if number > MAX_ROWS:
                raise FileError(f"the workbook has rows below the last one that there can be ({MAX_ROWS})")
            yield row
    except FileError:
        raise
    except DAMAGES as error:
        if isinstance(error.__cause__, FileError):
            # openpyxl has wrapped it to add a place in the file.
            raise error.__cause__ from None
        reason = str(error)[:200]
        raise FileError(f"the workbook is damaged, or it is none: {reason or type(error).__name__}") from error


def _records(
    rows: Iterator[tuple[Cell, ...]],
    headings: Headings,
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
    for number, cells in enumerate(rows, 2):
        if number <= after:
            continue
        texts = [_text(cell) for cell in cells[: len(columns)]]
        if not any(texts):
            continue
        try:
            row = dict(zip(columns, texts, strict=False)) | more
            if not row.get("accountid") and not row.get("account_number"):
                raise RowError("accountid: empty, so nobody can be billed")
            yield number, checked_record(row, source, tz)
        except RowError as error:
            report_error(number, str(error), ",".join(text or "" for text in texts))


def _text(cell: Cell) -> str | None:
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


def _clock(seconds: int) -> str:
    """Write a time as hours:minutes:seconds, which is what the spreadsheet shows."""
    minutes, seconds = divmod(seconds, 60)
    return f"{minutes // 60}:{minutes % 60:02d}:{seconds:02d}"
