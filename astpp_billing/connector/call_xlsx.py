"""Streaming reader of call records in XLSX: the first sheet, columns as in CSV."""

import zipfile
from datetime import datetime

from .call_csv import FileError, columns_of
from .call_record import RowError, call_record

ZIP_MAGIC = b"PK\x03\x04"


def read_xlsx_calls(stream, tz, report_error):
    """Read call records from a workbook, one by one; as ``call_csv.read_calls``."""
    # Odoo brings it along; only those who import workbooks need it.
    from openpyxl import load_workbook  # noqa: PLC0415

    try:
        book = load_workbook(stream, read_only=True, data_only=True)
        rows = book.worksheets[0].iter_rows(values_only=True)
        header = next(rows, None)
    except (zipfile.BadZipFile, KeyError, ValueError, IndexError, OSError) as error:
        raise FileError(f"the workbook is damaged: {error}") from error
    if header is None:
        raise FileError("the file is empty")
    return _records(rows, *columns_of([_text(cell) or "" for cell in header]), tz, report_error)


def _records(rows, columns, source, tz, report_error):
    for number, cells in enumerate(rows, 2):
        texts = [_text(cell) for cell in cells[: len(columns)]]
        if not any(texts):
            continue
        try:
            row = dict(zip(columns, texts, strict=False))
            if not row.get("accountid") and not row.get("account_number"):
                raise RowError("accountid: empty, so nobody can be billed")
            yield number, call_record(row, source, tz)
        except RowError as error:
            report_error(number, str(error), ",".join(text or "" for text in texts))


def _text(cell):
    """Write a cell as CSV would have it."""
    if cell is None:
        return None
    if isinstance(cell, datetime):
        return cell.strftime("%Y-%m-%d %H:%M:%S")
    if isinstance(cell, float) and cell.is_integer():
        return str(int(cell))
    return str(cell).replace("\0", " ")
