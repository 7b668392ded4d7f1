from uuid import uuid4

from odoo import api, fields, models


class AstppAccount(models.Model):
    """What Odoo decides about an account: whether it is served, up to which debt, and who invoices it."""

    _inherit = "astpp.account"

    credit_limit = fields.Monetary(
        currency_field="usage_currency_id",
        tracking=True,
        help="How much a postpaid account may owe in ASTPP. Written back when the server is set so.",
    )

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

    def _queue_invoicing_off(self):
        """Have ASTPP no longer invoice the accounts that Odoo invoices (ASTPP facts 3.3)."""
        invoiced = self.filtered(
            lambda account: account.astpp_id
            and account.server_id._writes("invoicing")
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
        row = {"table": "accounts", "match": {"id": self.astpp_id}, "values": values}
        return self, f"{kind}/{self.id}/{uuid4().hex[:12]}", text, [row], {}
