import gzip
import io
from datetime import UTC

from odoo.tests import BaseCase, tagged

from ..connector.call_csv import FileError, read_calls

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
        """The columns of ASTPP's customer CDR report."""
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

    def test_bad_lines_cost_nothing_else(self):
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

    def test_bytes_that_are_no_text(self):
        raw = "\n".join([HEAD, *lines(3)]).encode().replace(b"44201", b"44\xff01").replace(b"44202", b"44\x0002")
        self.assertEqual([line for line, _record in self.parse(raw)], [2])
        self.assertEqual([error[0] for error in self.errors], [3, 4])

    def test_no_file_of_calls(self):
        for text, reason in (
            (b"", "empty"),
            (b"a,b\n1,2\n", "accountid"),
            (gzip.compress(HEAD.encode())[:-12], "damaged"),
        ):
            with self.assertRaisesRegex(FileError, reason):
                self.parse(text)
