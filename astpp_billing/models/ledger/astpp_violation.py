from datetime import timedelta

from odoo import api, fields, models
from odoo.exceptions import AccessError
from odoo.tools import SQL

from .astpp_usage_days import SUMS_OF_LINES

# When the ledger was checked last.
CHECKED = "astpp_billing.ledger_checked"


class AstppViolation(models.Model):
    """A contradiction between ledger and invoices, found by the ledger check.

    Every usage line must be unbilled or on exactly one invoice line in force, and every invoice line that bills usage
    must equal the rounded sum of it. For each invoice, the amount billed less the amount credited must be zero if its
    usage was set free, and never negative.
    """

    _name = "astpp.violation"
    _description = "Ledger Violation"
    _log_access = False
    _order = "move_id desc, id"

    company_id = fields.Many2one("res.company", required=True, readonly=True)
    kind = fields.Selection(
        [
            ("not_in_force", "Billed by an invoice that is not in force"),
            ("other_sum", "Usage differs from what was billed"),
            ("other_amount", "Amount differs from its usage"),
            ("other_account", "Billed on another account's invoice"),
            ("other_credit", "Credit notes differ from the invoice whose usage they set free"),
            ("no_usage", "Bills a period, and no usage"),
            ("other_total", "Total differs from its usage"),
            ("other_day", "Day differs from its usage"),
            ("no_total", "Usage without a total"),
        ],
        required=True,
        readonly=True,
    )
    move_id = fields.Many2one("account.move", string="Invoice", readonly=True, ondelete="cascade")
    move_line_id = fields.Many2one("account.move.line", string="Invoice Line", readonly=True, ondelete="cascade")
    partner_id = fields.Many2one(related="move_id.partner_id")
    total_id = fields.Many2one("astpp.usage.total", readonly=True, ondelete="cascade")
    day_id = fields.Many2one("astpp.usage.day", readonly=True, ondelete="cascade")
    usage_count = fields.Integer(string="Usage Lines", readonly=True)
    expected = fields.Float(digits=(20, 6), readonly=True, help="What it should be.")
    found = fields.Float(digits=(20, 6), readonly=True)
    date = fields.Datetime(string="Found On", readonly=True)

    def action_check(self):
        """Check the whole ledger, notify the user of the result and reload the list."""
        self.check_access("read")
        if not self.env.user.has_group("account.group_account_invoice"):
            raise AccessError(self.env._("Only accountants can have the ledger checked."))
        self._check()
        # Record rules exclude violations in companies that the user may not see.
        if count := self.search_count([]):
            kind, message = "warning", self.env._("%s violations were found.", count)
        else:
            kind = "success"
            message = self.env._("Every usage line is unbilled or on one invoice in force, and every sum is right.")
        return {
            "type": "ir.actions.client",
            "tag": "display_notification",
            "params": {
                "type": kind,
                "message": message,
                "next": {"type": "ir.actions.client", "tag": "soft_reload"},
            },
        }

    @api.model
    def _cron_check(self):
        """Check what changed since the last check, and tell those responsible for the servers what was found, once."""
        parameters = self.env["ir.config_parameter"].sudo()
        since = fields.Datetime.to_datetime(parameters.get_param(CHECKED))
        # What was not yet committed then was dated before.
        now = fields.Datetime.now() - timedelta(days=1)
        self._check(since)
        parameters.set_param(CHECKED, fields.Datetime.to_string(now))
        companies = self.env["res.company"].union(*(company for (company,) in self._read_group([], ["company_id"])))
        servers = self.env["astpp.server"].with_context(active_test=False).search([])  # pylint: disable=no-search-all
        wrong = servers.filtered(lambda server: server.company_id in companies)
        wrong._raise_alert(
            "ledger",
            self.env._("The usage ledger and invoices contradict each other"),
            self.env._("See the ledger check in Invoicing."),
        )
        (servers - wrong)._clear_alert("ledger")

    @api.model
    def _check(self, since=None):
        """Replace the list of violations by what is found now.

        :param since: naive UTC; totals that did not change since then are not compared with their usage again
        :return: the number of violations, in all companies
        """
        for model in ("astpp.usage", "astpp.billing.result", "astpp.settlement", "account.move", "account.move.line"):
            self.env[model].flush_model()
        totals = days = SQL("TRUE")
        if since:
            # What was wrong is compared again until it is right.
            totals = SQL("t.id = ANY(%s)", self._changed("total_id", since))
            days = SQL("d.id = ANY(%s)", self._changed("day_id", since))
        self.env.cr.execute(
            SQL(
                "CREATE TEMPORARY TABLE astpp_violation_found ON COMMIT DROP AS %s UNION ALL %s",
                self._totals_query(totals),
                self._days_query(days, totals),
            )
        )
        self.env.cr.execute(SQL("DELETE FROM astpp_violation"))
        self.env.cr.execute(self._check_query())
        self.env.cr.execute(
            SQL(
                """
                INSERT INTO astpp_violation (company_id, kind, total_id, day_id, move_line_id, move_id, usage_count,
                                             expected, found, date)
                SELECT *, now() AT TIME ZONE 'UTC' FROM astpp_violation_found;
                DROP TABLE astpp_violation_found
                """
            )
        )
        self.invalidate_model()
        [(found,)] = self.env.execute_query(SQL("SELECT count(*) FROM astpp_violation"))
        return found

    @api.model
    def _changed(self, name, since):
        """Return the ids of the totals or days that changed since then, or are on the list.

        :param name: ``total_id`` or ``day_id``
        """
        return [
            changed_id
            for (changed_id,) in self.env.execute_query(
                SQL(
                    "SELECT id FROM %(table)s WHERE changed_date >= %(since)s"
                    " UNION SELECT %(name)s FROM astpp_violation WHERE %(name)s IS NOT NULL",
                    table=SQL.identifier(self.env[self._fields[name].comodel_name]._table),
                    since=since,
                    name=SQL.identifier(name),
                )
            )
        ]

    @api.model
    def _totals_query(self, changed):
        """Return the query for totals that are not what their usage adds up to, and for usage that has none.

        :param changed: condition on ``astpp_usage_total t``
        """
        return SQL(
            """
            SELECT t.company_id, 'other_total' AS kind, t.id AS total_id, NULL::int AS day_id, t.move_line_id, t.move_id,
                   COALESCE(s.lines, 0)::int AS usage_count, COALESCE(s.amount, 0) AS expected, t.amount AS found
              FROM astpp_usage_total t
         LEFT JOIN astpp_usage_total c ON c.id = t.credited_id
         LEFT JOIN LATERAL (SELECT count(*) AS lines, sum(u.duration) AS duration, sum(u.amount) AS amount,
                                   sum(GREATEST(-u.amount, 0)) AS credit, sum(u.cost) AS cost,
                                   bool_and((u.account_id, u.charge_type, u.direction, u.exception, COALESCE(u.prepaid, FALSE))
                                            IS NOT DISTINCT FROM
                                            (t.account_id, t.charge_type, t.direction, t.exception, t.prepaid)) AS fits
                              FROM astpp_usage u WHERE u.total_id = t.id) s ON TRUE
             WHERE %s AND CASE
                   WHEN t.state = 'credit' THEN (t.lines, t.duration, t.amount, t.cost)
                                                IS DISTINCT FROM (c.lines, c.duration, -c.amount, -c.cost)
                   -- What was credited and is billed again has left a record.
                   WHEN t.state = 'credited' AND s.lines = 0 THEN
                        NOT EXISTS (SELECT FROM astpp_usage_total k WHERE k.credited_id = t.id)
                   ELSE (t.lines, t.duration, t.amount, t.credit, t.cost)
                        <> (s.lines, COALESCE(s.duration, 0), COALESCE(s.amount, 0), COALESCE(s.credit, 0),
                            COALESCE(s.cost, 0))
                        OR NOT s.fits END
         UNION ALL
            SELECT u.company_id, 'no_total', NULL, NULL, NULL, NULL, count(*)::int, 0, sum(u.amount)
              FROM astpp_usage u WHERE u.total_id IS NULL GROUP BY 1
            """,
            changed,
        )

    @api.model
    def _days_query(self, changed, totals):
        """Return the query for days that are not what their usage adds up to, and for usage that is in none.

        :param changed: condition on ``astpp_usage_day d``
        :param totals: condition on ``astpp_usage_total t``; whatever changes a day changes a total
        """
        same = SQL(
            """
            d.server_id = u.server_id AND d.day = u.date::date AND d.source = u.source
            AND COALESCE(d.account_id, 0) = COALESCE(u.account_id, 0) AND d.held = (u.exception IS NOT NULL)
            AND COALESCE(d.issuer_id, 0) = COALESCE(u.issuer_id, 0)
            """
        )
        return SQL(
            """
            SELECT d.company_id, 'other_day', NULL, d.id, NULL, NULL, s.lines::int, s.amount, d.amount
              FROM astpp_usage_day d
        CROSS JOIN LATERAL (SELECT %(sums)s
                              FROM (SELECT k.* FROM astpp_usage k
                                     WHERE k.account_id = d.account_id AND k.date >= d.day AND k.date < d.day + 1
                                 UNION ALL
                                    SELECT k.* FROM astpp_usage k
                                     WHERE d.account_id IS NULL AND k.account_id IS NULL AND k.server_id = d.server_id
                                       AND k.date >= d.day AND k.date < d.day + 1) u
                             WHERE %(same)s) s
             WHERE %(changed)s AND (d.lines, d.duration, d.rated_amount, d.amount, d.credit, d.cost)
                                   <> (s.lines, s.duration, s.rated_amount, s.amount, s.credit, s.cost)
         UNION ALL
            SELECT t.company_id, 'other_day', t.id, NULL, t.move_line_id, t.move_id, count(*)::int, sum(u.amount), 0
              FROM astpp_usage_total t JOIN astpp_usage u ON u.total_id = t.id
             WHERE %(totals)s AND NOT EXISTS (SELECT FROM astpp_usage_day d WHERE %(same)s)
          GROUP BY t.id
            """,
            sums=SUMS_OF_LINES,
            same=same,
            changed=changed,
            totals=totals,
        )

    @api.model
    def _check_query(self):
        # An invoice in force is draft or posted, and its usage was not set free by a credit note.
        return SQL(
            """
            WITH used AS (
                SELECT move_line_id, move_id, sum(lines)::int AS lines, sum(amount) AS amount,
                       bool_or(lines > 0 AND NOT EXISTS (SELECT 1 FROM astpp_billing_result result
                                                          WHERE result.move_id = summed.move_id
                                                            AND result.account_id = summed.account_id)) AS elsewhere
                  FROM (SELECT move_line_id, move_id, account_id, sum(amount) AS amount,
                               COALESCE(sum(lines) FILTER (WHERE state NOT IN ('credit', 'credited')), 0) AS lines
                          FROM astpp_usage_total WHERE move_line_id IS NOT NULL GROUP BY 1, 2, 3) AS summed
              GROUP BY 1, 2
            ), billed AS (
                SELECT line.id, line.move_id, line.company_id,
                       CASE WHEN move.astpp_is_refill THEN line.amount_currency
                            WHEN move.move_type = 'entry' THEN -line.balance
                            ELSE line.price_unit * line.quantity * (1 - COALESCE(line.discount, 0) / 100) END AS price,
                       COALESCE(line.astpp_usage_amount, 0) AS amount,
                       COALESCE(NULLIF(line.astpp_usage_rate, 0), move.astpp_rate) AS rate,
                       CASE WHEN move.move_type IN ('out_refund', 'in_invoice') THEN -1 ELSE 1 END AS sign, currency.rounding,
                       -- Parts that are credited one after another add up to a rounded sum; each may be a cent off.
                       CASE WHEN credit.id IS NULL THEN 0.5 ELSE 1 END AS cents,
                       move.state = 'cancel' OR COALESCE(move.astpp_usage_released, FALSE) AS is_void
                  FROM account_move move
                  JOIN account_move_line line ON line.move_id = move.id AND line.display_type = 'product'
                  JOIN res_currency currency ON currency.id = move.currency_id
             LEFT JOIN LATERAL (SELECT id FROM astpp_usage_total
                                 WHERE move_line_id = line.id AND state = 'credit' LIMIT 1) credit ON TRUE
                 WHERE credit.id IS NOT NULL OR move.astpp_run_id IS NOT NULL OR move.astpp_recognition_month IS NOT NULL
                       OR move.astpp_is_refill OR move.id IN (SELECT bill_id FROM astpp_settlement)
            ), sides AS (
                SELECT COALESCE(billed.id, used.move_line_id) AS line_id, COALESCE(billed.move_id, used.move_id) AS move_id,
                       COALESCE(used.lines, 0) AS lines, COALESCE(used.amount, 0) AS used_amount,
                       used.elsewhere, used.move_id <> billed.move_id AS split,
                       billed.id IS NULL OR billed.is_void AS is_void, billed.price, billed.amount, billed.sign,
                       COALESCE(NULLIF(billed.rate, 0), 1) AS rate, billed.rounding, billed.cents
                  FROM billed FULL JOIN used ON used.move_line_id = billed.id
            ), credited AS (
                SELECT invoice.id, invoice.amount_total AS total, sum(credit.amount_total) AS amount,
                       COALESCE(invoice.astpp_usage_released, FALSE) AS is_free,
                       -- The taxes of each are rounded.
                       currency.rounding * (2 * count(*) - 1) AS rounding
                  FROM account_move invoice
                  JOIN account_move credit ON credit.reversed_entry_id = invoice.id AND credit.state = 'posted'
                  JOIN res_currency currency ON currency.id = invoice.currency_id
                 WHERE invoice.state = 'posted'
                   AND (invoice.astpp_run_id IS NOT NULL OR invoice.astpp_recognition_month IS NOT NULL)
              GROUP BY invoice.id, currency.rounding
            ), found AS (
                SELECT 'not_in_force' AS kind, line_id, move_id, lines, 0 AS expected, used_amount AS found
                  FROM sides WHERE lines > 0 AND (is_void OR split)
             UNION ALL
                SELECT 'other_sum', line_id, move_id, lines, amount, used_amount
                  FROM sides WHERE NOT is_void AND abs(amount - used_amount) > 0.000001
             UNION ALL
                SELECT 'other_amount', line_id, move_id, lines, used_amount * rate * sign, price
                  FROM sides WHERE NOT is_void AND (lines > 0 OR amount <> 0)
                                   AND abs(used_amount * rate * sign - price) > rounding * cents + 0.000001
             UNION ALL
                SELECT 'other_account', line_id, move_id, lines, 0, used_amount
                  FROM sides JOIN account_move billing ON billing.id = sides.move_id
                 WHERE NOT is_void AND elsewhere AND billing.astpp_recognition_month IS NULL
                                       AND billing.move_type IN ('out_invoice', 'out_refund')
             UNION ALL
                SELECT 'other_credit', NULL, id, 0, total, amount
                  FROM credited WHERE amount - total > rounding / 2 OR is_free AND total - amount > rounding / 2
             UNION ALL
                SELECT 'no_usage', NULL, copied.id, 0, 0, copied.amount_total
                  FROM account_move copied
                 WHERE copied.astpp_period_end IS NOT NULL AND copied.astpp_run_id IS NULL
                   AND copied.reversed_entry_id IS NULL AND copied.state = 'posted' AND copied.amount_total <> 0
                   AND copied.payment_state <> 'reversed'
                   AND copied.move_type IN ('out_invoice', 'out_refund')
            )
            INSERT INTO astpp_violation (company_id, kind, move_line_id, move_id, usage_count, expected, found, date)
            SELECT move.company_id, kind, line_id, found.move_id, lines, expected, found, now() AT TIME ZONE 'UTC'
              FROM found JOIN account_move move ON move.id = found.move_id
            """
        )
