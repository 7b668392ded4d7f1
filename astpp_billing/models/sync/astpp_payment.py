from odoo import api, fields, models
from odoo.tools import split_every

from ...connector import readers

BATCH = 500


class AstppPayment(models.Model):
    """A payment or purchase made in ASTPP: kept as history, never booked."""

    _name = "astpp.payment"
    _description = "ASTPP Payment"
    _inherit = ["astpp.synced.mixin"]
    _order = "date desc, id desc"
    _rec_name = "transaction_ref"

    company_id = fields.Many2one(related="server_id.company_id", store=True)
    account_id = fields.Many2one("astpp.account", index=True)
    partner_id = fields.Many2one(related="account_id.partner_id")
    date = fields.Datetime()
    amount = fields.Monetary(help="Tax included, in the server's base currency.")
    currency_id = fields.Many2one(related="server_id.currency_id")
    method = fields.Char()
    transaction_ref = fields.Char(string="Transaction")

    _astpp_uniq = models.UniqueIndex("(server_id, astpp_id)")

    @api.model
    def _sync(self, run):
        """Add new rows only: ``payment_transaction`` is a long history whose rows do not change."""
        last = self.search([("server_id", "=", run.server.id)], order="astpp_id desc", limit=1).astpp_id
        read = added = 0
        for batch in split_every(BATCH, readers.read_payments(run.database, last, run.left_out.add)):
            read += len(batch)
            added += len(self._add(run, batch))
        run.note(read, added, 0)

    @api.model
    def _add(self, run, payments):
        """Create payments from a list of ``connector.records.Payment``.

        :return: created records
        """
        accounts = run.server._synced_ids("astpp.account")
        created, _changed = self._merge_synced(
            run.server,
            {
                payment.id: {
                    "account_id": accounts.get(payment.account_id, False),
                    "date": payment.date,
                    "amount": float(payment.amount),
                    "method": payment.method,
                    "transaction_ref": payment.transaction,
                }
                for payment in payments
            },
            run.left_out,
        )
        return created
