import gzip
import io
import random
import socket
import time
import zipfile
import zlib
from unittest.mock import patch
from urllib.parse import urlsplit

from openpyxl import Workbook

from odoo import http
from odoo.exceptions import AccessError, UserError
from odoo.tests import HttpCase, new_test_user, tagged

from ..connector import file_text, workbook_archive
from ..models.ledger import rejected_lines
from ..models.ledger.astpp_usage_import import RefusedFileError
from .common import COLUMNS
from .import_common import ImportCommon

TEXTS = "xl/sharedStrings.xml"
SHEET = "xl/worksheets/sheet1.xml"
SHARED_TEXTS = (
    b'<Override PartName="/xl/sharedStrings.xml" '
    b'ContentType="application/vnd.openxmlformats-officedocument.spreadsheetml.sharedStrings+xml"/>'
)
NAMESPACE = "http://schemas.openxmlformats.org/spreadsheetml/2006/main"


@tagged("post_install", "-at_install")
class TestUsageImportLimits(ImportCommon):
    """Small files that expand greatly, or that are damaged anywhere, are quickly refused with a reason."""

    def workbook(self, *rows):
        file = io.BytesIO()
        book = Workbook()
        book.active.append(COLUMNS)
        for row in rows:
            book.active.append([row[name] for name in COLUMNS])
        book.save(file)
        return file.getvalue()

    def with_part(self, name, *blocks, content=None):
        """Return a workbook with one of its parts replaced."""
        file = io.BytesIO()
        with (
            zipfile.ZipFile(io.BytesIO(content or self.workbook(self.row(self.customer)))) as source,
            zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as target,
        ):
            for info in source.infolist():
                if info.filename not in (name, TEXTS):
                    # openpyxl writes no shared strings of its own.
                    kinds = b"</Types>"
                    target.writestr(info.filename, source.read(info).replace(kinds, SHARED_TEXTS + kinds))
            if name != TEXTS:
                target.writestr(TEXTS, f'<sst xmlns="{NAMESPACE}"/>')
            with target.open(name, "w") as part:
                for block in blocks:
                    part.write(block.encode() if isinstance(block, str) else block)
        return file.getvalue()

    def sheet(self, *blocks):
        return self.with_part(
            SHEET,
            f'<worksheet xmlns="{NAMESPACE}" xmlns:x="{NAMESPACE}"><sheetData>',
            *blocks,
            "</sheetData></worksheet>",
        )

    def assertRefused(self, content, expected="", name="calls.xlsx"):
        usage_import = self.make_import()
        started = time.monotonic()
        with self.assertRaises(RefusedFileError) as raised:
            usage_import._import_stream(io.BytesIO(content), name)
        self.assertRegex(str(raised.exception), expected)
        self.assertLess(len(str(raised.exception)), 600)
        self.assertLess(time.monotonic() - started, 20)
        self.assertFalse(self.usage())

    def test_workbooks_that_unpack_to_gigabytes(self):
        """Cells, rows, strings and formats without end."""
        cells, rows, texts = "<c/>" * 100_000, "<row/>" * 100_000, "<si><t/></si>" * 100_000
        strings = f'<sst xmlns="{NAMESPACE}">'
        self.assertRefused(self.sheet("<row>", *[cells] * 100, "</row>"), "too large")
        self.assertRefused(self.sheet(*[rows] * 100), "too large")
        with patch.object(workbook_archive, "MAX_RATIO", 10**6):
            self.assertRefused(self.sheet("<row>", *[cells] * 100, "</row>"), "too long")
            self.assertRefused(self.sheet("<x:row>", *[cells] * 100, "</x:row>"), "too long")
            self.assertRefused(self.sheet("<row><c>", *["x" * 1000] * 2000, "</c></row>"), "too long")
            self.assertRefused(self.sheet(*[rows] * 11), "more than 1048576 rows")
            with patch.object(workbook_archive, "MAX_TEXT_COUNT", 150_000):
                self.assertRefused(self.with_part(TEXTS, strings, *[texts] * 2, "</sst>"), "texts")
            self.assertRefused(self.with_part(TEXTS, strings, *["x" * 10**6] * 193, "</sst>"), "too long|texts")
            self.assertRefused(
                self.with_part("xl/styles.xml", "<a>", *["<b/>" * 10**5] * 11, "</a>"), "beside its cells"
            )
            self.assertRefused(
                self.with_part("xl/workbook.xml", "<a>", *["<b/>" * 10**5] * 11, "</a>"), "beside its cells"
            )
        with patch.object(workbook_archive, "MAX_SIZE", 10_000):
            self.assertRefused(self.sheet(*[rows]), "too large")

    def test_rows_and_columns_far_out(self):
        self.assertRefused(self.sheet('<row r="2000000000"><c r="A2000000000"><v>1</v></c></row>'), "last one|missing")
        head = "".join(f'<c t="inlineStr"><is><t>{name}</t></is></c>' for name in COLUMNS)
        self.assertRefused(self.sheet(f"<row>{head}</row>", '<row r="99999999"><c><v>1</v></c></row>'), "last one")
        wide = "".join(f'<c t="inlineStr"><is><t>c{number}</t></is></c>' for number in range(201))
        self.assertRefused(self.sheet(f"<row>{wide}</row>"), "200 columns")
        self.assertRefused(",".join([*COLUMNS, *map(str, range(200))]).encode(), "200", "calls.csv")
        self.assertRefused(self.sheet('<row><c r="XFD1"><v>1</v></c></row>'), "missing|columns")

    def test_workbooks_with_document_types_are_refused(self):
        bomb = '<!DOCTYPE a [<!ENTITY a "aaaaaaaaaa"><!ENTITY b "&a;&a;&a;&a;&a;&a;&a;&a;">]>'
        for name in (SHEET, TEXTS):
            with self.subTest(name):
                self.assertRefused(
                    self.with_part(name, bomb, f'<worksheet xmlns="{NAMESPACE}">&b;</worksheet>'), "damaged"
                )

    def test_workbooks_damaged_anywhere(self):
        """With bytes changed at random, broken XML or missing parts, a file is either imported or refused."""
        content = self.workbook(*(self.row(self.customer) for _row in range(50)))
        chance = random.Random(16)
        outcomes = {"refused": 0, "done": 0}

        def attempt(damaged):
            usage_import = self.make_import()
            try:
                with self.env.cr.savepoint():
                    usage_import._import_stream(io.BytesIO(damaged), "damaged.xlsx")
                outcomes["done"] += 1
            except RefusedFileError:
                outcomes["refused"] += 1

        for _time in range(60):
            damaged = bytearray(content)
            for _byte in range(chance.choice((1, 1, 4, 40))):
                damaged[chance.randrange(len(damaged))] = chance.randrange(256)
            attempt(bytes(damaged))
        with zipfile.ZipFile(io.BytesIO(content)) as archive:
            parts = {name: archive.read(name) for name in archive.namelist()}
        for name, part in parts.items():
            for broken in (
                part[: len(part) // 2],
                part.replace(b"<", b"<<", 3),
                b"",
                b"<a/>",
                part.replace(b'"', b"", 1),
            ):
                attempt(self.with_part(name, broken, content=content))
        self.assertGreater(outcomes["refused"], 50)

    def test_cells_that_no_date_fits(self):
        """Rows with dates out of range are rejected, the others imported."""
        row = self.row(self.customer)
        for form in ("yyyy-mm-dd hh:mm:ss", "[h]:mm:ss", "hh:mm"):
            for value in (1e300, -1e300, 99_999_999_999, -99_999_999, -1, 2_958_466, 0, 1e10, 1e308):
                with self.subTest(form=form, value=value):
                    book = Workbook()
                    book.active.append(COLUMNS)
                    for callstart in (row["callstart"], value):
                        book.active.append([{**row, "callstart": callstart}[name] for name in COLUMNS])
                    book.active.cell(3, COLUMNS.index("callstart") + 1).number_format = form
                    file = io.BytesIO()
                    book.save(file)
                    done = self.import_file(file.getvalue(), name="dates.xlsx")
                    self.assertEqual((done.line_count, done.rejected_count), (2, 1))

    def packed(self, block, times):
        """Return a gzip file of a block repeated many times."""
        packer = zlib.compressobj(9, zlib.DEFLATED, 31)
        return b"".join([*(packer.compress(block) for _time in range(times)), packer.flush()])

    def test_compressed_zeros_end_soon(self):
        self.assertRefused(self.packed(bytes(1 << 20), 2048), "no text", "zeros.csv.gz")

    def test_compressed_lines_without_end(self):
        """What compresses a thousandfold is no file of calls, whatever its first line says."""
        head = (",".join(COLUMNS) + "\n").encode()
        for block in (b"x\n" * (1 << 19), bytes(1 << 20), b"a" * (1 << 20)):
            content = gzip.compress(head) + self.packed(block, 200)
            self.assertRefused(content, "more than any file of calls", "lines.csv.gz")
        with patch.object(file_text, "MAX_UNPACKED", 1 << 20):
            content = gzip.compress(head + random.Random(1).randbytes(2 << 20).hex().encode())
            self.assertRefused(content, "more than any file of calls", "lines.csv.gz")

    def test_rejects_are_listed_up_to_a_number(self):
        self.patch(rejected_lines, "MAX_REJECTS", 5)
        done = self.import_file(self.csv_file(self.row(self.customer), *["x" * 60_000] * 20))
        self.assertEqual((done.added_count, done.rejected_count), (1, 20))
        text = self.rejects(done)
        self.assertLess(len(text), 10_000)
        self.assertIn("15 more lines", text)

    def test_bad_rows_of_files_are_rejected_alone(self):
        row = self.row(self.customer)
        bad = (
            *(
                {"callednum": "4" * 256},
                {"notes": "x" * 3000},
                {"callstart": "2099-01-01 00:00:00"},
                {"debit": "1e300"},
            ),
            *({"debit": "NaN"}, {"cost": "Infinity"}, {"debit": "0e999999999"}, {"billseconds": "9" * 300}),
        )
        done = self.import_file(self.csv_file(row, *({**row, **values} for values in bad)))
        self.assertEqual((done.added_count, done.rejected_count), (1, len(bad)))

    def test_only_into_servers_of_the_own_company(self):
        other = self.env["res.company"].create({"name": "Unrelated operator"})
        user = new_test_user(
            self.env, login="importer_b", groups="base.group_user,account.group_account_invoice",
            company_id=other.id, company_ids=[(6, 0, other.ids)],
        )  # fmt: skip
        with self.assertRaises(UserError):
            usage_import = self.env["astpp.usage.import"].with_user(user).create({"server_id": self.server.id})
            usage_import._import_stream(self.csv_file(self.row(self.customer)), "b.csv")
        mine = self.make_import()
        with self.assertRaises(AccessError):
            mine.with_user(user)._import_stream(self.csv_file(self.row(self.customer)), "b.csv")


@tagged("post_install", "-at_install")
class TestUsageUploadRights(ImportCommon, HttpCase):
    """Users who may not import are refused before their file is read."""

    def post_head(self, usage_import_id, session, length=300 << 20):
        """Send the head of a request without its body; return the status line."""
        url = urlsplit(self.base_url())
        with self.allow_requests():
            lines = [
                f"POST /astpp_billing/usage_import/{usage_import_id} HTTP/1.1",
                f"Host: {url.netloc}",
                f"Cookie: session_id={session}; test_request_key={self.http_request_key}",
                "Content-Type: multipart/form-data; boundary=x",
                f"Content-Length: {length}",
            ]
            with socket.create_connection((url.hostname, url.port), 10) as peer:
                peer.settimeout(15)
                peer.sendall("\r\n".join([*lines, "", ""]).encode())
                return peer.recv(4096).split(b"\r\n")[0].decode()

    def test_refusals_have_a_text_for_any_file(self):
        """The reason for a refusal is kept, however damaged the file or strange its name."""
        user = new_test_user(
            self.env, login="damaged_uploader", groups="base.group_user,account.group_account_invoice",
            company_id=self.env.company.id, company_ids=[(6, 0, self.env.company.ids)],
        )  # fmt: skip
        book, file = Workbook(), io.BytesIO()
        book.active.append(COLUMNS)
        book.active.append([self.row(self.customer)[name] for name in COLUMNS])
        book.save(file)
        with zipfile.ZipFile(file) as archive:
            crc = archive.getinfo(SHEET).CRC.to_bytes(4, "little")
            parts = {name: archive.read(name) for name in archive.namelist()}
        parts[SHEET] = parts[SHEET].replace(b"</row>", b"</cell>", 2)
        broken = io.BytesIO()
        with zipfile.ZipFile(broken, "w") as archive:
            for name, part in parts.items():
                archive.writestr(name, part)
        self.authenticate(user.login, user.login)
        for name, content in (
            ("crc.xlsx", file.getvalue().replace(crc, b"abcd")),
            ("xml.xlsx", broken.getvalue()),
            ("nul.csv", b"callstart,a\0b,\x01\n"),
            ("words.csv", b"callstart,\xc2\x85\xe2\x80\xae,x\n"),
        ):
            with self.subTest(name):
                usage_import = self.make_import()
                body = b"".join(
                    (
                        *(b"--x\r\n", b'Content-Disposition: form-data; name="csrf_token"\r\n\r\n'),
                        http.Request.csrf_token(self).encode() + b"\r\n--x\r\n",
                        b'Content-Disposition: form-data; name="ufile"; filename="',
                        name.encode() + b'"\r\n\r\n' + content + b"\r\n--x--\r\n",
                    )
                )
                response = self.url_open(
                    f"/astpp_billing/usage_import/{usage_import.id}",
                    data=body,
                    headers={"Content-Type": "multipart/form-data; boundary=x"},
                )
                self.assertEqual(response.status_code, 200, response.text[:300])
                self.assertTrue(response.json()["error"])
                usage_import.invalidate_recordset()
                self.assertEqual(usage_import.state, "refused")
        names = self.make_import()
        names._refuse("a\0b\ud800.xlsx", "c\0d\udfff")
        names.flush_recordset()
        self.assertEqual(names.name, "a\ufffdb\ufffd.xlsx")

    def test_rights_before_the_body(self):
        usage_import = self.make_import()
        portal = new_test_user(self.env, login="portal_uploader", groups="base.group_portal")
        clerk = new_test_user(self.env, login="clerk_uploader", groups="base.group_user")
        other = self.env["res.company"].create({"name": "Unrelated operator"})
        stranger = new_test_user(
            self.env, login="stranger_uploader", groups="base.group_user,account.group_account_invoice",
            company_id=other.id, company_ids=[(6, 0, other.ids)],
        )  # fmt: skip
        for user in (portal, clerk, stranger):
            with self.subTest(user.login):
                session = self.authenticate(user.login, user.login)
                self.assertIn(" 403 ", self.post_head(usage_import.id, session.sid))
        mine = new_test_user(
            self.env, login="mine_uploader", groups="base.group_user,account.group_account_invoice",
            company_id=self.env.company.id, company_ids=[(6, 0, self.env.company.ids)],
        )  # fmt: skip
        session = self.authenticate(mine.login, mine.login)
        self.assertIn(" 413 ", self.post_head(usage_import.id, session.sid, 5 << 30))
        self.assertIn(" 404 ", self.post_head("9" * 50, session.sid))
        # Not one of our URLs any more: Odoo looks for a page, within its own limit.
        self.assertRegex(self.post_head("9" * 4000, session.sid), " 4(04|13) ")
