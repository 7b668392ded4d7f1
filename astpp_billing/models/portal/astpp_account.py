from datetime import timedelta

from odoo import api, fields, models
from odoo.fields import Domain
from odoo.tools import SQL

# Wrong coupon numbers allowed before an account has to wait, and for how many hours.
MOST_GUESSES, GUESS_HOURS = 10, 24


class AstppAccount(models.Model):
    """The current portal user's accounts, and what they may order or redeem."""

    _inherit = "astpp.account"

    coupon_guesses = fields.Integer(copy=False, help="Wrong coupon numbers since the first one of a day.")
    coupon_guess_date = fields.Datetime(copy=False, help="When the first of these was entered.")

    @api.model
    def _portal_accounts(self):
        """Return the accounts of the user's customer, sudoed because portal users have no access to the model."""
        partner = self.env.user.partner_id.commercial_partner_id
        if self.env.user._is_public() or not partner:
            return self.sudo().browse()
        domain = [("partner_id", "child_of", partner.id), ("account_type", "!=", "provider")]
        return self.sudo().search(domain)

    @api.model
    def _portal_resellers(self):
        """Return those of the user's accounts that are resellers."""
        return self._portal_accounts().filtered(lambda account: account.account_type == "reseller")

    @api.model
    def _portal_below_domain(self):
        """Return the domain of all accounts below the user's resellers, at any level; the resellers are not in it."""
        resellers = self._portal_resellers()
        if not resellers:
            return Domain.FALSE
        return Domain("id", "child_of", resellers.ids) & Domain("id", "not in", resellers.ids)

    @api.model
    def _portal_used_accounts(self):
        """Return the accounts that are, or were at some time, the user's customer's, sudoed as above."""
        partner = self.env.user.partner_id.commercial_partner_id
        if self.env.user._is_public() or not partner:
            return self.sudo().browse()
        terms = self.env["astpp.account.term"].sudo().search([("partner_id", "child_of", partner.id)])
        return self._portal_accounts() | terms.account_id.filtered(lambda account: account.account_type != "provider")

    @api.model
    def _portal_usage_domain(self, accounts):
        """Return the domain of the usage of accounts while they were the user's customer's: that of others is not shown.

        :param accounts: some of ``_portal_used_accounts``
        """
        partner = self.env.user.partner_id.commercial_partner_id
        return Domain("account_id", "in", accounts.ids) & Domain("partner_id", "child_of", partner.id)

    @api.model
    def _portal_below_usage_domain(self):
        """Return the domain of the usage of accounts below the user's resellers, since they came below them."""
        below, resellers = self._portal_below_domain(), self._portal_resellers()
        domain = Domain("account_id", "any", below)
        # Accounts move seldom: those that have been elsewhere are few.
        elsewhere = (
            self.env["astpp.account.term"]
            .sudo()
            .search(Domain("account_id", "any", below) & ~Domain("parent_id", "child_of", resellers.ids))
        )
        for account, terms in elsewhere.grouped("account_id").items():
            left = max(terms.mapped("date_from"))
            here = [since for since in account.term_ids.mapped("date_from") if since > left]
            since = Domain("date", ">=", min(here)) if here else Domain.FALSE
            domain &= Domain("account_id", "!=", account.id) | since
        return domain

    def _room_for_orders(self):
        """Return how much the customer may still order, in the server's base currency.

        Prepaid accounts: their funds. Postpaid accounts: what ASTPP reports is left of the credit limit; where ASTPP
        reports nothing, the credit limit less open invoices and unbilled usage.
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
        """Serialise orders of the account, so that each order sees the funds that the one before has left.

        The UPDATE makes a waiting transaction fail and be retried; after a mere lock it would still see the old funds.
        """
        self.ensure_one()
        self.flush_recordset()
        self.env.execute_query(
            SQL("UPDATE astpp_account SET write_date = write_date WHERE id = %s RETURNING id", self.id)
        )

    def _guesses_coupons(self):
        """Tell whether too many wrong coupon numbers were entered, which looks like guessing."""
        self.ensure_one()
        since = fields.Datetime.now() - timedelta(hours=GUESS_HOURS)
        return self.coupon_guesses >= MOST_GUESSES and self.coupon_guess_date > since

    def _note_coupon_guess(self):
        """Count a wrong coupon number; counting starts again a day after the first one."""
        self.ensure_one()
        now = fields.Datetime.now()
        if not self.coupon_guess_date or self.coupon_guess_date <= now - timedelta(hours=GUESS_HOURS):
            self.write({"coupon_guesses": 0, "coupon_guess_date": now})
        self.coupon_guesses += 1
