from odoo import fields, models
from odoo.fields import Domain
from odoo.tools import SQL

from .astpp_billing_result import OPEN


class AstppBillingRun(models.Model):
    """A run's list: written once when the run starts, and claimed batch after batch."""

    _inherit = "astpp.billing.run"

    def _due_periods(self):
        """Return {account: [(start, end), …]} of what is due and on no other run's list.

        The scheduled action leaves failures alone as well: they are tried again by the run that has them.
        """
        self.ensure_one()
        own = Domain("company_id", "=", self.company_id.id)
        taken = own & Domain("state", "=", "pending") & Domain("run_id.state", "=", "running")
        if self.scheduled:
            failed = own & Domain("retry_date", "!=", False)
            taken |= failed & Domain("retry_date", ">", fields.Datetime.now())
            taken |= failed & Domain("run_id.state", "!=", "stopped")
        # sudo: items are the run's log, whoever starts the next one.
        others = self.env["astpp.billing.result"].sudo().search(taken)
        # Failures that changes of their account have overtaken stand in nobody's way.
        others = others.filtered(lambda item: item.state == "pending" or item._is_due()).account_id
        return self._periods(self.env["astpp.account"].search(self._due_domain() & Domain("id", "not in", others.ids)))

    def _write_list(self, periods):
        """Write an item for each account and period, in one statement.

        Open items that a stopped run left, or that failed, are taken over. If another process has just listed the same
        period, this transaction fails and begins anew.

        :param periods: result of ``_due_periods``
        """
        self.ensure_one()
        rows = sorted(
            (account.id, start, end, account.issuer_id.id) for account in periods for start, end in periods[account]
        )
        if not rows:
            return
        self.env.flush_all()
        self.env.cr.execute(
            SQL(
                """
                INSERT INTO astpp_billing_result (run_id, company_id, account_id, issuer_id, period_start, period_end,
                                                  state, failures, create_uid, write_uid, create_date, write_date)
                SELECT %(run)s, %(company)s, d.account_id, d.issuer_id, d.period_start, d.period_end,
                       'pending', 0, %(uid)s, %(uid)s, now() AT TIME ZONE 'UTC', now() AT TIME ZONE 'UTC'
                  FROM unnest(%(accounts)s::int[], %(starts)s::timestamp[], %(ends)s::timestamp[], %(issuers)s::int[])
                       AS d(account_id, period_start, period_end, issuer_id)
              -- Everybody takes them in this order, so that nobody waits in a circle.
              ORDER BY d.account_id, d.period_start
           ON CONFLICT (account_id, company_id, period_start) WHERE %(open)s
             DO UPDATE SET run_id = EXCLUDED.run_id, issuer_id = EXCLUDED.issuer_id,
                           period_end = EXCLUDED.period_end, state = 'pending', write_uid = EXCLUDED.write_uid,
                           write_date = EXCLUDED.write_date
                """,
                run=self.id,
                company=self.company_id.id,
                uid=self.env.uid,
                accounts=[row[0] for row in rows],
                starts=[row[1] for row in rows],
                ends=[row[2] for row in rows],
                issuers=[row[3] or None for row in rows],
                open=SQL(OPEN),
            )
        )
        self.env["astpp.billing.result"]._forget_items()

    def _claim(self, limit):
        """Lock the next items of the run that no other process has locked, and return them.

        Items that changes of their account have overtaken are dropped.
        """
        self.ensure_one()
        while True:
            items = self._lock_items(limit)
            stale = items.filtered(lambda item: not item._is_due())
            # sudo: items are the run's log, readonly for users.
            stale.sudo().unlink()
            if stale != items or not items:
                return items - stale

    def _lock_items(self, limit):
        """Lock items that can be billed now, and their accounts, until the end of the transaction.

        Accounts that share an invoice with a locked one are included.
        """
        lock = SQL("FOR NO KEY UPDATE OF i, a SKIP LOCKED")
        items = self._workable(limit=limit, lock=lock)
        partners = items.account_id.partner_id.filtered("astpp_one_invoice")
        if not partners:
            return items
        shared = SQL("a.partner_id = ANY(%s)", partners.ids)
        items |= self._workable(shared, lock=lock)
        # If another process has locked some accounts of a shared invoice, leave them all to whoever gets all of them.
        split = (self._workable(shared) - items).account_id.partner_id
        return items.filtered(lambda item: item.account_id.partner_id not in split)

    def _workable(self, where=None, limit=None, lock=None):
        """Return the items of the run that can be billed now: of each account the first open one, if its time has come.

        :param where: condition on ``astpp_billing_result i`` and ``astpp_account a``
        :param lock: locking clause
        """
        self.env["astpp.account"].flush_model()
        items = self.env["astpp.billing.result"]
        items.flush_model()
        rows = self.env.execute_query(
            SQL(
                """
                SELECT i.id
                  FROM astpp_billing_result i JOIN astpp_account a ON a.id = i.account_id
                 WHERE i.run_id = %s AND (i.state = 'pending' OR i.retry_date <= %s) AND %s
                   AND NOT EXISTS (SELECT 1 FROM astpp_billing_result e
                                    WHERE e.account_id = i.account_id AND e.company_id = i.company_id
                                      AND e.period_start < i.period_start
                                      AND (e.state = 'pending' OR e.retry_date IS NOT NULL))
              ORDER BY a.issuer_id, a.partner_id, a.id
                 LIMIT %s %s
                """,
                self.id,
                fields.Datetime.now(),
                where or SQL("TRUE"),
                limit,
                lock or SQL(),
            )
        )
        return items.browse(item_id for (item_id,) in rows)

    def _left_counts(self):
        """Return {run id: accounts that are left to bill}, leaving out those whose failure waits for its next attempt."""
        self.env["astpp.billing.result"].flush_model()
        return dict(
            self.env.execute_query(
                SQL(
                    """
                    SELECT i.run_id, count(DISTINCT i.account_id)
                      FROM astpp_billing_result i
                     WHERE i.run_id = ANY(%(runs)s) AND (i.state = 'pending' OR i.retry_date <= %(now)s)
                       AND NOT EXISTS (SELECT 1 FROM astpp_billing_result e
                                        WHERE e.account_id = i.account_id AND e.company_id = i.company_id
                                          AND e.period_start < i.period_start AND e.state = 'failed' AND e.retry_date > %(now)s)
                  GROUP BY i.run_id
                    """,
                    runs=self.ids,
                    now=fields.Datetime.now(),
                )
            )
        )
