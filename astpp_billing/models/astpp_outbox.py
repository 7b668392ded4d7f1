from odoo import api, fields, models


class AstppOutbox(models.Model):
    """A change that ASTPP is to learn of, kept in the transaction of its cause."""

    _name = "astpp.outbox"
    _description = "Change for ASTPP"
    _order = "id desc"
    _rec_name = "description"

    server_id = fields.Many2one("astpp.server", required=True, ondelete="restrict", readonly=True)
    company_id = fields.Many2one(related="server_id.company_id", store=True, index=True)
    account_id = fields.Many2one("astpp.account", required=True, ondelete="restrict", readonly=True)
    kind = fields.Selection([("balance", "Balance")], required=True, readonly=True)
    key = fields.Char(required=True, readonly=True, help="Names the cause: a cause is queued once.")
    amount = fields.Float(
        digits=(20, 6), readonly=True, help="Added to the account's funds, in the server's base currency."
    )
    currency_id = fields.Many2one(related="server_id.currency_id")
    description = fields.Char(readonly=True)
    state = fields.Selection(
        [("waiting", "Waiting"), ("applied", "Applied"), ("failed", "Failed"), ("skipped", "Skipped")],
        default="waiting",
        required=True,
        readonly=True,
    )

    _key_uniq = models.UniqueIndex("(server_id, key)", "This cause is queued already.")
    _waiting_idx = models.Index("(account_id, id) WHERE state = 'waiting'")

    @api.model
    def _enqueue_balances(self, entries):
        """Queue changes of accounts' funds.

        :param entries: iterable of (account, amount, key, description); the amount is what the
            account gains, in the server's base currency
        """
        # Whoever may sell, charge or register a payment causes them; nobody writes them by hand.
        return self.sudo().create(
            [
                {
                    "server_id": account.server_id.id,
                    "account_id": account.id,
                    "kind": "balance",
                    "key": key,
                    "amount": float(amount),
                    "description": description,
                }
                for account, amount, key, description in entries
                if amount
            ]
        )
