import secrets

from stdnum import luhn

from odoo import api, fields, models
from odoo.exceptions import UserError
from odoo.tools import SQL

from ..astpp_guard_mixin import ours
from ..ledger.astpp_usage_entries import UsageEntry


class AstppCoupon(models.Model):
    """A refill coupon: prepaid credit under a secret number."""

    _name = "astpp.coupon"
    _description = "Refill Coupon"
    _inherit = ["astpp.synced.mixin"]
    _order = "id desc"
    _rec_name = "hint"

    # Whoever knows the number can spend the coupon.
    number = fields.Char(required=True, index=True, readonly=True, groups="account.group_account_manager")
    hint = fields.Char(
        string="Coupon", compute="_compute_hint", compute_sudo=True, help="The number's last four digits."
    )
    server_id = fields.Many2one(required=True)
    company_id = fields.Many2one(related="server_id.company_id", store=True, precompute=True)
    issuer_id = fields.Many2one("astpp.issuer", readonly=True, help="Whose customers may redeem it. Empty: anybody.")
    batch = fields.Char(readonly=True, index="btree_not_null", help="Made together.")
    amount = fields.Monetary(readonly=True)
    currency_id = fields.Many2one("res.currency", required=True, readonly=True)
    expiry_date = fields.Date(help="The last day on which it can be redeemed. Empty: no end.")
    state = fields.Selection(
        [("unused", "Unused"), ("inactive", "Inactive"), ("used", "Used"), ("expired", "Expired")],
        required=True,
        default="unused",
    )
    account_id = fields.Many2one("astpp.account", string="Redeemed By", index="btree_not_null", readonly=True)
    reseller_id = fields.Many2one("astpp.account", readonly=True)
    used_date = fields.Datetime(readonly=True)
    created_date = fields.Datetime(readonly=True, default=fields.Datetime.now)
    description = fields.Char()

    _astpp_owned = frozenset({"number", "state", "account_id", "used_date"})
    _astpp_uniq = models.UniqueIndex("(server_id, astpp_id) WHERE astpp_id IS NOT NULL AND astpp_id != 0")
    # Unique among coupons generated here only: ASTPP's own numbers may repeat.
    _number_uniq = models.UniqueIndex("(server_id, number) WHERE batch IS NOT NULL", "This number is taken.")

    @api.depends("number")
    def _compute_hint(self):
        for coupon in self:
            coupon.hint = f"…{(coupon.number or '')[-4:]}"

    @api.ondelete(at_uninstall=False)
    def _unlink_except_used(self):
        if self.filtered(lambda coupon: coupon.state == "used"):
            raise UserError(self.env._("A redeemed coupon cannot be deleted."))

    @api.model
    @ours
    def _generate(self, count, digits, vals):
        """Create coupons with random numbers that end in a check digit.

        :param count: how many
        :param digits: length of a number, check digit included; 8 or more
        :param vals: values common to all of them, with ``server_id`` and ``batch``
        """
        taken = set(self.sudo().search([("server_id", "=", vals["server_id"])]).mapped("number"))
        numbers = set()
        while len(numbers) < count:
            body = "".join(secrets.choice("0123456789") for _digit in range(digits - 1))
            # The Luhn check digit reveals a typing error at once.
            number = body + luhn.calc_check_digit(body)
            if number not in taken:
                numbers.add(number)
        return self.create([vals | {"number": number} for number in numbers])

    def _credit_key(self):
        """Return the key of the credit that redeeming this coupon gives, in the ledger and for ASTPP."""
        self.ensure_one()
        return f"coupon/{self.id}"

    def _lose(self, reason):
        """Hold the credits of coupons that were redeemed here, and cannot be in ASTPP: a coupon is worth its amount once.

        :param reason: text
        """
        for server, coupons in self.grouped("server_id").items():
            keys = [coupon._credit_key() for coupon in coupons]
            # sudo: the ledger is written by its own methods only.
            self.env["astpp.usage"].sudo()._hold(
                "coupon",
                SQL("u.server_id = %s AND u.source = 'credit' AND u.source_key = ANY(%s)", server.id, keys),
            )
            entries = (
                self.env["astpp.outbox"]
                .sudo()
                .search(
                    [("server_id", "=", server.id), ("key", "in", keys), ("state", "in", ("off", "waiting", "failed"))]
                )
            )
            entries.write({"state": "skipped", "message": reason[:500]})
            server.sudo()._raise_alert(
                "coupons",
                self.env._("A coupon was redeemed in Odoo and in ASTPP"),
                self.env._(
                    "%(coupons)s: %(reason)s What Odoo credited for it is held in Usage → To Be Checked, unless it is on "
                    "an invoice already.",
                    coupons=", ".join(coupons.mapped("display_name")),
                    reason=reason,
                ),
            )

    @api.model
    @ours
    def _redeem(self, number, account):
        """Credit an account with the coupon of this number, once.

        One statement claims the row, so that only one of two simultaneous attempts succeeds.

        :raise UserError: when the account has no such coupon, or it is used or expired
        """
        number = "".join((number or "").split())
        if account.status == "closed":
            # Checked before the coupon is claimed, or a closed account would use it up for nothing.
            raise UserError(self.env._("Account %s is closed.", account.display_name))
        coupon = self.sudo().search(
            [
                *[("server_id", "=", account.server_id.id), ("number", "=", number)],
                *["|", ("issuer_id", "=", False), ("issuer_id", "=", account.issuer_id.id)],
            ],
            limit=1,
        )
        if not coupon:
            raise UserError(self.env._("There is no coupon with this number. Check the digits."))
        coupon.flush_recordset()
        today = fields.Date.context_today(self)
        taken = self.env.execute_query(
            SQL(
                """
                UPDATE astpp_coupon SET state = 'used', account_id = %s, used_date = %s
                 WHERE id = %s AND state = 'unused' AND (expiry_date IS NULL OR expiry_date >= %s)
             RETURNING id
                """,
                account.id,
                fields.Datetime.now(),
                coupon.id,
                today,
            )
        )
        coupon.invalidate_recordset()
        if not taken:
            expired = coupon.state == "unused" and coupon.expiry_date and coupon.expiry_date < today
            state = dict(self._fields["state"]._description_selection(self.env))["expired" if expired else coupon.state]
            raise UserError(self.env._("The coupon cannot be redeemed: %s.", state))
        base = account.server_id.currency_id
        amount = coupon.currency_id._convert(coupon.amount, base, account.company_id, today, round=False)
        name = self.env._("Coupon ending in %s", number[-4:])
        key, now = coupon._credit_key(), fields.Datetime.now()
        # For a prepaid account this is history only; for a postpaid one it lowers the next invoice.
        self.env["astpp.usage"].sudo()._add(
            [UsageEntry("credit", key, account.server_id.id, account.id, now, "voucher", -amount, name)]
        )
        self.env["astpp.outbox"]._enqueue_balances([(account, amount, key, name)])
        return coupon
