from collections import defaultdict
from decimal import Decimal
from itertools import accumulate

from odoo import api, fields, models
from odoo.fields import Domain
from odoo.tools import SQL


class AccountMove(models.Model):
    """A customer's balance with an issuer, for the issuer's invoices and reminders.

    It is computed from the items on the customer's receivable accounts. An item belongs to the issuer of its document,
    or of the opening item (``astpp.opening``) that it is: what was open in ASTPP counts like a document.
    A payment belongs to the issuer of the invoices it pays, or of the journal it was received in. Anything else belongs
    to the only issuer the customer deals with, or to the operator if there are several.
    """

    _inherit = "account.move"

    def _astpp_statement(self):
        """Return the customer's balance with this issuer as of this invoice, or None if there is nothing beside it.

        :return: dict of amounts in the invoice's currency: ``before`` (open from earlier documents), ``paid``
            (payments since the previous document), ``credit`` (payments and credits not yet used for an invoice),
            ``this`` (open of this invoice), ``due`` (total; negative when the customer is in credit)
        """
        self.ensure_one()
        if self.move_type != "out_invoice" or self.state != "posted" or not self.astpp_issuer_id:
            return None
        last = self.sudo().search(self._astpp_earlier(), order="invoice_date desc, id desc", limit=1)
        before, others = self._astpp_open_amounts()
        totals = {
            "before": before,
            "paid": self._astpp_paid_since(last.invoice_date) if last else 0.0,
            "credit": max(-others, 0.0),
            "this": 0.0 if self.payment_state in ("paid", "in_payment") else self.amount_residual,
        }
        if not last and not totals["before"] and not totals["credit"]:
            return None
        totals["due"] = totals["before"] + totals["this"] - totals["credit"]
        return {name: self.currency_id.round(amount) for name, amount in totals.items()}

    def _astpp_earlier(self):
        """Return the domain of the issuer's earlier documents for this customer."""
        same_day = Domain("invoice_date", "=", self.invoice_date) & Domain("id", "<", self.id)
        return (
            Domain("astpp_issuer_id", "=", self.astpp_issuer_id.id)
            # By the customer's contacts: moves have an index on partner, none on commercial partner.
            & Domain("partner_id", "child_of", self.commercial_partner_id.id)
            & Domain("company_id", "=", self.company_id.id)
            & Domain("move_type", "in", ("out_invoice", "out_refund"))
            & Domain("state", "=", "posted")
            & (Domain("invoice_date", "<", self.invoice_date) | same_day)
        )

    def _astpp_open_amounts(self):
        """Return (open amount of the issuer's earlier documents, open amount of items other than its documents)."""
        rows = self.env.execute_query(
            SQL(
                """
                SELECT is_document, currency_id, sum(residual)
                  FROM (%s) item
                 WHERE residual <> 0 AND issuer_id = %s
                   AND (NOT is_document OR (invoice_date, move_id) < (%s, %s))
              GROUP BY 1, 2
                """,
                self._astpp_items(SQL("l.reconciled IS NOT TRUE")),
                self.astpp_issuer_id.id,
                self.invoice_date,
                self.id,
            )
        )
        return (
            self._astpp_in_currency((currency, self.invoice_date, amount) for own, currency, amount in rows if own),
            self._astpp_in_currency((currency, self.invoice_date, amount) for own, currency, amount in rows if not own),
        )

    def _astpp_paid_since(self, day):
        """Return what the customer paid this issuer from a day to the invoice date, each payment at its day's rate."""
        rows = self.env.execute_query(
            SQL(
                """
                SELECT currency_id, date, sum(-amount)
                  FROM (%s) item
                 WHERE issuer_id = %s
              GROUP BY 1, 2
                """,
                self._astpp_items(
                    SQL(
                        """
                        l.amount_currency < 0 AND l.date BETWEEN %s AND %s AND m.move_type = 'entry'
                        AND (m.origin_payment_id IS NOT NULL OR m.statement_line_id IS NOT NULL
                             OR m.astpp_account_id IS NOT NULL
                             OR %s)
                        """,
                        day,
                        self.invoice_date,
                        self.env["astpp.usage"]._bills_usage(SQL("m.id")),
                    )
                ),
                self.astpp_issuer_id.id,
            )
        )
        return self._astpp_in_currency(rows)

    def _astpp_in_currency(self, amounts):
        """Sum up amounts in the invoice's currency.

        :param amounts: [(currency id, date of the rate, amount)]
        """
        currencies = self.env["res.currency"]
        return sum(
            currencies.browse(currency)._convert(amount, self.currency_id, self.company_id, date, round=False)
            for currency, date, amount in amounts
        )

    def _astpp_covered(self):
        """Return those of these open invoices that the customer's credit would cover if it paid the oldest first."""
        if not self:
            return self
        covered = self._astpp_covered_by_credit(self.commercial_partner_id, self.company_id)
        return self.filtered(lambda move: move.id in covered)

    @api.model
    def _astpp_covered_by_credit(self, partners, companies):
        """Return which open items of customers their credit would cover if it paid the oldest first.

        :return: set of ids of invoices, and of negated ids of opening items
        """
        rows = self.env.execute_query(
            SQL(
                """
                SELECT partner_id, company_id, issuer_id,
                       CASE WHEN is_document AND residual > 0 THEN COALESCE(-opening_id, move_id) END,
                       min(date_maturity), currency_id, sum(residual)::text
                  FROM (%s) item WHERE residual <> 0 AND issuer_id <> 0
              GROUP BY 1, 2, 3, 4, currency_id
                """,
                self._astpp_items(SQL("l.reconciled IS NOT TRUE"), partners, companies),
            )
        )
        rates, credits, invoices = {}, defaultdict(Decimal), defaultdict(list)
        for partner, company, issuer, move, due, currency, amount in rows:
            if (currency, company) not in rates:
                rates[currency, company] = self._astpp_rate_today(currency, company)
            # Converted to company currency at today's rate, so equal amounts in one currency stay equal.
            value = Decimal(amount) * rates[currency, company]
            if move:
                invoices[partner, company, issuer].append((due or fields.Date.today(), move, value))
            else:
                credits[partner, company, issuer] -= value
        covered = set()
        for customer, credit in credits.items():
            oldest_first = sorted(invoices[customer])
            sums = accumulate(value for _due, _move, value in oldest_first)
            covered.update(
                move for (_due, move, _value), total in zip(oldest_first, sums, strict=True) if total <= credit
            )
        return covered

    def _astpp_rate_today(self, currency_id, company_id):
        company = self.env["res.company"].browse(company_id)
        currency = self.env["res.currency"].browse(currency_id)
        today = fields.Date.context_today(self)
        return Decimal(str(currency._get_conversion_rate(currency, company.currency_id, company, today)))

    def _astpp_items(self, condition, partners=None, companies=None):
        """Return the query of the receivable items of customers, each with its issuer.

        ``issuer_id`` is 0 when the item could belong to several issuers. ``is_document`` marks an issuer's invoices,
        credit notes and opening items; a document with status paid or in payment has no residual, even if its payment
        has no journal entry.

        :param condition: SQL condition on the items ``l`` and their moves ``m``
        :param partners: the customers, by default those of these invoices
        :param companies: the companies, by default those of these invoices
        """
        partners = self.commercial_partner_id if partners is None else partners.commercial_partner_id
        companies = self.company_id if companies is None else companies
        for model in (
            "account.move",
            "account.move.line",
            "account.partial.reconcile",
            "astpp.account",
            "astpp.issuer",
            "astpp.opening",
        ):
            self.env[model].flush_model()
        return SQL(
            """
              WITH customer AS (
                SELECT id, commercial_partner_id AS partner_id FROM res_partner WHERE commercial_partner_id IN %(partners)s
            ), deals AS (
                SELECT c.partner_id, i.company_id, i.id AS issuer_id, i.account_id IS NULL AS is_operator
                  FROM customer c JOIN astpp_account a ON a.partner_id = c.id JOIN astpp_issuer i ON i.id = a.issuer_id
                 UNION
                SELECT c.partner_id, i.company_id, i.id, i.account_id IS NULL
                  FROM customer c
                  JOIN account_move_line l ON l.partner_id = c.id AND l.parent_state = 'posted' AND l.reconciled IS NOT TRUE
                  JOIN account_account r ON r.id = l.account_id AND r.account_type = 'asset_receivable'
                  JOIN account_move m ON m.id = l.move_id
             LEFT JOIN astpp_opening o ON o.id = l.astpp_opening_id
                  JOIN astpp_issuer i ON i.id = COALESCE(m.astpp_issuer_id, o.issuer_id)
            ), usual AS (
                SELECT partner_id, company_id,
                       CASE WHEN count(*) = 1 THEN min(issuer_id)
                            ELSE COALESCE(min(issuer_id) FILTER (WHERE is_operator), 0) END AS issuer_id
                  FROM deals GROUP BY 1, 2
            )
            SELECT c.partner_id, l.company_id, l.move_id, l.currency_id, l.date, l.date_maturity,
                   l.amount_currency AS amount, o.id AS opening_id,
                   CASE WHEN o.id IS NULL THEN m.invoice_date ELSE COALESCE(o.date, l.date) END AS invoice_date,
                   m.astpp_issuer_id IS NOT NULL OR o.id IS NOT NULL AS is_document,
                   CASE WHEN m.astpp_issuer_id IS NOT NULL AND m.payment_state IN ('paid', 'in_payment') THEN 0
                        ELSE l.amount_residual_currency END AS residual,
                   COALESCE(m.astpp_issuer_id, o.issuer_id, a.issuer_id, pays.issuer_id, came.issuer_id, usual.issuer_id, 0) AS issuer_id
              FROM customer c
              JOIN account_move_line l ON l.partner_id = c.id AND l.parent_state = 'posted'
              JOIN account_account r ON r.id = l.account_id AND r.account_type = 'asset_receivable'
              JOIN account_move m ON m.id = l.move_id
         LEFT JOIN astpp_opening o ON o.id = l.astpp_opening_id
         LEFT JOIN astpp_account a ON a.id = m.astpp_account_id
         LEFT JOIN usual ON usual.partner_id = c.partner_id AND usual.company_id = l.company_id
         LEFT JOIN LATERAL (
                SELECT CASE WHEN count(DISTINCT COALESCE(d.astpp_issuer_id, od.issuer_id)) = 1
                            THEN min(COALESCE(d.astpp_issuer_id, od.issuer_id)) END AS issuer_id
                  FROM account_partial_reconcile p
                  JOIN account_move_line dl ON dl.id = p.debit_move_id
                  JOIN account_move d ON d.id = dl.move_id
             LEFT JOIN astpp_opening od ON od.id = dl.astpp_opening_id
                 WHERE p.credit_move_id = l.id
                   ) pays ON m.astpp_issuer_id IS NULL
         LEFT JOIN LATERAL (
                SELECT CASE WHEN count(d.issuer_id) = 1 THEN min(d.issuer_id) WHEN count(*) > 0 THEN 0 END AS issuer_id
                  FROM astpp_issuer i
             LEFT JOIN deals d ON d.issuer_id = i.id AND d.partner_id = c.partner_id
                 WHERE i.payment_journal_id = m.journal_id
                   ) came ON m.astpp_issuer_id IS NULL
             WHERE l.company_id IN %(companies)s AND %(condition)s
            """,
            partners=tuple(partners.ids),
            companies=tuple(companies.ids),
            condition=condition,
        )
