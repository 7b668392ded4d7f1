from datetime import datetime
from decimal import Decimal
from zoneinfo import ZoneInfo

from odoo.tests import BaseCase, tagged

from ..connector.call_record import RowError, call_record
from ..connector.report_clock import report_zone

ROW = {
    "uniqueid": "6f0e1f7a-4f7e-4f3a-9a59-6d1f7f0a1b2c",
    "accountid": "12",
    "callerid": "Jos&eacute; &lt;100&gt;",
    "callednum": "442012345678",
    "billseconds": "125",
    "callstart": "2024-03-31 23:58:30",
    "debit": "0.300000",
    "cost": "0.240000",
    "pattern": "^44.*",
    "notes": "Ivory Coast &amp; C&ocirc;te d&#039;Ivoire",
    "rate_cost": "0.1",
    "call_direction": "outbound",
    "calltype": "STANDARD",
}


@tagged("post_install", "-at_install")
class TestCallRecord(BaseCase):
    def record(self, **values):
        return call_record(ROW | values, "cdr")

    def assertRejected(self, column, **values):
        with self.assertRaises(RowError) as raised:
            self.record(**values)
        self.assertTrue(str(raised.exception).startswith(f"{column}:"), raised.exception)

    def test_worked_example(self):
        """The example call of ASTPP facts 2.5."""
        record = self.record()
        self.assertEqual(record.account_astpp_id, 12)
        self.assertEqual(record.date, datetime(2024, 3, 31, 23, 58, 30))
        self.assertEqual((record.charge_type, record.direction, record.duration), ("standard", "outbound", 125))
        self.assertEqual((record.rated_amount, record.amount, record.cost), (Decimal("0.3"),) * 2 + (Decimal("0.24"),))
        self.assertEqual(record.pattern, "44")
        self.assertEqual(record.destination, "Ivory Coast & Côte d'Ivoire")
        self.assertEqual(record.caller, "José <100>")
        self.assertIsNone(record.exception)

    def test_free_call_is_worth_nothing(self):
        record = self.record(calltype="FREE")
        self.assertEqual((record.rated_amount, record.amount), (Decimal("0.3"), 0))

    def test_blank_type(self):
        """Direct-IP DID calls are stored without a type (ASTPP facts 2.4)."""
        record = self.record(calltype="", uniqueid=ROW["uniqueid"] + "DID@IP_12", call_direction="inbound")
        self.assertEqual((record.charge_type, record.direction, record.exception), ("did", "inbound", None))
        self.assertEqual(self.record(calltype="", call_direction="inbound").charge_type, "did")
        for calltype in ("", "TELEX"):
            record = self.record(calltype=calltype)
            self.assertEqual((record.charge_type, record.exception), ("unknown", "blank_type"))

    def test_call_without_an_account(self):
        """accountid may be NULL or 0: the call is kept, as one of an unknown account."""
        self.assertEqual(self.record(accountid=None).account_astpp_id, 0)

    def test_thousands_comma(self):
        """ASTPP wrote 1234.50 as 1,234.50, which was stored as 1 (ASTPP facts 2.4)."""
        self.assertEqual(self.record(rate_cost="20", billseconds="3720", debit="1").exception, "suspect_rating")
        self.assertIsNone(self.record(rate_cost="20", billseconds="60", debit="20").exception)

    def test_suspects(self):
        self.assertEqual(self.record(billseconds="32767").exception, "clamped")
        self.assertEqual(self.record(billseconds="0").exception, "suspect_rating")
        self.assertEqual(self.record(debit="-1").exception, "suspect_rating")
        self.assertIsNone(self.record(billseconds="0", debit="0").exception)

    def test_identity(self):
        same = self.record(debit="0.3", notes="renamed")
        self.assertEqual(same.row_key, self.record().row_key)
        for changed in ({"accountid": "13"}, {"billseconds": "126"}, {"debit": "0.31"}, {"callednum": "1"}):
            self.assertNotEqual(self.record(**changed).row_key, same.row_key)

    def test_times(self):
        record = call_record(ROW, "import", ZoneInfo("Asia/Kolkata"))
        self.assertEqual(record.date, datetime(2024, 3, 31, 18, 28, 30))
        self.assertEqual(self.record(callstart="2024-03-31T23:58:30+02:00").date, datetime(2024, 3, 31, 21, 58, 30))
        self.assertEqual(self.record(billseconds="2:05").duration, 125)
        self.assertEqual(self.record(billseconds="1:02:05").duration, 3725)

    def test_durations(self):
        """ASTPP writes minutes:seconds; whole minutes that look like hours were changed by a spreadsheet."""
        for text, seconds in {"0": 0, "00:00": 0, "61:05": 3665, "0:00:00": 0, "0:01:05": 65, "1:02:05": 3725}.items():
            self.assertEqual(self.record(billseconds=text).duration, seconds, text)
        for text in ("1:00:00", "0:01:00", "61:05:00", "1:75:05", "1:60", "1:5", "60.5", "0.0416666"):
            self.assertRejected("billseconds", billseconds=text)

    def test_clocks_that_change(self):
        """In local time only: a time that occurs twice or never is reported, not guessed."""
        berlin = ZoneInfo("Europe/Berlin")
        for text, reason in (("2024-10-27 02:30:00", "twice"), ("2024-03-31 02:30:00", "does not exist")):
            with self.assertRaisesRegex(RowError, reason):
                call_record(ROW | {"callstart": text}, "import", berlin)
        for text, hour in (("2024-10-27 01:59:59", 23), ("2024-10-27 03:00:00", 2), ("2024-10-27 02:30:00+01:00", 1)):
            self.assertEqual(call_record(ROW | {"callstart": text}, "import", berlin).date.hour, hour)
        fixed = report_zone("Europe/Berlin", "fixed")
        self.assertEqual(call_record(ROW | {"callstart": "2024-03-31 02:30:00"}, "import", fixed).date.hour, 1)

    def test_report_account(self):
        record = call_record(ROW | {"account_number": "Jane Doe (1234567890)"}, "import")
        self.assertEqual((record.account_astpp_id, record.account_number), (None, "1234567890"))

    def test_rejects(self):
        self.assertRejected("accountid", accountid="")
        self.assertRejected("accountid", accountid="NULL")
        self.assertRejected("callstart", callstart="0000-00-00 00:00:00")
        self.assertRejected("callstart", callstart="1000-01-01 00:00:00")
        self.assertRejected("callstart", callstart="2024-03-31")
        self.assertRejected("billseconds", billseconds="-1")
        self.assertRejected("billseconds", billseconds="9" * 5000)
        self.assertRejected("debit", debit="1,234.50")
        self.assertRejected("debit", debit="NaN")
        self.assertRejected("debit", debit="1e-999999")
        self.assertRejected("debit", debit="1e99")
        self.assertRejected("debit", debit="1_000")
        self.assertRejected("debit", debit="१")
        self.assertRejected("callednum", callednum="4.42012E+11")
        self.assertRejected("account", account_number="9" * 101)
        self.assertRejected("call_direction", call_direction="sideways")
