from odoo import fields, models
from odoo.fields import Domain
from odoo.tools import SQL

# Refills are payments, billed by an entry of their own and never by an invoice.
NO_REFILLS = SQL("t.charge_type <> 'topup'")


class AstppBillingRun(models.Model):
    """Finding the accounts that are due, and for which periods."""

    _inherit = "astpp.billing.run"

    def _scope_domain(self):
        """Return the domain of the accounts selected by the run's filters."""
        self.ensure_one()
        domain = Domain("billing_company_id", "=", self.company_id.id) & Domain("account_type", "!=", "provider")
        if self.issuer_ids:
            domain &= Domain("issuer_id", "in", self.issuer_ids.ids)
        if self.account_ids:
            domain &= Domain("id", "in", self.account_ids.ids)
        return domain

    def _due_domain(self, until=None):
        """Return the domain of the accounts that are due.

        These are active postpaid accounts whose period has ended, and suspended, closed and newly prepaid
        accounts with unbilled usage: their final invoice does not wait for the end of the period, nor does the last one
        of an account that another company invoices now. A run *up to now* does not wait for it either.

        :param until: moment by which a period must have ended, naive UTC; now if not given
        """
        scope = self._scope_domain() & Domain("invoice_enabled", "=", True)
        ended = Domain("next_period_end", "<=", until or fields.Datetime.now())
        ended &= Domain("next_invoice_date", "<=", self.date)
        running = Domain("status", "=", "active") & Domain("payment_mode", "=", "postpaid")
        due = scope & ((running & ended) | Domain("id", "in", self._used_ids(scope, ended, running)))
        if self._may_cut():
            chosen = Domain("id", "in", self.account_ids.ids) if self.account_ids else Domain.TRUE
            chosen &= Domain("invoice_enabled", "=", True)
            due |= chosen & Domain("id", "in", self._left_behind_ids())
        return due

    def _left_behind_ids(self, accounts=None):
        """Return the ids of accounts that moved to another company and have usage that is still this one's to bill.

        :param accounts: look at these only
        """
        # sudo: users of the run's company may not see issuers, and each company asks for its own only.
        issuers = self.env["astpp.issuer"].sudo().search([("company_id", "=", self.company_id.id)])
        if self.issuer_ids:
            issuers &= self.issuer_ids
        return self.env["astpp.usage"]._left_behind(issuers, fields.Datetime.now(), NO_REFILLS, accounts)

    def _used_ids(self, scope, ended, running):
        """Return the ids of the accounts that are due because they have unbilled usage.

        The first final invoice is made at once; usage that arrives later is billed at the end of its period as usual.
        Failed calls do not count, because they are not invoiced and would keep the account due forever.
        """
        if self._may_cut():
            left = Domain("status", "!=", "active") & (Domain("final_date", "=", False) | ended)
            left |= Domain("payment_mode", "=", "prepaid")
            if self.up_to_now:
                left |= running
        else:
            left = Domain("status", "!=", "active") & ended
        accounts = self.env["astpp.account"]._search(scope & left)
        return self.env["astpp.usage"]._accounts_with_unbilled(accounts.select(), fields.Datetime.now(), NO_REFILLS)

    def _may_cut(self):
        """Tell whether the run may end running periods early: not if it is about the past."""
        return self.date >= fields.Date.context_today(self)

    def _periods(self, accounts, until=None):
        """Return {account: [(start, end), …]} of the periods that are due, naive UTC, the oldest first.

        :param until: as for ``_due_domain``
        """
        now = fields.Datetime.now()
        uncertain = accounts.filtered(lambda account: account.status != "active" or self.up_to_now)
        last_used = self.env["astpp.usage"]._last_unbilled(uncertain, now, NO_REFILLS)

        def cut(account):
            early = self.up_to_now or (account.status != "active" and not account.final_date)
            return now if early and self._may_cut() else None

        return {
            account: list(account._due_periods(self.date, until or now, cut(account), last_used.get(account.id)))
            if account.billing_company_id == self.company_id
            # Another company bills the account's periods now: this is what is left here.
            else [(min(account.billed_until or now, now), now)]
            for account in accounts
        }
