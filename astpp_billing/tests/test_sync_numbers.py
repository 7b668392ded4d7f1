from datetime import timedelta

from psycopg2.errors import UniqueViolation

from odoo.tests import tagged
from odoo.tools import mute_logger

from .mariadb import READER
from .sync_common import SyncCommon


@tagged("post_install", "-at_install")
class TestSyncNumbers(SyncCommon):
    """Accounts created in Odoo, by users or by resellers on the portal, before ASTPP reports them."""

    def test_account_created_in_odoo_first(self):
        """ASTPP's account is matched; a reseller who claimed its number first does not keep it."""
        claimer = self.make_account("Claimer", account_type="reseller", server_id=self.server.id)
        made = self.make_account(
            "Carla", server_id=self.server.id, number="C12", astpp_id=0, parent_id=claimer.id,
        )  # fmt: skip
        self.sync()
        self.assertEqual(self.account(12), made)
        self.assertEqual(made.parent_id, self.account(7))
        self.assertEqual((made.cycle_unit, made.status), ("month", "active"))
        self.sync()
        self.assertEqual(self.account(12), made)

    def claim(self, reseller, number, name="Mallory", email="mallory@example.com"):
        partner = self.env["res.partner"].create({"name": name, "email": email})
        return self.env["astpp.account"].sudo()._claim_number(reseller, number, partner)

    def connect_later(self):
        """Set up resellers that are known while the server is not synchronised yet."""
        host, self.server.host = self.server.host, False
        resellers = [self.make_account(name, account_type="reseller", server_id=self.server.id, number=number,
                                       astpp_id=key) for name, number, key in (("Upper", "R5", 5), ("Lower", "R7", 7))]  # fmt: skip
        resellers[1].parent_id = resellers[0]
        return host, *resellers

    def test_a_claim_holds_once_astpp_confirms_it(self):
        host, upper, lower = self.connect_later()
        mine = self.claim(lower, "C12", "Carla", "carla@example.com")
        self.assertEqual(mine.number, "C12")
        self.server.write({"host": host, "password": READER[1]})
        self.sync()
        self.assertEqual(self.account(12), mine)
        self.assertEqual((mine.parent_id, mine.status, mine.number), (lower, "active", "C12"))
        self.assertNotEqual(self.account(13).partner_id, mine.partner_id, "same name and e-mail, not below him")
        self.assertFalse(self.server._alerts("claim"))
        self.assertFalse(upper.child_ids - lower)

    def test_a_claim_fails_if_astpp_has_the_number_elsewhere(self):
        """Calls and invoices go to the customer whom ASTPP means, not to whoever claimed the number first."""
        host, upper, _lower = self.connect_later()
        # One with the victim's name and e-mail address, and one without a reseller above.
        squatted = [
            self.claim(upper, "C12", "Carla", "carla@example.com"),
            self.claim(upper, "C13", "Carla", "carla@example.com"),
        ]
        self.assertEqual([each.number for each in squatted], ["C12", "C13"])
        row = self.row(None, accountid="", account_number="C12", callstart=str(self.day), debit="7")
        self.env["astpp.usage"].sudo()._load_calls(self.server, [(2, self.record(row))])
        self.assertEqual(self.usage().account_id, squatted[0])
        self.server.write({"host": host, "password": READER[1]})
        self.sync()
        for key, wrong in ((12, squatted[0]), (13, squatted[1])):
            right = self.account(key)
            self.assertNotEqual(right, wrong)
            self.assertNotEqual(right.partner_id, wrong.partner_id)
            self.assertEqual((right.number, wrong.status, wrong._shown_number()), (f"C{key}", "closed", f"C{key}"))
            self.assertFalse(self.usage(("account_id", "=", wrong.id)))
        self.assertEqual(self.usage(("amount", "=", 7)).account_id, self.account(12))
        alert = self.server._alerts("claim")
        for text in ("C12", "C13", upper.number):
            self.assertIn(text, alert.note)
        accounts = self.account(12) | squatted[0]
        accounts._astpp_own().write({"cycle_unit": "day", "tz": "UTC", "billed_until": self.day - timedelta(days=1)})
        today = (self.day + timedelta(days=1)).date()
        run = self.env["astpp.billing.run"].create(
            {"date": today, "invoice_date": today, "account_ids": [(6, 0, accounts.ids)]}
        )
        run.action_run()
        self.assertEqual(run.move_ids.partner_id, self.account(12).partner_id)
        self.sync()
        self.assertEqual(len(self.server._alerts("claim")), 1)

    def test_a_number_is_claimed_once(self):
        self.sync()
        reseller = self.account(7)
        self.claim(reseller, "C99")
        with mute_logger("odoo.sql_db"), self.assertRaises(UniqueViolation), self.env.cr.savepoint():
            self.claim(reseller, "C99")
        self.claim(self.account(5), "C99")

    def test_no_claim_is_trusted_while_astpp_is_asked(self):
        """Calls of the number wait until ASTPP confirms it, and its present owner keeps it."""
        self.sync()
        upper, lower = self.account(5), self.account(7)
        taken, new = self.claim(upper, "C12"), self.claim(lower, "C99")
        self.assertEqual((taken._shown_number(), new._shown_number()), ("C12", "C99"))
        self.assertNotIn("C99", self.env["astpp.account"].search([]).mapped("number"))
        row = self.row(None, accountid="", account_number="C99", callstart=str(self.day), debit="9")
        self.env["astpp.usage"].sudo()._load_calls(self.server, [(2, self.record(row))])
        self.assertFalse(self.usage(("amount", "=", 9)).account_id)
        self.mariadb.insert("accounts", {"id": 99, "number": "C99", "first_name": "New", "reseller_id": 7})
        self.sync()
        self.assertEqual((self.account(99), new.number), (new, "C99"))
        self.assertEqual(self.usage(("amount", "=", 9)).account_id, new)
        self.assertEqual((taken.status, self.account(12).parent_id), ("closed", lower))
