from odoo import fields
from odoo.exceptions import UserError
from odoo.tests import freeze_time, tagged

from .sync_common import SyncCommon

WRITER = ("astpp_writer", "writer's secret")
GRANTS = (
    "SELECT ON astpp.*",
    "INSERT ON astpp.payment_transaction",
    "UPDATE (product_id, quantity, price, free_minutes, billing_date, next_billing_date, is_terminated, "
    "termination_date, termination_note) ON astpp.order_items",
    "UPDATE (used_seconds) ON astpp.counters",
    "UPDATE (accountid, parent_id, extensions, always, always_destination, user_busy, user_busy_destination, "
    "user_not_registered, user_not_registered_destination, no_answer, no_answer_destination, failover_extensions) "
    "ON astpp.dids",
    "UPDATE (status, credit_limit, generate_invoice) ON astpp.accounts",
    "UPDATE (status) ON astpp.dids",
)


@tagged("post_install", "-at_install")
class TestOutboxRows(SyncCommon):
    """Orders, numbers and accounts that Odoo decides about are written to ASTPP, with minimal privileges."""

    def setUp(self):
        super().setUp()
        self.mariadb.make_user(*WRITER, *GRANTS)
        self.order_package()
        self.mariadb.insert(
            "counters", {"id": 1, "accountid": 13, "package_id": 40, "product_id": 3, "used_seconds": 900}
        )
        self.mariadb.insert("dids", {"id": 1, "number": "442030001", "product_id": 11, "extensions": "100"})
        self.server.sync_from = "2024-03-01 00:00:00"
        self.outbox = self.env["astpp.outbox"].sudo()

    def start(self, **switches):
        self.server.write({"user": WRITER[0], "password": WRITER[1], **switches})
        self.sync()

    def apply(self):
        while entries := self.outbox._next_entries(self.server):
            for entry in entries:
                self.assertTrue(entry._apply(), entry.message)
        return self.outbox.search([("server_id", "=", self.server.id), ("state", "=", "applied")], order="id")

    def row(self, table, columns, row_id):
        [row] = self.mariadb.execute(f"SELECT {columns} FROM {table} WHERE id = %s", (row_id,))
        return tuple(map(str, row))

    def subscription(self):
        return self.env["astpp.subscription"].search([("server_id", "=", self.server.id), ("astpp_id", "=", 90)])

    def differences(self):
        self.server.action_compare_outbox()
        return self.env["astpp.outbox.difference"].search([("server_id", "=", self.server.id)])

    @freeze_time("2024-03-10 10:00:00")
    def test_renewal_change_and_end(self):
        """ASTPP gets Odoo's periods and reset minutes; what it reports in the meantime changes nothing."""
        self.start(write_order=True)
        self.server.renewals_by = "odoo"
        with freeze_time("2024-04-10 10:00:00"):
            self.renew()
            self.assertEqual(self.subscription().next_date.isoformat(), "2024-04-30T00:00:00")
            self.sync()
            self.assertEqual(self.subscription().next_date.isoformat(), "2024-04-30T00:00:00")
            [entry] = self.apply()
            self.assertEqual(
                self.row("order_items", "billing_date, next_billing_date, price", 90),
                ("2024-03-31 00:00:01", "2024-04-29 23:59:59", "20.00000"),
            )
            self.assertEqual(self.row("counters", "used_seconds", 1), ("0",))
            self.assertIn("next_billing_date: 2024-03-30 23:59:59 → 2024-04-29 23:59:59", entry.changes)
            self.assertFalse(self.differences().filtered(lambda d: d.kind == "order"))
            self.subscription()._plan_change(fields.Datetime.now(), quantity=2)
            self.subscription()._terminate(self.env.ref("astpp_billing.close_reason_request"))
            self.sync()
            self.assertEqual(self.subscription().state, "terminated", "ASTPP's old word does not revive it")
            self.apply()
        self.assertEqual(self.row("order_items", "is_terminated, quantity, price", 90), ("1", "2", "40.00000"))
        self.sync()
        self.assertEqual(self.subscription().state, "terminated")
        keys = self.mariadb.execute("SELECT amount FROM payment_transaction WHERE transaction_id LIKE 'ODOO-%%'")
        self.assertEqual([float(amount) for (amount,) in keys], [0, 0, 0])

    @freeze_time("2024-03-10 10:00:00")
    def test_renewal_on_astpp_4_0(self):
        """Its counters name no order, so minutes are not reset there; dates and prices are written as ever."""
        self.mariadb.execute("ALTER TABLE counters DROP COLUMN package_id")
        self.start(write_order=True)
        self.server.renewals_by = "odoo"
        with freeze_time("2024-04-10 10:00:00"):
            self.renew()
            self.server.action_preview_outbox()
            [entry] = self.apply()
        self.assertEqual(entry.state, "applied", entry.message)
        self.assertEqual(self.row("order_items", "next_billing_date", 90), ("2024-04-29 23:59:59",))

    def test_numbers(self):
        """A number is assigned and taken back; one that ASTPP gave to somebody else stays with them."""
        self.start(write_did=True)
        did = self.env["astpp.did"].search([("server_id", "=", self.server.id)])
        product = self.env.ref("astpp_billing.product_did")
        order = self.env["astpp.subscription"].create(
            {"account_id": self.account(13).id, "product_id": product.id, "did_id": did.id, "price": 2}
        )
        order.action_start()
        self.sync()
        self.assertEqual(did.account_id, self.account(13), "it waits to be written")
        self.apply()
        self.assertEqual(self.row("dids", "accountid, extensions", 1), ("13", "100"))
        self.sync()
        order._terminate(self.env.ref("astpp_billing.close_reason_request"))
        self.apply()
        self.assertEqual(self.row("dids", "accountid, extensions", 1), ("0", ""))
        did.quarantine_until = False
        other = order.copy({"did_id": did.id})
        other.action_start()
        self.mariadb.execute("UPDATE dids SET accountid = 12 WHERE id = 1")
        entry = self.outbox._next_entries(self.server)
        entry._apply()
        self.assertIn("it was changed there", entry.message)
        self.assertEqual(self.row("dids", "accountid", 1), ("12",))

    def test_accounts(self):
        """Status and credit limit reach ASTPP, and its outdated values do not undo them."""
        self.start(write_account=True)
        account = self.account(13)
        account.write({"status": "suspended", "credit_limit": 250})
        self.sync()
        self.assertEqual((account.status, account.credit_limit), ("suspended", 250))
        waiting = self.differences().filtered(lambda d: d.account_id == account and d.kind == "account")
        self.assertEqual(set(waiting.filtered(lambda d: "status" in d.name).mapped("cause")), {"waiting"})
        self.server.action_preview_outbox()
        lines = self.env["astpp.outbox.preview"].search([("account_id", "=", account.id)])
        self.assertEqual(
            {(line.column, line.value_before, line.value_after) for line in lines},
            {("status", "0", "1"), ("credit_limit", "0.00000", "250.00000")},
        )
        self.assertEqual(len(self.apply()), 1)
        self.assertEqual(self.row("accounts", "status, credit_limit", 13), ("1", "250.00000"))
        self.mariadb.execute("UPDATE accounts SET status = 0 WHERE id = 13")
        self.sync()
        self.assertEqual(account.status, "active", "ASTPP decided since")
        self.assertEqual(len(self.outbox.search([("account_id", "=", account.id)])), 1, "its word is not sent back")

    def own_numbers(self, account_id=13):
        """Create numbers in ASTPP: the account has 1, which is on, and 2, which is off already; 3 has no owner."""
        self.mariadb.execute("UPDATE dids SET accountid = %s WHERE id = 1", (account_id,))
        self.mariadb.insert(
            "dids",
            {"id": 2, "number": "442030002", "product_id": 12, "accountid": account_id, "status": 1},
            {"id": 3, "number": "442030003", "product_id": 13},
        )

    def numbers(self):
        """Return {id: status} in ASTPP."""
        return dict(self.mariadb.execute("SELECT id, status FROM dids"))

    def dids(self):
        return self.env["astpp.did"].with_context(active_test=False).search(
            [("server_id", "=", self.server.id)], order="astpp_id"
        )  # fmt: skip

    def test_suspended_account_loses_its_numbers(self):
        """Numbers are switched off and on with their account in one transaction, except one that was off before."""
        self.own_numbers()
        self.start(write_account=True)
        self.account(13).status = "suspended"
        self.server.action_preview_outbox()
        lines = self.env["astpp.outbox.preview"].search([("account_id", "=", self.account(13).id)])
        self.assertEqual([(line.table, line.value_after) for line in lines], [("accounts", "1"), ("dids", "1")])
        [entry] = self.apply()
        self.assertEqual((self.row("accounts", "status", 13), self.numbers()), (("1",), {1: 1, 2: 1, 3: 0}))
        self.assertIn("status: 0 → 1\nstatus: 0 → 1", entry.changes)
        self.sync()
        self.assertEqual(self.dids().mapped("active"), [True, False, True], "what Odoo wrote archives nothing")
        self.assertFalse(self.differences().filtered(lambda d: d.kind == "did"))
        self.account(13).status = "active"
        self.sync()
        self.assertTrue(self.dids()[0].active)
        self.apply()
        self.assertEqual((self.row("accounts", "status", 13), self.numbers()), (("0",), {1: 0, 2: 1, 3: 0}))
        self.assertFalse(any(self.dids().mapped("off_with_account")))
        self.sync()
        self.assertEqual(self.dids().mapped("active"), [True, False, True])

    def test_suspended_and_back_before_it_was_written(self):
        """What ASTPP switched off or gave away in the meantime is not switched on."""
        self.own_numbers()
        self.start(write_account=True)
        self.mariadb.execute("UPDATE dids SET status = 1 WHERE id = 1")
        self.mariadb.execute("UPDATE dids SET accountid = 12, status = 0 WHERE id = 2")
        self.account(13).status = "suspended"
        self.account(13).status = "active"
        self.assertEqual(len(self.apply()), 2)
        self.assertEqual((self.row("accounts", "status", 13), self.numbers()), (("0",), {1: 1, 2: 0, 3: 0}))

    def test_numbers_after_a_crash(self):
        """If only ASTPP has committed, Odoo knows after the next attempt which numbers it switched off."""
        self.own_numbers()
        self.start(write_account=True)
        self.account(13).status = "suspended"
        entry = self.outbox._next_entries(self.server)
        with self.assertRaises(ZeroDivisionError), self.env.cr.savepoint():
            entry._apply()
            raise ZeroDivisionError
        self.env.invalidate_all()
        self.assertEqual((entry.state, self.numbers()[1]), ("waiting", 1))
        self.apply()
        self.assertEqual(self.dids().mapped("off_with_account"), [True, False, False])
        self.account(13).status = "active"
        self.apply()
        self.assertEqual(self.numbers(), {1: 0, 2: 1, 3: 0})

    def test_account_reactivated_by_astpp(self):
        """The account's numbers are switched on, unless ASTPP has suspended it again by then."""
        self.own_numbers()
        self.start(write_account=True)
        self.account(13).status = "suspended"
        self.apply()
        for status, number in ((1, 1), (0, 0)):
            self.mariadb.execute("UPDATE accounts SET status = 0 WHERE id = 13")
            self.sync()
            self.assertEqual(self.account(13).status, "active")
            self.mariadb.execute("UPDATE accounts SET status = %s WHERE id = 13", (status,))
            self.apply()
            self.assertEqual((self.numbers()[1], self.dids()[0].off_with_account), (number, bool(number)))
            self.sync()
        self.assertTrue(self.dids()[0].active)

    def test_number_of_a_suspended_account_is_taken_back(self):
        """Whether Odoo or ASTPP takes it back, the next owner gets a number that works."""
        self.own_numbers(account_id=0)
        self.start(write_account=True, write_did=True)
        product = self.env.ref("astpp_billing.product_did")
        order = self.env["astpp.subscription"].create(
            {"account_id": self.account(13).id, "product_id": product.id, "did_id": self.dids()[0].id, "price": 2}
        )
        order.action_start()
        self.apply()
        self.account(13).status = "suspended"
        order._terminate(self.env.ref("astpp_billing.close_reason_request"))
        self.apply()
        self.assertEqual((self.row("dids", "accountid, status", 1), self.dids()[0].active), (("0", "0"), True))
        self.account(13).status = "active"
        self.mariadb.execute("UPDATE dids SET accountid = 13 WHERE id = 3")
        self.sync()
        self.account(13).status = "suspended"
        self.apply()
        self.mariadb.execute("UPDATE dids SET accountid = 12 WHERE id = 3")
        self.sync()
        self.assertEqual(
            (self.numbers()[3], self.dids()[2].active, self.dids()[2].account_id), (1, True, self.account(12))
        )
        self.sync()
        self.apply()
        self.assertEqual((self.numbers()[3], self.dids()[2].off_with_account), (0, False))

    def test_numbers_that_should_be_off_are_listed(self):
        """Calls to them are routed through a carrier, so the comparison lists them with the cause."""
        self.own_numbers()
        self.start()
        self.account(13).status = "suspended"
        found = self.differences().filtered(lambda d: d.kind == "did")
        self.assertEqual(
            [(d.name, d.odoo_value, d.astpp_value, d.cause) for d in found], [("442030001: status", "1", "0", "off")]
        )

    def test_astpp_stops_invoicing(self):
        """ASTPP invoices no account that Odoo invoices, and Odoo goes on invoicing it."""
        self.start()
        self.server.write_invoicing = True
        self.apply()
        self.assertEqual(self.row("accounts", "generate_invoice", 13), ("1",))
        self.mariadb.insert("accounts", {"id": 15, "number": "C15", "first_name": "New", "posttoexternal": 1})
        self.sync()
        self.apply()
        self.assertEqual(self.row("accounts", "generate_invoice", 15), ("1",))
        self.sync()
        self.assertTrue(self.account(13).invoice_enabled and self.account(15).invoice_enabled)

    def test_switched_off(self):
        """Changes of rows would be outdated when the kind is switched on again, so they do not wait for it."""
        self.start(write_account=True)
        self.account(13).status = "suspended"
        self.server.write_account = False
        self.assertEqual(self.outbox.search([("account_id", "=", self.account(13).id)]).state, "skipped")
        self.sync()
        self.assertEqual(self.account(13).status, "active", "ASTPP decides again")

    def test_off_by_default(self):
        self.start()
        self.account(13).status = "suspended"
        self.assertFalse(self.outbox.search([("server_id", "=", self.server.id)]))

    def test_balances_compared(self):
        """What is owed is usage less payments; each difference is listed with its cause."""
        self.mariadb.execute("UPDATE accounts SET balance = 3 WHERE id = 13")
        self.start(write_charge=True)
        account = self.account(13)
        self.call(13, debit="3")
        self.sync()
        self.assertFalse(self.differences().filtered(lambda d: d.account_id == account and d.kind == "balance"))
        self.outbox._enqueue_balances([(account, -5, "usage/x", "Fee")])
        self.env["astpp.usage"].create({"account_id": account.id, "amount": 5, "date": "2024-03-05"})
        self.mariadb.execute("UPDATE accounts SET balance = 10 WHERE id = 13")
        found = self.differences().filtered(lambda d: d.account_id == account and d.kind == "balance")
        self.assertEqual({d.cause: round(d.amount, 5) for d in found}, {"waiting": -5, "astpp": 7})

    def test_written_and_gone(self):
        self.mariadb.execute("UPDATE accounts SET balance = 20, posttoexternal = 0 WHERE id = 12")
        self.start(write_account=True)
        self.account(13).credit_limit = 7
        self.apply()
        self.assertFalse(self.differences().filtered(lambda d: d.kind == "entry"))
        self.mariadb.execute("DELETE FROM payment_transaction")
        self.assertEqual(self.differences().filtered(lambda d: d.kind == "entry").cause, "gone")

    def test_rights(self):
        self.start(write_order=True, write_did=True, write_account=True, write_invoicing=True)
        self.server.action_test_connection()
        self.assertNotIn("lacks", self.server.check_report)
        self.mariadb.execute(f"REVOKE UPDATE (termination_note) ON astpp.order_items FROM '{WRITER[0]}'@'%'")
        self.mariadb.execute(f"REVOKE UPDATE (status) ON astpp.dids FROM '{WRITER[0]}'@'%'")
        self.server.action_test_connection()
        self.assertIn("lacks UPDATE on the column status of the table dids", self.server.check_report)
        self.assertIn("lacks UPDATE on the column termination_note of the table order_items", self.server.check_report)

    def test_copy_reads_and_writes_nothing(self):
        self.start(write_account=True)
        self.account(13).status = "suspended"
        self.env["ir.config_parameter"].sudo().set_param("database.is_neutralized", True)
        self.outbox._next_entries(self.server)._apply()
        self.assertEqual(self.row("accounts", "status", 13), ("0",))
        with self.assertRaises(UserError):
            self.server.action_preview_outbox()


@tagged("post_install", "-at_install")
class TestOutboxRowsStrict(TestOutboxRows):
    """The same on a server in strict SQL mode."""

    sql_mode = "STRICT_ALL_TABLES,NO_ZERO_DATE,NO_ZERO_IN_DATE"
