from datetime import timedelta

from odoo import api, fields, models
from odoo.fields import Domain

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
