from odoo import api, fields, models


class AstppPayment(models.Model):
    """A payment or purchase that ASTPP took: history, never booked."""

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
    def _sync(self, server, records, left_out):
        """Add new rows of payment_transaction: list of ``connector.records.Payment``.

        :param left_out: ``LeftOut``
        """
        accounts = server._synced_ids("astpp.account")
        return self._merge_synced(
            server,
            {
                payment.id: {
                    "account_id": accounts.get(payment.account_id, False),
                    "date": payment.date,
                    "amount": float(payment.amount),
                    "method": payment.method,
                    "transaction_ref": payment.transaction,
                }
                for payment in records
            },
            left_out,
        )
