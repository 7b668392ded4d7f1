from odoo import api, models
from odoo.tools import SQL

from ..parties.astpp_account_term import BEGINNING
from .usage_state import NOT_BILLED


class AstppUsage(models.Model):
    """Ownership of usage: customer, issuer and payment mode are copied from the account and kept in step with it.

    Billed usage keeps its issuer, who issued the document. Usage never moves from one account to another.
    """

    _inherit = "astpp.usage"

    @api.model
    def _terms_at(self, account: str, date: SQL) -> SQL:
        """Return the lateral query for the terms ``term`` that an account has at a moment.

        :param account: alias of ``astpp_account``
        :param date: SQL of the moment
        """
        return SQL(
            """
            LATERAL (SELECT partner_id, issuer_id, payment_mode = 'prepaid' AS prepaid, elsewhere
                       FROM astpp_account_term x
                      WHERE x.account_id = %s AND x.date_from <= %s ORDER BY x.date_from DESC LIMIT 1) term
            """,
            SQL.identifier(account, "id"),
            date,
        )

    @api.model
    def _adopt(self, accounts):
        """Assign the usage that came in for accounts before they were known.

        If several accounts share a number, the one that is not closed gets its usage, else the newest closed one.
        """
        accounts.flush_recordset()
        self.env["astpp.account.term"].flush_model()
        self.flush_model()
        self.env.cr.execute(
            SQL(
                """
                UPDATE astpp_usage u
                   SET account_id = owner.id, partner_id = owner.partner_id, issuer_id = owner.issuer_id,
                       prepaid = owner.prepaid, elsewhere = owner.elsewhere,
                       exception = u.second_exception, second_exception = NULL, account_ref = NULL
                  FROM (SELECT w.id AS usage_id, a.id, term.*
                          FROM astpp_account a
                          JOIN astpp_usage w ON w.account_id IS NULL AND w.server_id = a.server_id
                                            AND w.account_ref IN (a.number, '#' || a.astpp_id)
                    CROSS JOIN %(terms)s
                         WHERE a.id = ANY(%(ids)s)
                           AND (w.account_ref = '#' || a.astpp_id
                                OR a.id = (SELECT o.id FROM astpp_account o
                                            WHERE o.server_id = a.server_id AND o.number = a.number
                                         ORDER BY o.status = 'closed', o.id DESC LIMIT 1))) AS owner
                 WHERE u.id = owner.usage_id
                """,
                ids=accounts.ids,
                terms=self._terms_at("a", SQL("w.date")),
            )
        )
        if self.env.cr.rowcount:
            self.invalidate_model()
            self._retotal(
                SQL(
                    "u.account_id = ANY(%s) AND u.total_id IN (SELECT id FROM astpp_usage_total WHERE account_id IS NULL)",
                    accounts.ids,
                )
            )

    @api.model
    def _reterm(self, accounts, since=None):
        """Give unbilled usage of accounts the terms of its own date, after terms have changed.

        What a document bills keeps its terms: it was billed by them.

        :param since: naive UTC; usage before that is not looked at
        """
        if not accounts:
            return
        self.env["astpp.account.term"].flush_model()
        self.flush_model()
        changed = self.env.execute_query(
            SQL(
                """
                UPDATE astpp_usage u
                   SET partner_id = new.partner_id, issuer_id = new.issuer_id, prepaid = new.prepaid, elsewhere = new.elsewhere
                  FROM (SELECT w.id, term.*
                          FROM astpp_account a
                          JOIN astpp_usage_total t ON t.account_id = a.id AND t.move_line_id IS NULL AND t.last_date >= %(since)s
                          JOIN astpp_usage w ON w.total_id = t.id AND w.date >= %(since)s
                    CROSS JOIN %(terms)s
                         WHERE a.id = ANY(%(ids)s)
                           AND (w.partner_id, w.issuer_id, COALESCE(w.prepaid, FALSE), COALESCE(w.elsewhere, FALSE))
                               IS DISTINCT FROM (term.partner_id, term.issuer_id, term.prepaid, COALESCE(term.elsewhere, FALSE))
                       ) AS new
                 WHERE u.id = new.id
             RETURNING u.id
                """,
                ids=accounts.ids,
                since=since or BEGINNING,
                terms=self._terms_at("a", SQL("w.date")),
            )
        )
        if changed:
            self.invalidate_model()
            self._retotal(SQL("u.id = ANY(%s)", [usage_id for (usage_id,) in changed]))

    @api.model
    def _merge_customers(self, sources, target):
        """Have all usage of contacts name the one that they are merged into; it has no foreign key that Odoo would follow.

        :param sources: ``res.partner``
        :param target: ``res.partner``
        """
        self.flush_model()
        self.env.cr.execute(
            SQL(
                """
                UPDATE astpp_usage_total SET takes_lines = FALSE WHERE takes_lines AND partner_id = ANY(%(sources)s);
                UPDATE astpp_usage u SET partner_id = %(target)s
                  FROM astpp_usage_total t
                 WHERE t.partner_id = ANY(%(sources)s) AND u.total_id = t.id
                """,
                sources=sources.ids,
                target=target.id,
            )
        )
        self.invalidate_model()

    @api.model
    def _disown(self, account, account_ref: str):
        """Take usage away from an account that got it by a number it does not own; it waits for the right account.

        Billed usage stays with the account, and so do Odoo's own charges.

        :param account_ref: the number by which the usage waits for its account
        """
        self.flush_model()
        disowned = self.env.execute_query(
            SQL(
                """
                UPDATE astpp_usage SET account_id = NULL, partner_id = NULL, issuer_id = NULL, prepaid = FALSE,
                       elsewhere = FALSE,
                       second_exception = exception, exception = 'unknown_account', account_ref = %s
                 WHERE account_id = %s AND %s AND subscription_id IS NULL
                   AND source NOT IN ('subscription', 'manual')
             RETURNING id
                """,
                account_ref,
                account.id,
                NOT_BILLED.sql,
            )
        )
        if disowned:
            self.invalidate_model()
            self._retotal(SQL("u.id = ANY(%s)", [usage_id for (usage_id,) in disowned]))
