import time
from datetime import timedelta
from unittest.mock import patch

from odoo.tests import tagged

from ..connector.calls import read_calls, read_hours
from ..connector.database import FETCH
from .sync_common import SyncCommon

CALLS = "odoo.addons.astpp_billing.models.sync.astpp_server_calls"


@tagged("post_install", "-at_install")
class TestSyncMeanwhile(SyncCommon):
    """What others change while calls are read ahead and loaded."""

    def while_a_piece_is_loaded(self, event, ahead=32):
        """Synchronise hour by hour, and run an action while the first hour is loaded."""
        server, sync_piece, happened = type(self.server), type(self.server)._sync_piece, []

        def busy(this, run, source, piece, chunks):
            if not happened:
                # Wait until the next hour is read.
                time.sleep(0.5)
                happened.append(event())
                self.env.flush_all()
            return sync_piece(this, run, source, piece, chunks)

        with patch.object(server, "_sync_piece", busy), patch(f"{CALLS}.PIECE", 1), patch(f"{CALLS}.AHEAD", ahead):
            self.sync()
        self.env.invalidate_all()

    def test_read_ahead_follows_account_change(self):
        """The customer of an account's terms is corrected while its calls are read and loaded."""
        for hour in range(6):
            self.call(at=self.day - timedelta(hours=hour))
        self.mariadb.execute("UPDATE cdrs SET billseconds = -5 WHERE uniqueid IN ('call-1', 'call-4')")
        # More rows than the driver fetches at once, so that the connection is left in the middle of a result.
        cross = ", ".join(f"accounts a{n}" for n in range(5))
        self.mariadb.execute(f"""
            INSERT INTO cdrs (uniqueid, accountid, callerid, callednum, billseconds, callstart, debit, cost, pattern,
                              notes, call_direction, calltype, translated_dst, provider_call_cost)
            SELECT UUID(), 12, '', '', 1,
                   '{self.day - timedelta(hours=4)}' + INTERVAL FLOOR(RAND() * 3500) SECOND, 0.01, 0, '', '', 'outbound', 'STANDARD', '', 0
              FROM {cross}
        """)
        other = self.env["res.partner"].create({"name": "Other"})
        self.while_a_piece_is_loaded(lambda: self.account(12).term_ids.write({"partner_id": other.id}), ahead=1)
        [(count,)] = self.mariadb.execute("SELECT COUNT(*) FROM cdrs WHERE billseconds > 0")
        self.assertGreater(count, FETCH)
        self.assertEqual(len(self.usage()), count)
        self.assertEqual(self.usage().partner_id, other)
        self.assertEqual(self.step("cdr").message.count("billseconds: '-5'"), 2, "rows read twice are told once")

    def test_account_created_while_its_calls_are_loaded(self):
        for hour in range(3):
            self.call(account=77, at=self.day - timedelta(hours=hour))
        values = {"server_id": self.server.id, "number": "C77", "astpp_id": 77, "tz": "UTC"}
        partner = self.env["res.partner"].create({"name": "Late"})
        self.while_a_piece_is_loaded(
            lambda: self.env["astpp.account"].create({**values, "partner_id": partner.id}),
        )
        self.assertEqual(self.usage().mapped("exception"), [False] * 3)
        self.assertEqual(self.usage().partner_id, partner)

    def test_calls_imported_meanwhile(self):
        """If a file with the next hour is imported meanwhile, its calls are looked up rather than copied again."""
        for hour in range(3):
            self.call(at=self.day - timedelta(hours=hour))
        slices = []

        def bring():
            with self.server._open() as database:
                [(_source, slices[:])] = read_hours(database, "2020-01-01", "2100-01-01", ["cdr"])
                records = list(read_calls(database, "cdr", slices[-1:], self.fail))
            self.env["astpp.usage"]._load_calls(self.server, iter(records))

        self.while_a_piece_is_loaded(bring)
        self.assertEqual(len(self.usage()), 3)

    def test_calls_that_came_by_api_as_well(self):
        """If a server's calls arrive both ways, equal ones are billed once."""
        first, second = self.call(), self.call(at=self.day - timedelta(hours=3))
        fields_sent = (
            "uniqueid",
            "accountid",
            "callednum",
            "billseconds",
            "debit",
            "cost",
            "calltype",
            "call_direction",
        )

        def push(row):
            sent = {name: str(row[name]) for name in fields_sent} | {"callstart": str(row["callstart"])}
            return self.env["astpp.usage"].ingest([sent], server=self.server.name)

        push(first)
        self.sync()
        self.assertEqual(self.usage(("source", "=", "api")).mapped("exception"), [False])
        self.assertEqual(
            sorted(map(str, self.usage(("source", "=", "cdr")).mapped("exception"))), ["False", "duplicate"]
        )
        push(second)
        self.assertEqual(self.usage(("source", "=", "api")).mapped("exception"), [False, "duplicate"])
