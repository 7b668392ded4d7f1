import gzip
import io
from datetime import UTC

from odoo.tests import BaseCase, tagged

from ..connector.call_csv import FileError, read_calls
from ..connector.call_headings import headings_of

HEAD = "uniqueid,accountid,callednum,billseconds,callstart,debit,call_direction,calltype"
LINE = "u{n},12,4420{n},60,2024-01-15 12:00:0{n},0.1,outbound,STANDARD"


def lines(count):
    return [LINE.format(n=n) for n in range(count)]


@tagged("post_install", "-at_install")
class TestCallCsv(BaseCase):
    def parse(self, text, encoding="utf-8", tz=UTC):
        raw = text if isinstance(text, bytes) else text.encode(encoding)
        self.errors = []
        return list(read_calls(io.BytesIO(raw), tz, lambda *error: self.errors.append(error)))

    def test_delimiters_bom_and_gzip(self):
        text = "\n".join([HEAD, *lines(2)])
        for variant in (
            text.encode(),
            text.replace(",", ";").encode(),
            text.replace(",", "\t").encode(),
            text.replace("\n", "\r\n").encode(),
            b"\xef\xbb\xbf" + text.encode(),
            gzip.compress(text.encode()),
        ):
            records = self.parse(variant)
            self.assertEqual([line for line, _record in records], [2, 3])
            self.assertEqual(records[1][1].callee, "44201")
            self.assertFalse(self.errors)

    def test_report(self):
        """The columns of ASTPP's CDR report for customers."""
        text = (
            "Date,Caller ID,Called Number,Code,Destination,Duration,Debit(USD),Cost(USD),Disposition,Account,Call Type\n"
            "2024-01-15 12:00:00,Jane <100>,442012,44,United Kingdom,01:05,0.2000,0.1,NORMAL_CLEARING [16],"
            "Jane Doe (A1),STANDARD\n"
        )
        [(_line, record)] = self.parse(text)
        self.assertEqual((record.source, record.account_number, record.duration), ("import", "A1", 65))

    def test_tables(self):
        cdrs, reseller = HEAD + ",sip_user,type\n", HEAD + ",reseller_code\n"
        self.assertEqual(self.parse(cdrs + LINE.format(n=1) + ",1,0")[0][1].source, "cdr")
        self.assertEqual(self.parse(reseller + LINE.format(n=1) + ",44")[0][1].source, "reseller_cdr")

    def test_bad_lines_do_not_affect_others(self):
        good = lines(4)
        text = "\n".join(
            [HEAD, good[0], "rubbish", good[1].replace("u1", '"u1'), good[2], good[2].replace("60", "x"), "", good[3]]
        )
        records = self.parse(text)
        self.assertEqual([line for line, _record in records], [2, 5, 8])
        self.assertEqual([error[0] for error in self.errors], [3, 4, 6])
        self.assertIn("quoted", self.errors[1][1])
        self.assertIn("billseconds", self.errors[2][1])

    def test_quoted_line_break(self):
        text = "\n".join([HEAD, LINE.format(n=1).replace("44201", '"44\n201"'), LINE.format(n=2)])
        self.assertEqual([line for line, _record in self.parse(text)], [2, 4])
        self.assertFalse(self.errors)

    def test_undecodable_bytes(self):
        raw = "\n".join([HEAD, *lines(3)]).encode().replace(b"44201", b"44\xff01").replace(b"44202", b"44\x0002")
        self.assertEqual([line for line, _record in self.parse(raw)], [2])
        self.assertEqual([error[0] for error in self.errors], [3, 4])

    def test_encodings(self):
        """A file has one encoding; the same calls are read from any."""
        text = "\n".join([HEAD + ",notes", *(f"{line},Österreich–Côte" for line in lines(3))])
        for encoding in ("utf-8", "utf-8-sig", "utf-16", "utf-16-le", "utf-16-be", "cp1252"):
            for pack in (bytes, gzip.compress):
                records = self.parse(pack(text.encode(encoding)))
                self.assertFalse(self.errors, encoding)
                self.assertEqual([record.destination for _line, record in records], ["Österreich–Côte"] * 3, encoding)
        big_endian = b"\xfe\xff" + text.encode("utf-16-be")
        self.assertEqual(len(self.parse(big_endian)), 3)

    def test_encoding_beyond_the_first_block(self):
        """A single letter at its end can decide the encoding of a long file."""
        many = [LINE.format(n=n % 10) for n in range(30_000)]
        text = "\n".join([HEAD, *many, LINE.format(n=1).replace("u1", "ü")])
        for encoding in ("utf-8", "cp1252"):
            self.assertEqual(self.parse(text.encode(encoding))[-1][1].uniqueid, "ü")
            self.assertFalse(self.errors)

    def test_damaged_text(self):
        """A byte that does not fit the encoding rejects its line; a file that fits no encoding is refused."""
        text = "\n".join([HEAD, *lines(3)]).replace("u0", "ü0").encode().replace(b"u1", b"\xfc1")
        self.assertEqual([line for line, _record in self.parse(text)], [2, 4])
        self.assertIn("not UTF-8", self.errors[0][1])
        for text, reason in (
            ("\n".join([HEAD, *lines(3)]).encode().replace(b"u1", b"\x811"), "neither UTF-8 nor Windows-1252"),
            ("\n".join([HEAD, *lines(3)]).encode("utf-16")[:-1], "damaged UTF-16"),
            (HEAD.encode("utf-32"), "no text"),
            (bytes(5000), "no text"),
            (b"\x1f\x8b" + bytes(50), "damaged"),
        ):
            with self.assertRaisesRegex(FileError, reason):
                self.parse(text)

    def test_headings(self):
        headings = headings_of(["Date", "Duration", "Debit(EUR)", "Cost (usd)", "Account", "Rate(XXX)", "Rate(XXX)"])
        self.assertEqual(headings.columns[:5], ["callstart", "billseconds", "debit", "cost", "account_number"])
        self.assertEqual((headings.source, headings.currencies), ("import", {"EUR", "usd"}))
        with self.assertRaisesRegex(FileError, "several columns say the same: Account / Account Number"):
            headings_of(["Date", "Duration", "Debit", "Account", "Account Number"])
        # The names of a table's columns decide; columns that are not used may appear twice.
        headings = headings_of(["callstart", "accountid", "billseconds", "duration", "debit", "", "", "notes"])
        self.assertEqual((headings.source, headings.columns.count("billseconds")), ("cdr", 1))

    def test_accepting_headings(self):
        """The caller may refuse a file by its headings before a line is read."""

        def accept(headings):
            self.assertEqual((headings.source, headings.encoding), ("cdr", "utf-8-sig"))
            raise FileError("not this one")

        text = "\n".join([HEAD, "no line"]).encode()
        with self.assertRaisesRegex(FileError, "not this one"):
            read_calls(io.BytesIO(text), UTC, self.fail, accept)

    def test_files_without_calls_are_refused(self):
        for text, reason in (
            (b"", "empty"),
            (b"a,b\n1,2\n", "accountid"),
            (gzip.compress(HEAD.encode())[:-12], "damaged"),
        ):
            with self.assertRaisesRegex(FileError, reason):
                self.parse(text)
