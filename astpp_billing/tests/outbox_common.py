from .sync_common import SyncCommon

WRITER = ("astpp_writer", "writer's secret")


class OutboxCommon(SyncCommon):
    """An ASTPP database whose balances Odoo may write."""

    def setUp(self):
        super().setUp()
        self.mariadb.make_user(
            *WRITER, "SELECT ON astpp.*", "UPDATE (balance) ON astpp.accounts", "INSERT ON astpp.payment_transaction",
            "INSERT ON astpp.invoice_details", "UPDATE (status, firstused, account_id) ON astpp.refill_coupon",
        )  # fmt: skip
        self.mariadb.execute("UPDATE accounts SET balance = 100, credit_limit = 500 WHERE id = 13")
        self.mariadb.execute("UPDATE accounts SET balance = 20, posttoexternal = 0 WHERE id = 12")
        self.sync()
        self.server.write({"user": WRITER[0], "password": WRITER[1], "write_credit": True, "write_charge": True})
        self.outbox = self.env["astpp.outbox"].sudo()

    def queue(self, account_id, amount, key):
        return self.outbox._enqueue_balances([(self.account(account_id), amount, key, "Something")])

    def apply(self):
        entries = self.outbox._next_entries(self.server)
        for entry in entries:
            entry._apply()
        return entries

    def balance(self, account_id):
        return float(self.mariadb.execute("SELECT balance FROM accounts WHERE id = %s", (account_id,))[0][0])
