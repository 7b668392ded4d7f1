from typing import NamedTuple

from odoo import api, fields, models
from odoo.tools import SQL

from ...csv_file import csv_chunks


class HistoryLine(NamedTuple):
    """A line of the charge history, in the column order of ``_history_query``."""

    date: str
    """in the account's time zone, YYYY-MM-DD HH:MM:SS"""
    account: str | None
    """the account's number, or the source's name of an unknown account"""
    invoice: str | None
    """the number of the posted invoice that bills it, if the reader may see that invoice"""
    charge_type: str
    direction: str | None
    description: str | None
    caller: str | None
    callee: str | None
    destination: str | None
    seconds: int | None
    debit: float
    """in the server's base currency, like ``credit``"""
    credit: float
    currency: str

    @classmethod
    def of(cls, row, types, directions):
        """Return the line of a row, with type and direction replaced by the labels of ``_history_labels``."""
        date, account, invoice, charge_type, direction, *rest = row
        return cls._make((date, account, invoice, types.get(charge_type), directions.get(direction), *rest))


class AstppUsage(models.Model):
    """The ledger as a customer's charge history: debit, credit and running balance (ASTPP facts 5.8)."""

    _inherit = "astpp.usage"

    debit = fields.Float(
        digits=(20, 6), compute="_compute_debit", help="What is charged, in the server's base currency."
    )
    credit = fields.Float(
        digits=(20, 6), compute="_compute_debit", help="What is given, in the server's base currency."
    )
    balance = fields.Float(
        string="Running Balance",
        digits=(20, 6),
        compute="_compute_balance",
        help="All charges less all credits of the account up to this line, held ones left out.",
    )
    payment_state = fields.Selection(related="move_id.payment_state", string="Payment")

    @api.depends("amount")
    def _compute_debit(self):
        for usage in self:
            usage.debit, usage.credit = max(usage.amount, 0.0), max(-usage.amount, 0.0)

    def _field_to_sql(self, alias, field_expr, query=None):
        """Compute debit and credit from the amount in SQL, so that lists can sum them without stored columns."""
        if field_expr in ("debit", "credit"):
            amount = super()._field_to_sql(alias, "amount", query)
            return SQL("GREATEST(%s, 0)", amount) if field_expr == "debit" else SQL("GREATEST(-%s, 0)", amount)
        return super()._field_to_sql(alias, field_expr, query)

    def _compute_balance(self):
        """Compute running balances in one statement: by days up to the day of each line shown, then line by line."""
        self.env["astpp.usage"].flush_model()
        rows = self.env.execute_query(
            SQL(
                """
                WITH shown AS (
                    SELECT DISTINCT account_id, date::date AS day FROM astpp_usage
                     WHERE id = ANY(%(ids)s) AND account_id IS NOT NULL
                ), line AS (
                    SELECT u.id, COALESCE(b.before, 0)
                               + COALESCE(sum(u.amount) FILTER (WHERE u.exception IS NULL)
                                          OVER (PARTITION BY u.account_id, s.day ORDER BY u.date, u.id), 0) AS balance
                      FROM shown s
                CROSS JOIN LATERAL (SELECT sum(d.amount) AS before FROM astpp_usage_day d
                                     WHERE d.account_id = s.account_id AND d.day < s.day AND NOT d.held) b
                      JOIN astpp_usage u ON u.account_id = s.account_id AND u.date >= s.day AND u.date < s.day + 1
                )
                SELECT id, balance FROM line WHERE id = ANY(%(ids)s)
                """,
                ids=self._origin.ids,
            )
        )
        balances = dict(rows)
        for usage in self:
            usage.balance = balances.get(usage._origin.id, 0.0)

    @api.model
    def _history_headings(self):
        """Return the translated headings of an exported charge history, one for each field of ``HistoryLine``."""
        return [
            self.env._("Date"), self.env._("Account"), self.env._("Invoice"), self.env._("Type"),
            self.env._("Direction"), self.env._("Description"), self.env._("From"), self.env._("Number Called"),
            self.env._("Destination"), self.env._("Seconds"), self.env._("Debit"), self.env._("Credit"),
            self.env._("Currency"),
        ]  # fmt: skip

    @api.model
    def _history_csv(self, domain):
        """Return the charge history of a domain as a CSV file in bytes."""
        return b"".join(csv_chunks(self._history_headings(), self._history_lines(domain)))

    @api.model
    def _history_lines(self, domain, documents=None):
        """Return the charge history of a domain as ``HistoryLine``s in the user's language (see ``_history_query``)."""
        labels = self._history_labels()
        rows = self.env.execute_query(self._history_query(domain, documents))
        return [HistoryLine.of(row, *labels) for row in rows]

    @api.model
    def _history_labels(self):
        """Return ({charge type: label}, {direction: label}) in the user's language."""
        return tuple(dict(self._fields[name]._description_selection(self.env)) for name in ("charge_type", "direction"))

    @api.model
    def _history_query(self, domain, documents=None):
        """Return the statement that reads the charge history of a domain, oldest first.

        Rows have the fields of ``HistoryLine``, with technical names of types and directions. Access is not checked:
        the caller is responsible for a domain that its user may see.

        :param documents: domain of the invoices whose numbers may be shown; None for all
        """
        query = self._search(domain, order="id")
        named = SQL("TRUE")
        if documents is not None:
            named = SQL("m.id IN %s", self.env["account.move"]._search(documents).subselect())
        return SQL(
            """
            SELECT to_char(u.date AT TIME ZONE 'UTC' AT TIME ZONE COALESCE(a.tz, 'UTC'), 'YYYY-MM-DD HH24:MI:SS') AS date,
                   COALESCE(a.number, u.account_ref) AS account,
                   CASE WHEN m.state = 'posted' AND m.move_type <> 'entry' AND %s THEN m.name END AS invoice,
                   u.charge_type, u.direction, u.description, u.caller, u.callee, u.destination, u.duration AS seconds,
                   GREATEST(u.amount, 0) AS debit, GREATEST(-u.amount, 0) AS credit, c.name AS currency
              FROM astpp_usage u
         LEFT JOIN astpp_account a ON a.id = u.account_id
         LEFT JOIN astpp_usage_total ut ON ut.id = u.total_id
         LEFT JOIN account_move m ON m.id = ut.move_id
         LEFT JOIN res_currency c ON c.id = u.currency_id
             WHERE u.id IN %s
          ORDER BY u.date, u.id
            """,
            named,
            query.subselect(),
        )
