import csv
import io

from odoo.tests import BaseCase, tagged

from ..csv_file import CHUNK, FORMULA, CsvWriter, csv_chunks, harmless


@tagged("post_install", "-at_install")
class TestCsvFile(BaseCase):
    """CSV files that spreadsheets open safely."""

    def test_texts_are_not_read_as_formulas(self):
        for mark in FORMULA:
            self.assertEqual(harmless(f"{mark}SUM(A1)"), f"'{mark}SUM(A1)")
        for value in ("", "Alice", "1-2", -1.5, 7, None):
            self.assertEqual(harmless(value), value)

    def test_row_by_row(self):
        file = io.StringIO()
        writer = CsvWriter(file, ["Line", "=Reason"])
        writer.add([1, "+49"])
        writer.add([None, -2.5])
        rows = list(csv.reader(io.StringIO(file.getvalue())))
        self.assertEqual(rows, [["Line", "'=Reason"], ["1", "'+49"], ["", "-2.5"]])

    def test_piece_by_piece(self):
        chunks = list(csv_chunks(["Zahl", "Größe"], ((number, "ä") for number in range(2 * CHUNK + 1))))
        self.assertEqual(len(chunks), 4)
        self.assertEqual(chunks[0], b"\xef\xbb\xbf")
        rows = list(csv.reader(io.StringIO(b"".join(chunks).decode("utf-8-sig"))))
        self.assertEqual((rows[0], len(rows)), (["Zahl", "Größe"], 2 * CHUNK + 2))
        self.assertEqual(rows[-1], [str(2 * CHUNK), "ä"])

    def test_no_rows(self):
        self.assertEqual(b"".join(csv_chunks(["A", "B"], [])), b"\xef\xbb\xbfA,B\r\n")
