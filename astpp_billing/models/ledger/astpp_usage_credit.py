from decimal import Decimal

from odoo import api, models
from odoo.exceptions import UserError
from odoo.tools import SQL

from .total_key import KEY, columns, waiting_state

COPIED = SQL("%s, until, lines, calls, duration, amount, credit, cost, first_date, last_date", columns(KEY))


class AstppUsage(models.Model):
    """Single lines of an invoice are credited: in money, and exactly once.

    Lines to credit get a total of their own on their invoice line. A second total with negative sums, on the line of
    the credit note, names it: billed less credited is what is in force. When the lines are to be billed again, their
    total leaves the invoice, and a record of what it came to stays there in its place.
    """

    _inherit = "astpp.usage"

    def _check_creditable(self):
        """Refuse to credit what is not on a posted invoice in force, or is on a credit note already.

        :raise UserError: says which lines, and what to do instead
        """
        if not self:
            raise UserError(self.env._("Choose the usage to credit."))
        reasons = [
            (
                self.filtered(lambda usage: usage.total_id.credit_ids),
                self.env._("is on a credit note already"),
            ),
            (
                self.filtered(lambda usage: usage.total_id.state not in ("billed", "credited")),
                self.env._("is on no invoice"),
            ),
            (
                self.filtered(lambda usage: usage.move_id.state == "draft"),
                self.env._("is on a draft: confirm it, or cancel it to bill its usage anew"),
            ),
            (
                self.filtered(lambda usage: usage.move_id.move_type != "out_invoice"),
                self.env._("is not on an invoice to a customer"),
            ),
        ]
        for wrong, reason in reasons:
            if wrong:
                raise UserError(
                    self.env._(
                        "%(count)s of the lines cannot be credited. That of %(date)s, %(line)s, %(reason)s.",
                        count=len(wrong),
                        date=wrong[0].date,
                        line=wrong[0].callee or wrong[0].description or wrong[0].charge_type,
                        reason=reason,
                    )
                )

    def _set_apart(self):
        """Give these billed lines totals of their own on the invoice lines that bill them.

        :return: the ``astpp.usage.total``
        """
        self.flush_recordset()
        self._split_totals(
            SQL(
                """
                SELECT t.id AS old_id, nextval('astpp_usage_total_id_seq') AS new_id, t.until
                  FROM astpp_usage_total t
                 WHERE t.state = 'billed' AND t.id IN (SELECT total_id FROM astpp_usage WHERE id = ANY(%s))
                """,
                self.ids,
            ),
            SQL("u.id = ANY(%s)", self.ids),
        )
        return self.total_id

    @api.model
    def _credited_before(self, lines) -> dict:
        """Return {invoice line id: what of its usage is on credit notes, draft or posted}, in the server's currency."""
        self.env["astpp.usage.total"].flush_model()
        rows = self.env.execute_query(
            SQL(
                """
                SELECT t.move_line_id, -sum(c.amount)
                  FROM astpp_usage_total t JOIN astpp_usage_total c ON c.credited_id = t.id
                 WHERE t.move_line_id = ANY(%s) GROUP BY 1
                """,
                lines.ids,
            )
        )
        return {line: Decimal(str(amount)) for line, amount in rows}

    @api.model
    def _credit(self, links):
        """Point lines of credit notes to the totals that they credit, in one statement.

        :param links: list of (``astpp.usage.total`` of ``_set_apart``, ``account.move.line``)
        """
        self.env.cr.execute(
            SQL(
                """
                INSERT INTO astpp_usage_total (%(key)s, until, takes_lines, state, credited_id, move_line_id, move_id,
                                               lines, calls, duration, amount, credit, cost, first_date, last_date,
                                               changed_date)
                SELECT %(key_of_t)s, t.until, FALSE, 'credit', t.id, link.line_id, link.document_id,
                       t.lines, t.calls, t.duration, -t.amount, 0, -t.cost, t.first_date, t.last_date,
                       now() AT TIME ZONE 'UTC'
                  FROM unnest(%(totals)s::int[], %(lines)s::int[], %(documents)s::int[])
                       AS link(total_id, line_id, document_id)
                  JOIN astpp_usage_total t ON t.id = link.total_id
                """,
                key=columns(KEY),
                key_of_t=columns(KEY, "t"),
                totals=[total.id for total, _line in links],
                lines=[line.id for _total, line in links],
                documents=[line.move_id.id for _total, line in links],
            )
        )
        self._forget_billed()

    @api.model
    def _confirm_credit(self, document, again: bool):
        """Take what a credit note credits out of force, now that the note is posted.

        :param document: ``account.move``, the credit note
        :param again: its usage is to be billed again
        """
        credits_of = SQL("c.credited_id = t.id AND c.state = 'credit' AND c.move_id = %s", document.id)
        if again:
            self._leave_record(credits_of)
        else:
            self.env.cr.execute(
                SQL(
                    """
                    UPDATE astpp_usage_total t SET state = 'credited', changed_date = now() AT TIME ZONE 'UTC'
                      FROM astpp_usage_total c WHERE %s AND t.state = 'billed'
                    """,
                    credits_of,
                )
            )
        self._forget_billed()

    @api.model
    def _leave_record(self, credits_of: SQL):
        """Set credited totals free, and leave a record of their sums on the invoice in their place, in one statement.

        :param credits_of: condition on the credit ``c`` and the credited ``astpp_usage_total t``
        """
        self.env.cr.execute(
            SQL(
                """
                WITH freed AS MATERIALIZED (
                    SELECT c.id AS credit_id, t.id AS freed_id, nextval('astpp_usage_total_id_seq') AS record_id
                      FROM astpp_usage_total c JOIN astpp_usage_total t ON %(credits_of)s
                     WHERE t.state = 'billed'
                ), record AS (
                    INSERT INTO astpp_usage_total (id, takes_lines, state, move_line_id, move_id, %(copied)s, changed_date)
                    SELECT freed.record_id, FALSE, 'credited', t.move_line_id, t.move_id, %(copied)s,
                           now() AT TIME ZONE 'UTC'
                      FROM freed JOIN astpp_usage_total t ON t.id = freed.freed_id
                )
                UPDATE astpp_usage_total t
                   SET credited_id = CASE WHEN t.id = freed.credit_id THEN freed.record_id ELSE t.credited_id END,
                       move_line_id = CASE WHEN t.id = freed.credit_id THEN t.move_line_id END,
                       move_id = CASE WHEN t.id = freed.credit_id THEN t.move_id END,
                       state = CASE WHEN t.id = freed.credit_id THEN t.state ELSE %(waiting)s END,
                       changed_date = now() AT TIME ZONE 'UTC'
                  FROM freed WHERE t.id IN (freed.credit_id, freed.freed_id)
                """,
                credits_of=credits_of,
                copied=COPIED,
                waiting=waiting_state("t"),
            )
        )

    @api.model
    def _reopen_credit(self, documents):
        """Put back in force what these credit notes credit, now that they are drafts again.

        :param documents: ``account.move``
        """
        if not documents:
            return
        self.env.cr.execute(
            SQL(
                """
                UPDATE astpp_usage_total t SET state = 'billed', changed_date = now() AT TIME ZONE 'UTC'
                  FROM astpp_usage_total c
                 WHERE c.credited_id = t.id AND c.move_id = ANY(%s) AND t.state = 'credited'
                """,
                documents.ids,
            )
        )
        if self.env.cr.rowcount:
            self._forget_billed()

    @api.model
    def _drop_credit(self, lines):
        """Forget that these lines credit usage, and put it back in force.

        :param lines: ``account.move.line`` of credit notes that are cancelled or deleted
        """
        if not lines:
            return
        self.env.cr.execute(
            SQL(
                """
                WITH dropped AS (
                    DELETE FROM astpp_usage_total WHERE state = 'credit' AND move_line_id = ANY(%s) RETURNING credited_id
                )
                UPDATE astpp_usage_total t SET state = 'billed', changed_date = now() AT TIME ZONE 'UTC'
                  FROM dropped WHERE t.id = dropped.credited_id AND t.state = 'credited'
                """,
                lines.ids,
            )
        )
        self._forget_billed()
