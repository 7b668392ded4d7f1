from uuid import uuid4

from odoo import api, models


class AstppAccount(models.Model):
    """What Odoo decides about an account: whether it is served, up to which debt, and who invoices it."""

    _inherit = "astpp.account"

    @api.model_create_multi
    def create(self, vals_list):
        accounts = super().create(vals_list)
        accounts._queue_invoicing_off()
        return accounts

    def write(self, vals):
        before = {account: account._switch_values() for account in self}
        res = super().write(vals)
        # What ASTPP has just said need not be told to it.
        if "astpp_snapshot" not in vals and {"status", "credit_limit"} & vals.keys():
            self._queue_switches(before)
        elif vals.get("status") == "active":
            self._queue_numbers_on()
        if vals.get("invoice_enabled"):
            self._queue_invoicing_off()
        return res

    def _switch_values(self):
        """Return the account's columns in ASTPP; a closed account is not served."""
        self.ensure_one()
        return {"status": 0 if self.status == "active" else 1, "credit_limit": f"{self.credit_limit:.5f}"}

    def _queue_switches(self, before):
        """Queue what differs from ``before``: {account: values}."""
        entries = []
        for account in self.filtered("astpp_id"):
            values = {
                column: value for column, value in account._switch_values().items() if value != before[account][column]
            }
            if values:
                entries.append(account._row_entry("account", account.display_name, values))
        self.env["astpp.outbox"]._enqueue_rows("account", entries)

    def _queue_numbers_on(self):
        """Queue the numbers that Odoo switched off of accounts that ASTPP itself made active again."""
        entries = []
        for account in self:
            if rows := account._rows_of_numbers(0):
                # Should ASTPP have changed its mind by then, they stay off.
                still = {
                    "table": "accounts",
                    "match": {"id": account.astpp_id, "number": account.number},
                    "values": {},
                    "only": {"status": 0},
                }
                key = f"account/{account.id}/{uuid4().hex[:12]}"
                entries.append((account, key, self.env._("Numbers of %s", account.display_name), [still, *rows], {}))
        self.env["astpp.outbox"]._enqueue_rows("account", entries)

    def _rows_of_numbers(self, status):
        """Return row changes that switch the account's numbers off or on, as its status goes.

        Calls to a number of an inactive account leave ASTPP's switch through a carrier; a number that is off has no
        route. Numbers that were off anyway are left alone, and so are those that ASTPP has given to somebody else.

        :param status: 1 switches off, 0 switches on what was switched off so
        """
        self.ensure_one()
        # A reseller's hold is not what ASTPP routes by.
        if self.account_type == "reseller":
            return []
        # Whoever may suspend an account need not see the inventory.
        dids = self.env["astpp.did"].sudo().with_context(active_test=False)
        domain = [("account_id", "=", self.id), ("astpp_id", "!=", 0), ("off_with_account", "=", not status)]
        return [
            {
                "table": "dids",
                "match": {"id": did.astpp_id},
                "values": {"status": status},
                "only": {"accountid": self.astpp_id, "status": 1 - status},
            }
            for did in dids.search(domain, order="astpp_id")
        ]

    def _queue_invoicing_off(self):
        """Have ASTPP no longer invoice the accounts that Odoo invoices (ASTPP facts 3.3)."""
        invoiced = self.filtered(
            lambda account: account.astpp_id
            # sudo: a reseller's own company may say whom it invoices, and need not see the server.
            and account.sudo().server_id._writes("invoicing")
            and account.invoice_enabled
            and account.payment_mode == "postpaid"
            and account.status != "closed"
        )
        self.env["astpp.outbox"]._enqueue_rows(
            "invoicing",
            [
                account._row_entry(
                    "invoicing", self.env._("Invoiced by Odoo: %s", account.display_name), {"generate_invoice": 1}
                )
                for account in invoiced
            ],
        )

    def _row_entry(self, kind, text, values):
        row = {"table": "accounts", "match": {"id": self.astpp_id, "number": self.number}, "values": values}
        return self, f"{kind}/{self.id}/{uuid4().hex[:12]}", text, [row], {}
