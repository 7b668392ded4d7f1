from odoo import api, fields, models
from odoo.tools import SQL

from ..parties.astpp_account_term import BEGINNING

# Fields of an account that its terms repeat.
TERMS = ("parent_id", "issuer_id", "partner_id", "payment_mode")


class AstppAccount(models.Model):
    """An account's terms, by date: every change of who, for whom and in what mode is a row from then on."""

    _inherit = "astpp.account"

    term_ids = fields.One2many("astpp.account.term", "account_id", string="Terms")

    def _below(self):
        """Return these accounts and those below them, closed and archived ones too."""
        return self.with_context(active_test=False).search([("id", "child_of", self.ids)])

    def _keep_terms(self):
        """Write the terms that accounts have from now on, where they differ from the last ones, in one statement.

        Terms under which nothing was used yet are changed: an account that is being set up has no history.

        :return: naive UTC, the moment from which on terms may have changed
        """
        now = fields.Datetime.now()
        if not self:
            return now
        self.flush_recordset()
        self.env["astpp.account.term"].flush_model()
        self.env.cr.execute(
            SQL(
                """
                INSERT INTO astpp_account_term (account_id, company_id, date_from, %(terms)s, elsewhere)
                SELECT a.id, a.company_id,
                       CASE WHEN last.id IS NULL THEN %(beginning)s
                            WHEN EXISTS (SELECT FROM astpp_usage_total u WHERE u.account_id = a.id AND u.lines > 0
                                            AND u.last_date >= last.date_from) THEN GREATEST(%(now)s, last.date_from)
                            ELSE last.date_from END, %(terms_of_a)s,
                       COALESCE(last.elsewhere, FALSE)
                  FROM astpp_account a
             LEFT JOIN LATERAL (SELECT * FROM astpp_account_term t WHERE t.account_id = a.id
                              ORDER BY t.date_from DESC LIMIT 1) last ON TRUE
                 WHERE a.id = ANY(%(ids)s) AND a.issuer_id IS NOT NULL
                   AND (last.id IS NULL OR (%(terms_of_a)s) IS DISTINCT FROM (%(terms_of_last)s))
           ON CONFLICT (account_id, date_from) DO UPDATE SET %(changes)s
                """,
                terms=self._term_columns(),
                terms_of_a=self._term_columns("a"),
                terms_of_last=self._term_columns("last"),
                changes=SQL(", ").join(
                    SQL("%s = %s", SQL.identifier(name), SQL.identifier("excluded", name)) for name in TERMS
                ),
                now=now,
                beginning=BEGINNING,
                ids=self.ids,
            )
        )
        self.env["astpp.account.term"].invalidate_model()
        self.invalidate_recordset(["term_ids"])
        return now

    def _follow_issuers(self):
        """Have the running terms of accounts name the issuer that they have now, as if it had always been so.

        A reseller who becomes an issuer takes over what nobody has invoiced yet; moving accounts is another matter.
        """
        self.flush_recordset()
        self.env["astpp.account.term"].flush_model()
        self.env.cr.execute(
            SQL(
                """
                UPDATE astpp_account_term t SET issuer_id = a.issuer_id
                  FROM astpp_account a
                 WHERE a.id = ANY(%s) AND t.account_id = a.id AND a.issuer_id IS NOT NULL
                   AND t.parent_id IS NOT DISTINCT FROM a.parent_id AND t.issuer_id IS DISTINCT FROM a.issuer_id
                   AND NOT EXISTS (SELECT FROM astpp_account_term n WHERE n.account_id = a.id AND n.date_from > t.date_from
                                      AND n.parent_id IS DISTINCT FROM a.parent_id)
                """,
                self.ids,
            )
        )
        self.env["astpp.account.term"].invalidate_model()

    def _bill_elsewhere_until(self):
        """Have usage before ``billed_until`` belong to whoever billed these accounts until then."""
        self.flush_recordset()
        self.env["astpp.account.term"].flush_model()
        self.env.cr.execute(
            SQL(
                """
                INSERT INTO astpp_account_term (account_id, company_id, date_from, %(terms)s, elsewhere)
                SELECT a.id, a.company_id, a.billed_until, %(terms_of_t)s, FALSE
                  FROM astpp_account a
            CROSS JOIN LATERAL (SELECT * FROM astpp_account_term t WHERE t.account_id = a.id
                                   AND t.date_from <= a.billed_until ORDER BY t.date_from DESC LIMIT 1) t
                 WHERE a.id = ANY(%(ids)s) AND a.billed_until IS NOT NULL
           ON CONFLICT (account_id, date_from) DO NOTHING;
                UPDATE astpp_account_term t SET elsewhere = t.date_from < a.billed_until
                  FROM astpp_account a WHERE a.id = ANY(%(ids)s) AND t.account_id = a.id AND a.billed_until IS NOT NULL
                """,
                terms=self._term_columns(),
                terms_of_t=self._term_columns("t"),
                ids=self.ids,
            )
        )
        self.env["astpp.account.term"].invalidate_model()
        self.invalidate_recordset(["term_ids"])

    @api.model
    def _term_columns(self, alias=None):
        return SQL(", ").join(SQL.identifier(alias, name) if alias else SQL.identifier(name) for name in TERMS)
