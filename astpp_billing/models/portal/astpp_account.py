from datetime import timedelta

from odoo import api, fields, models
from odoo.fields import Domain
from odoo.tools import SQL

# Coupon numbers that may be wrong before an account has to wait, and how long.
MOST_GUESSES, GUESS_HOURS = 10, 24


class AstppAccount(models.Model):
    """Which accounts belong to the portal user who asks."""

    _inherit = "astpp.account"

    coupon_guesses = fields.Integer(copy=False, help="Wrong coupon numbers since the first one of a day.")
    coupon_guess_date = fields.Datetime(copy=False, help="When the first of these was entered.")

    @api.model
    def _portal_accounts(self):
        """Return the accounts of the user's customer, sudoed: portal users have no right on the model."""
        partner = self.env.user.partner_id.commercial_partner_id
        if self.env.user._is_public() or not partner:
            return self.sudo().browse()
        domain = [("partner_id", "child_of", partner.id), ("account_type", "!=", "provider")]
        return self.sudo().search(domain)

    @api.model
    def _portal_resellers(self):
        """Return those of them that are resellers."""
        return self._portal_accounts().filtered(lambda account: account.account_type == "reseller")

    @api.model
    def _portal_below_domain(self):
        """Return the domain of the accounts below the user's resellers, at any level, they themselves left out."""
        resellers = self._portal_resellers()
        if not resellers:
            return Domain.FALSE
        return Domain("id", "child_of", resellers.ids) & Domain("id", "not in", resellers.ids)

    def _room_for_orders(self):
        """Return what the customer may still order, in the server's base currency.

        Prepaid: his funds. Postpaid: what ASTPP says that his credit limit leaves; where ASTPP does not say, the limit
        without what is open and not billed yet.
        """
        self.ensure_one()
        if self.payment_mode == "prepaid" or (self.astpp_id and self.server_id.host):
            return self._funds_left()[self]
        domain = [("astpp_account_id", "=", self.id), ("state", "=", "posted"), ("payment_state", "!=", "reversed")]
        documents = [("move_type", "in", ("out_invoice", "out_refund"))]
        owed = self.env["account.move"]._read_group(domain + documents, ["company_id"], ["amount_residual_signed:sum"])
        currency, today = self.usage_currency_id, fields.Date.context_today(self)
        owed = sum(company.currency_id._convert(amount, currency, company, today) for company, amount in owed)
        return self.credit_limit - owed - self.unbilled_amount

    def _hold_for_order(self):
        """Let one order of the account at a time see what is left; the next one begins anew when this one is done.

        A lock alone would not do: who waited for it would still see the funds of before.
        """
        self.ensure_one()
        self.flush_recordset()
        self.env.execute_query(
            SQL("UPDATE astpp_account SET write_date = write_date WHERE id = %s RETURNING id", self.id)
        )

    def _guesses_coupons(self):
        """Tell whether so many wrong coupon numbers were entered that it looks like guessing."""
        self.ensure_one()
        since = fields.Datetime.now() - timedelta(hours=GUESS_HOURS)
        return self.coupon_guesses >= MOST_GUESSES and self.coupon_guess_date > since

    def _note_coupon_guess(self):
        """Count a wrong coupon number; a day after the first one counting starts again."""
        self.ensure_one()
        now = fields.Datetime.now()
        if not self.coupon_guess_date or self.coupon_guess_date <= now - timedelta(hours=GUESS_HOURS):
            self.write({"coupon_guesses": 0, "coupon_guess_date": now})
        self.coupon_guesses += 1
