from odoo import fields, models
from odoo.fields import Domain
from odoo.tools import SQL

# Refills are payments, billed by an entry of their own and never by an invoice.
NO_REFILLS = SQL("t.charge_type <> 'topup'")


class AstppBillingRun(models.Model):
    """Finding the accounts that a run bills, and locking them."""

    _inherit = "astpp.billing.run"

    def _scope_domain(self):
        """Return the domain of the accounts selected by the run's filters."""
        self.ensure_one()
        here = Domain("billing_company_id", "=", self.company_id.id) | Domain("id", "in", self._left_behind_ids())
        domain = here & Domain("account_type", "!=", "provider")
        if self.issuer_ids:
            domain &= Domain("issuer_id", "in", self.issuer_ids.ids)
        if self.account_ids:
            domain &= Domain("id", "in", self.account_ids.ids)
        return domain

    def _left_behind_ids(self):
        """Return the ids of the accounts that another company bills by now, and that have unbilled usage of this one."""
        self.env["astpp.account"].flush_model(["billing_company_id"])
        rows = self.env.execute_query(
            SQL(
                """
                SELECT DISTINCT a.id
                  FROM astpp_usage_total t
                  JOIN astpp_issuer i ON i.id = t.issuer_id AND i.company_id = %(company)s
                  JOIN astpp_account a ON a.id = t.account_id AND a.billing_company_id <> %(company)s
                 WHERE t.state = 'open' AND t.calls > 0
                """,
                company=self.company_id.id,
            )
        )
        return [account_id for (account_id,) in rows]

    def _due_domain(self):
        """Return the domain of the accounts to bill now.

        These are active postpaid accounts whose period has ended, and suspended, closed and newly prepaid
        accounts with unbilled usage: their final invoice does not wait for the end of the period.
        """
        scope = self._scope_domain() & Domain("invoice_enabled", "=", True)
        ended = Domain("next_period_end", "<=", fields.Datetime.now()) & Domain("next_invoice_date", "<=", self.date)
        running = Domain("status", "=", "active") & Domain("payment_mode", "=", "postpaid")
        running &= Domain("billing_company_id", "=", self.company_id.id)
        due = (running & ended) | Domain("id", "in", self._final_ids(scope, ended))
        if self.scheduled:
            now = fields.Datetime.now()
            scope &= Domain("billing_retry_date", "=", False) | Domain("billing_retry_date", "<=", now)
        # Accounts that failed wait for the next run; otherwise this one would never end.
        failed = self.env["astpp.billing.result"].search([("run_id", "in", self._origin.ids), ("state", "=", "failed")])
        return scope & due & Domain("id", "not in", failed.account_id.ids)

    def _final_ids(self, scope, ended):
        """Return the ids of the accounts that get a final invoice.

        The first final invoice is made at once; usage that arrives later is billed at the end of its period as usual.
        Failed calls do not count, because they are not invoiced and would keep the account due forever.
        """
        wanted = Domain("final_date", "=", False) | ended
        if self.date < fields.Date.context_today(self):
            wanted = ended
        left = Domain("status", "!=", "active") & wanted
        # What accounts left here that another company bills by now waits for nothing.
        left |= Domain("billing_company_id", "!=", self.company_id.id)
        if self.date >= fields.Date.context_today(self):
            left |= Domain("payment_mode", "=", "prepaid")
        accounts = self.env["astpp.account"]._search(scope & left)
        return self.env["astpp.usage"]._accounts_with_unbilled(accounts.select(), fields.Datetime.now(), NO_REFILLS)

    def _claim_due(self, limit):
        """Lock due accounts that no other run has locked, and return them.

        The lock is taken by the search itself and held until the end of the transaction. Accounts that
        share an invoice with a locked one are included.
        """
        self.ensure_one()
        domain = self._due_domain()
        accounts = self._lock_accounts(domain, limit)
        if not accounts:
            return accounts
        shared = domain & Domain("partner_id", "in", accounts.partner_id.filtered("astpp_one_invoice").ids)
        together = self._lock_accounts(shared)
        # If another run has locked some accounts of a shared invoice, leave them all to the run that gets all of them.
        split = (accounts.search(shared) - together).partner_id
        return (accounts | together).filtered(lambda account: account.partner_id not in split)

    def _lock_accounts(self, domain, limit=None):
        accounts = self.env["astpp.account"]
        accounts.flush_model()
        query = accounts._search(domain, order="issuer_id.id, partner_id.id, id", limit=limit)
        locked = self.env.execute_query(SQL("%s FOR NO KEY UPDATE OF astpp_account SKIP LOCKED", query.select()))
        return accounts.browse(row[0] for row in locked)
