from datetime import timedelta

from odoo import api, fields, models
from odoo.exceptions import AccessError, UserError

# How a cause shows in ASTPP's ledger, by the first part of its key.
CHARGE_TYPES = {"topup": "REFILL", "topup-back": "POSTCHARGE", "coupon": "Voucher", "payment": "INVPAY"}
KINDS = {"usage": "charge", "payment": "payment"}
MOST_ATTEMPTS = 6


class AstppOutbox(models.Model):
    """A change that ASTPP is to learn of, kept in the transaction of its cause."""

    _name = "astpp.outbox"
    _description = "Change for ASTPP"
    _order = "id desc"
    _rec_name = "description"

    server_id = fields.Many2one("astpp.server", required=True, ondelete="restrict", readonly=True)
    company_id = fields.Many2one(related="server_id.company_id", store=True, index=True)
    account_id = fields.Many2one("astpp.account", required=True, ondelete="restrict", readonly=True)
    kind = fields.Selection(
        [("credit", "Top-up or Coupon"), ("charge", "Charge of Odoo's"), ("payment", "Paid Invoice")],
        required=True,
        readonly=True,
    )
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
    attempts = fields.Integer(readonly=True)
    next_date = fields.Datetime(string="Next Attempt", readonly=True)
    balance_before = fields.Float(digits=(20, 6), readonly=True, help="ASTPP's balance; postpaid: what is owed.")
    balance_after = fields.Float(digits=(20, 6), readonly=True)
    applied_date = fields.Datetime(readonly=True)
    message = fields.Char(readonly=True)

    _key_uniq = models.UniqueIndex("(server_id, key)", "This cause is queued already.")
    _waiting_idx = models.Index("(account_id, id) WHERE state IN ('waiting', 'failed')")

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
                    "kind": KINDS.get(key.split("/")[0], "credit"),
                    "key": key,
                    "amount": float(amount),
                    "description": description,
                }
                for account, amount, key, description in entries
                if amount
            ]
        )

    def _charge_type(self):
        """Return the type of the row in ASTPP's ledger."""
        self.ensure_one()
        return CHARGE_TYPES.get(self.key.split("/")[0]) or ("POSTCHARGE" if self.amount < 0 else "REFILL")

    def _fail(self, reason):
        """Note a failed attempt: later again, longer each time; in the end a person is told."""
        self.ensure_one()
        attempts = self.attempts + 1
        gone = attempts >= MOST_ATTEMPTS
        self.write(
            {
                "attempts": attempts,
                "message": reason[:500],
                "next_date": fields.Datetime.now() + timedelta(minutes=5 * 3**attempts),
                "state": "failed" if gone else "waiting",
            }
        )
        if gone:
            self.server_id.activity_schedule(
                "mail.mail_activity_data_warning",
                user_id=(self.server_id.responsible_id or self.env.user).id,
                summary=self.env._("A change does not reach ASTPP"),
                note=self.env._("%(account)s: %(reason)s", account=self.account_id.display_name, reason=reason),
            )

    def _check_manager(self):
        if not self.env.user.has_group("account.group_account_manager"):
            raise AccessError(self.env._("Only accounting administrators decide about changes for ASTPP."))

    def action_retry(self):
        """Try failed changes again at once."""
        self._check_manager()
        self.filtered(lambda entry: entry.state == "failed").sudo().write(
            {"state": "waiting", "attempts": 0, "next_date": False}
        )
        self.env.ref("astpp_billing.ir_cron_apply").sudo()._trigger()

    def action_skip(self):
        """Give up changes that were made in ASTPP by hand, so that the account's others go on."""
        self._check_manager()
        if self.filtered(lambda entry: entry.state not in ("waiting", "failed")):
            raise UserError(self.env._("Only what waits or failed can be skipped."))
        self.sudo().write({"state": "skipped", "message": self.env._("Skipped by %s", self.env.user.name)})
