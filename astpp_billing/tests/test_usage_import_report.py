import io
from datetime import datetime, time, timedelta

from openpyxl import Workbook

from odoo.exceptions import UserError
from odoo.tests import freeze_time, tagged

from .import_common import REPORT, ImportCommon


@tagged("post_install", "-at_install")
class TestUsageImportReport(ImportCommon):
    """CDR reports in people's currency, language and time, some of them changed by a spreadsheet."""

    def dates(self):
        return [str(date) for date in self.usage().mapped("date")]

    # Amounts

    def test_currency_of_the_heading(self):
        done = self.import_file("report.csv")
        self.assertEqual((done.state, done.added_count), ("done", 2))
        refused = self.import_file("report_in_euro.csv")
        self.assertEqual(refused.state, "refused")
        for text in ("EUR", "USD", "table cdrs"):
            self.assertIn(text, refused.refusal)
        self.assertEqual(len(self.usage()), 2, "no line of it is loaded")
        done.action_undo()
        self.server.currency_id = self.env.ref("base.EUR")
        done = self.import_file("report_in_euro.csv")
        self.assertEqual((done.state, self.usage()[-1].currency_id.name), ("done", "EUR"))

    def test_currency_wherever_it_stands(self):
        for heading in (
            REPORT.replace("Debit(USD)", "Débito (EUR)"),
            REPORT.replace("Debit(USD)", "debit [eur]"),
            REPORT.replace("Debit(USD)", "Debit(€)"),
            REPORT.replace("Debit(USD)", "Debit").replace("Direction", "Cost(EUR)"),
        ):
            line = self.report_line().replace("outbound", "0.05" if "Cost" in heading else "outbound")
            self.assertEqual(self.import_file(self.report(line, heading=heading)).state, "refused", heading)
        for heading in (REPORT.replace("Debit(USD)", "Debit ( usd )"), REPORT.replace("Debit(USD)", "Debit()")):
            self.assertEqual(self.import_file(self.report(self.report_line(), heading=heading)).state, "done", heading)
        self.assertEqual(len(self.usage()), 1)

    def test_currency_of_a_workbook(self):
        book = Workbook()
        book.active.append(["Date", "Account", "Called Number", "Duration", "Debit(EUR)"])
        book.active.append(["2024-01-15 12:00:00", "A00001", "442012345678", 60, 92])
        self.assertEqual(self.import_file(self.saved(book)).state, "refused")
        self.assertFalse(self.usage())

    def test_two_columns_for_one_thing(self):
        self.import_file("report_duration_and_billsec.csv")
        self.assertEqual(self.usage().duration, 60, "ringing is not billed")
        for headings in (
            "Date,Account,Called Number,Duration,Debit,Debit",
            "Date,Account,Called Number,Duration,Debit(USD),Debit(EUR)",
            "Date,Account,Called Number,Billsec,Bill Seconds,Debit",
            "Date,Account,Account Number,Called Number,Duration,Debit",
            "callstart,accountid,callednum,billseconds,debit,debit",
        ):
            with self.assertRaisesRegex(UserError, "several columns say the same"):
                self.import_file(self.report("x,x,x,x,x,x", heading=headings))
        with self.assertRaisesRegex(UserError, "Debit / Debit"):
            self.import_file("report_two_debits.csv")
        self.assertEqual(len(self.usage()), 1)

    # What spreadsheets do to files

    def saved(self, book):
        file = io.BytesIO()
        book.save(file)
        file.seek(0)
        return file

    def test_minutes_that_became_hours(self):
        done = self.import_file("report_resaved.xlsx")
        self.assertEqual(self.usage().duration, 65, "0:01:05 can be nothing else")
        self.assertEqual(done.rejected_count, 2)
        self.assertIn("a spreadsheet took for hours", self.rejects(done))

    def test_time_cells(self):
        book = Workbook()
        book.active.append(["Date", "Account", "Called Number", "Duration", "Debit"])
        for place, (duration, _seconds) in enumerate(
            cells := (
                (65, 65),
                ("1:05", 65),
                (time(0, 1, 5), 65),
                (time(0, 0), 0),
                (time(0, 1, 4, 999_999), 65),
                (timedelta(hours=1, seconds=1), 3601),
                (time(1, 5), None),
                (time(0, 1), None),
                (timedelta(hours=61, minutes=5), None),
                (datetime(1900, 1, 2, 13, 5), None),
                (0.0451388888888889, None),
            )
        ):
            book.active.append([f"2024-01-15 12:00:{place:02d}", "A00001", f"4420{place}", duration, 0.1])
        done = self.import_file(self.saved(book))
        self.assertEqual(self.usage().mapped("duration"), [seconds for _cell, seconds in cells if seconds is not None])
        self.assertEqual(done.rejected_count, 5)

    def test_minutes_resaved_as_text(self):
        """A CSV saved by a spreadsheet also has 1:05:00 for ASTPP's 1:05."""
        lines = [
            self.report_line(f"2024-01-15 12:00:0{place}", duration)
            for place, duration in enumerate(("1:05", "61:05", "1:05:00", "61:05:00", "0:01:05"))
        ]
        done = self.import_file(self.report(*lines))
        self.assertEqual(self.usage().mapped("duration"), [65, 3665, 65])
        self.assertEqual(done.rejected_count, 2)

    def test_shortened_number(self):
        done = self.import_file(self.report(self.report_line(number="4.42012E+11"), self.report_line()))
        self.assertEqual((done.added_count, done.rejected_count), (1, 1))
        self.assertIn("a spreadsheet shortened", self.rejects(done))

    def test_text_of_other_encodings(self):
        """Each file is read in one encoding, which the import reports."""
        line = self.report_line(account="Ñandú Müller (A00001)").replace("Ann", "Zoë")
        report = self.report(line).decode()
        for number, (encoding, label) in enumerate(
            (
                *(("utf-8", "UTF-8"), ("utf-8-sig", "UTF-8"), ("utf-16", "UTF-16"), ("utf-16-le", "UTF-16-LE")),
                *(("utf-16-be", "UTF-16-BE"), ("cp1252", "Windows-1252")),
            )
        ):
            with self.subTest(encoding):
                done = self.import_file(report.replace("12:00:00", f"12:00:0{number}").encode(encoding))
                self.assertEqual((done.added_count, done.rejected_count, done.encoding), (1, 0, label))
                self.assertEqual(self.usage()[-1].caller, "Zoë <100>")
        done = self.import_file("report_utf16.txt")
        self.assertEqual((done.added_count, done.rejected_count), (1, 0))

    # Languages

    def test_translated_headings(self):
        self.assertEqual(self.import_file("report_spanish.csv").added_count, 1)
        for number, headings in enumerate(
            (
                "Rendez-vous amoureux,Identification de l'appelant,Numéro appelé,Durée,Débit(USD),Compte,Type d'appel,Direction",
                "Datum,Anruferidentifikation,Angerufene Nummer,Dauer,Lastschrift(USD),Konto,Anrufart,Richtung",
                "Data,Identificador de chamadas,Número Chamado,Duração,Débito(USD),Conta,Tipo de Chamada,Direção",
                "Data,ID chiamante,Numero chiamato,Durata,Addebito(USD),account,Tipo di chiamata,Direzione",
                "FECHA,Identificador de llamadas,Numero de llamada,Duracion,DEBITO(USD),Cuenta,Tipo de llamada,Direccion",
            )
        ):
            with self.subTest(headings):
                line = self.report_line(f"2024-01-16 12:00:0{number}")
                done = self.import_file(self.report(line, heading=headings))
                self.assertEqual((done.added_count, done.exception_count), (1, 0))
                usage = self.usage()[-1]
                self.assertEqual(
                    (usage.caller, usage.callee, usage.duration, usage.amount, usage.account_id, usage.charge_type),
                    ("Ann <100>", "442012345678", 60, 0.1, self.customer, "standard"),
                )

    # Clocks

    def test_report_in_summer(self):
        """ASTPP ignores daylight saving: its Berlin is an hour ahead of UTC all year (ASTPP facts 1.1)."""
        self.customer.write({"tz": "Europe/Berlin", "billed_until": "2024-05-31 22:00:00"})
        with freeze_time("2024-07-02 10:00:00"):
            self.import_file("report_berlin_summer.csv", tz="Europe/Berlin")
            run = self.bill(self.customer, date="2024-07-01", invoice_date="2024-07-01")
        self.assertEqual(self.dates(), ["2024-06-30 21:30:00", "2024-06-30 22:30:00"])
        self.assertEqual(run.move_ids.amount_untaxed, 1.0)

    def test_local_time_in_summer(self):
        done = self.import_file("report_berlin_summer.csv", tz="Europe/Berlin", clock="local")
        self.assertEqual(self.dates(), ["2024-06-30 20:30:00", "2024-06-30 21:30:00"])
        self.assertEqual(done.clock_text, "UTC+01:00, in summer UTC+02:00")
        for tz, text in (
            ("Europe/Berlin", "UTC+01:00 all year"),
            ("America/St_Johns", "UTC-03:30 all year"),
            ("Australia/Sydney", "UTC+10:00 all year"),
            ("Europe/Dublin", "UTC+00:00 all year"),
            ("UTC", "UTC+00:00 all year"),
        ):
            self.assertEqual(self.make_import(tz=tz).clock_text, text)

    def test_hours_when_clocks_change(self):
        """In local time one hour occurs twice and one never; on ASTPP's clock these are hours like any other."""
        lines = [self.report_line("2024-10-27 02:30:00"), self.report_line("2024-03-31 02:30:00")]
        done = self.import_file(self.report(*lines), tz="Europe/Berlin", clock="local")
        self.assertEqual((done.added_count, done.rejected_count), (0, 2))
        self.assertIn("comes twice", self.rejects(done))
        self.assertIn("does not exist", self.rejects(done))
        self.import_file(self.report(*lines, self.report_line("2024-10-27 02:30:00+02:00")), tz="Europe/Berlin")
        self.assertEqual(self.dates(), ["2024-03-31 01:30:00", "2024-10-27 00:30:00", "2024-10-27 01:30:00"])

    def test_tables_are_utc(self):
        self.import_file(self.csv_file(self.row(self.customer)), tz="Europe/Berlin", clock="local")
        self.assertEqual(self.dates(), ["2024-01-15 12:00:00"])

    # Calls that the ledger has already

    def test_same_report_with_another_zone(self):
        self.import_file("report.csv", tz="UTC")
        again = self.import_file("report.csv", tz="Europe/Berlin")
        self.assertEqual((again.added_count, again.exception_count), (2, 2))
        self.assertEqual(self.usage().mapped("exception"), [False, False, "duplicate", "duplicate"])
        self.assertEqual(self.bill(self.customer).move_ids.amount_untaxed, 6.21)
        third = self.import_file("report.csv", tz="Asia/Kolkata")
        self.assertEqual((third.added_count, third.exception_count), (2, 2))

    def test_same_report_with_another_clock(self):
        """In winter the two clocks agree, in summer they are an hour apart."""
        lines = [self.report_line("2024-01-15 12:00:00"), self.report_line("2024-07-15 12:00:00")]
        self.import_file(self.report(*lines), tz="Europe/Berlin", clock="local")
        again = self.import_file(self.report(*lines), tz="Europe/Berlin", clock="fixed")
        self.assertEqual((again.known_count, again.added_count, again.exception_count), (1, 1, 1))

    def test_same_report_of_an_unknown_account(self):
        line = self.report_line(account="New (N1)")
        self.import_file(self.report(line))
        self.import_file(self.report(line), tz="Europe/Berlin")
        self.make_account("New", number="N1")
        self.assertEqual(self.usage().mapped("exception"), [False, "duplicate"])

    def test_calls_an_hour_apart(self):
        """A customer who calls one number every hour, to the second, is billed for each call."""
        lines = [self.report_line(f"2024-01-15 {hour}:00:00") for hour in range(10, 15)]
        done = self.import_file(self.report(*lines), tz="Europe/Berlin")
        self.assertEqual((done.added_count, done.exception_count), (5, 0))
        more = self.report(*[self.report_line(f"2024-01-15 {hour}:00:00") for hour in range(10, 18)])
        done = self.import_file(more, tz="Europe/Berlin")
        self.assertEqual((done.known_count, done.added_count, done.exception_count), (5, 3, 0))

    def test_report_of_calls_from_a_table(self):
        """If the server's tables are synchronised as well, the report repeats their calls."""
        row = self.row(self.customer)
        self.load(row, self.row(self.customer, callstart="2024-01-15 12:00:01"), self.row(self.customer, callednum="1"))
        done = self.import_file(self.report(self.report_line(), self.report_line("2024-01-15 12:00:02")))
        self.assertEqual((done.added_count, done.exception_count), (2, 1))
        held = self.usage().filtered("exception")
        self.assertEqual((held.source, str(held.date), held.exception), ("import", "2024-01-15 12:00:00", "duplicate"))

    def test_report_without_numbers(self):
        self.load(self.row(self.customer))
        report = b"Date,Account,Duration,Debit\n2024-01-15 12:00:00,A00001,01:00,0.1\n"
        self.assertEqual(self.import_file(report).exception_count, 1)

    def test_tables_calls_after_their_report(self):
        self.import_file(self.report(self.report_line()))
        for source in ("cdr", "api"):
            self.load(self.row(self.customer), self.row(self.customer, callednum="1"), source=source)
            usage = self.usage().filtered(lambda usage, source=source: usage.source == source)
            self.assertEqual(usage.mapped("exception"), ["duplicate", False])

    def test_resellers_calls_are_separate(self):
        """A call is both in the customer's report and in the reseller's."""
        self.load(self.row(self.reseller_customer))
        self.load(self.row(self.reseller), source="reseller_cdr")
        lines = [self.report_line(account=f"X ({account.number})") for account in (self.reseller, self.customer)]
        done = self.import_file(self.report(*lines))
        self.assertEqual((done.added_count, done.exception_count), (2, 1))

    def test_report_of_hours_that_were_synchronised(self):
        """The synchronisation has all calls of the hours it has read, whatever time zone is given for the report."""
        self.env["astpp.sync.slice"].create(
            {"server_id": self.server.id, "source": "cdr", "start": "2024-01-15 12:00:00", "row_count": 1}
        )
        lines = [self.report_line(f"2024-01-15 {at}") for at in ("11:59:59", "12:00:00", "12:59:59", "13:00:00")]
        done = self.import_file(self.report(*lines))
        self.assertEqual((done.added_count, done.exception_count), (4, 2))
        self.assertEqual(self.usage().mapped("exception"), [False, "duplicate", "duplicate", False])

    def test_line_of_a_report_that_changed(self):
        """A report has no call IDs: its lines are identified by account, time, number and duration."""
        self.import_file(self.report(self.report_line()))
        done = self.import_file(self.report(self.report_line(debit="0.2"), self.report_line(number="1")))
        self.assertEqual((done.added_count, done.exception_count), (2, 1))
        self.assertIn("changed", self.usage().mapped("exception"))
        at = "2024-01-16 12:00:00"
        done = self.import_file(self.report(self.report_line(at), self.report_line(at, debit="0.2")))
        self.assertEqual((done.added_count, done.exception_count), (2, 1), "within one file as well")
        done = self.import_file(self.report(self.report_line(at, "02:00"), self.report_line(at, number="2")))
        self.assertFalse(done.exception_count, "these are other calls")
