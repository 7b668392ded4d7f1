from odoo import api, fields, models
from odoo.tools import SQL

from ...connector.calls import SOURCES, read_days
from ...connector.charges import read_charge_days
from ...connector.read_ahead import read_ahead
from ..ledger.usage_copy import in_chunks

# Chunks of ASTPP's daily sums that may be read ahead while the ledger is summed up.
AHEAD = 32


class AstppReconciliation(models.Model):
    """One day's calls in ASTPP compared with those in the ledger.

    Every account is compared, but only daily totals and accounts that differ are stored.
    """

    _name = "astpp.reconciliation"
    _description = "Reconciliation"
    _log_access = False
    _order = "day desc, account_ref"
    _rec_name = "account_ref"

    server_id = fields.Many2one("astpp.server", required=True, ondelete="cascade", readonly=True)
    company_id = fields.Many2one("res.company", required=True, readonly=True)
    source = fields.Selection(
        [("cdr", "Calls"), ("reseller_cdr", "Resellers' Calls"), ("charge", "Charges")], required=True, readonly=True
    )
    found_date = fields.Datetime(string="Found On", readonly=True, help="Since when it differs for this reason.")
    day = fields.Date(required=True, readonly=True, help="In UTC.")
    is_total = fields.Boolean(string="All Accounts", readonly=True)
    account_ref = fields.Integer(string="ASTPP ID", aggregator=None, readonly=True)
    account_id = fields.Many2one("astpp.account", ondelete="set null", readonly=True)
    astpp_count = fields.Integer(string="Calls in ASTPP", readonly=True)
    ledger_count = fields.Integer(string="Calls in Odoo", readonly=True)
    count_difference = fields.Integer(string="Calls Differ By", readonly=True)
    astpp_seconds = fields.Float(string="Seconds in ASTPP", digits=(20, 0), readonly=True)
    ledger_seconds = fields.Float(string="Seconds in Odoo", digits=(20, 0), readonly=True)
    seconds_difference = fields.Float(string="Seconds Differ By", digits=(20, 0), readonly=True)
    astpp_amount = fields.Float(string="Amount in ASTPP", digits=(20, 6), readonly=True)
    ledger_amount = fields.Float(string="Amount in Odoo", digits=(20, 6), readonly=True)
    amount_difference = fields.Float(string="Amounts Differ By", digits=(20, 6), readonly=True)
    reason = fields.Selection(
        [
            ("missing", "Not in Odoo: entered after the last synchronisation, or unreadable"),
            ("gone", "Gone from ASTPP: purged or deleted there; Odoo keeps its evidence"),
            ("changed", "Changed in ASTPP after it was read"),
        ],
        readonly=True,
    )

    _day_uniq = models.UniqueIndex("(server_id, source, day, is_total, account_ref)")

    @api.model
    def _sync(self, run):
        """Compare both sides day by day; days that differ are read again once, then compared again.

        :param run: ``SyncRun``
        """
        different = self._compare(run)
        if different:
            self._read_again(run, different)
            different = self._compare(run)
        if run.is_wide:
            run.server.sync_wide_date = fields.Datetime.now()
        run.step.write({"changed_count": len(different)})
        if different:
            run.step.message = self.env._("%s days differ: see the report.", len({day for _source, day in different}))

    @api.model
    def _read_again(self, run, different):
        """Read days that differ once more.

        :param different: set of (source, day as text)
        """
        calls = {(source, day) for source, day in different if source in SOURCES}
        self.env["astpp.sync.slice"]._forget(run.server, calls)
        for source in {source for source, _day in calls}:
            run.server._sync_calls(run, source)
        if days := [day for source, day in different if source not in SOURCES]:
            self.env["astpp.usage"]._reload_charges(run, f"{min(days)} 00:00:00")

    @api.model
    def _spans(self, run):
        """Return [(source, start, end)] of what is compared: calls each time, charges of all time once a night."""
        spans = [*((source, *run.window) for source in SOURCES), *sorted(run.late_spans)]
        if run.is_wide:
            start = fields.Datetime.to_string(run.server.sync_from or fields.Datetime.to_datetime("2000-01-01"))
            spans.append(("charge", start, run.window[1]))
        return spans

    @api.model
    def _compare(self, run):
        """Compare the calls in the run's window, and in the months before it that were read again; store the result.

        :return: set of (source, day as text) that differ, except days purged in ASTPP
        """
        server = run.server
        self.env["astpp.usage"].flush_model()
        different = set()
        for source, start, end in self._spans(run):
            sums = (
                read_days(run.database, source, start, end)
                if source in SOURCES
                else read_charge_days(run.database, start, end)
            )
            rows = ("\t".join(row) + "\n" for row in sums)
            # Both servers compute their sums at the same time.
            with read_ahead(in_chunks(rows), AHEAD) as days:
                self.env.cr.execute(self._ledger_query(server, source, start, end))
                self.env.cr.execute(
                    "DROP TABLE IF EXISTS astpp_day; CREATE TEMPORARY TABLE astpp_day "
                    "(day date, ref int, calls int, seconds numeric, amount numeric) ON COMMIT DROP"
                )
                self.env["astpp.usage"]._copy("astpp_day", None, days)
            self.env.cr.execute("ANALYZE astpp_day, astpp_ledger_day")
            different |= {
                (source, fields.Date.to_string(day))
                for (day,) in self.env.execute_query(self._compare_query(server, source, start, end))
            }
        self.invalidate_model()
        return different

    @api.model
    def _ledger_query(self, server, source, start, end):
        return SQL(
            """
            DROP TABLE IF EXISTS astpp_ledger_day;
            CREATE TEMPORARY TABLE astpp_ledger_day ON COMMIT DROP AS
            SELECT s.day, COALESCE(a.astpp_id, NULLIF(ltrim(s.account_ref, '#'), '')::int, 0) AS ref,
                   sum(s.lines) AS calls, sum(s.duration) AS seconds, sum(s.rated_amount) AS amount
              FROM (%s) s LEFT JOIN astpp_account a ON a.id = s.account_id
          GROUP BY 1, 2
            """,
            self.env["astpp.usage"]._delivered_query(server, source, *map(fields.Datetime.to_datetime, (start, end))),
        )

    @api.model
    def _compare_query(self, server, source, start, end):
        return SQL(
            """
            WITH sides AS (
                SELECT COALESCE(d.day, l.day) AS day, COALESCE(d.ref, l.ref) AS ref,
                       COALESCE(d.calls, 0) AS astpp_count, COALESCE(l.calls, 0) AS ledger_count,
                       COALESCE(d.seconds, 0) AS astpp_seconds, COALESCE(l.seconds, 0) AS ledger_seconds,
                       COALESCE(d.amount, 0) AS astpp_amount, COALESCE(l.amount, 0) AS ledger_amount
                  FROM astpp_day d FULL JOIN astpp_ledger_day l ON l.day = d.day AND l.ref = d.ref
            ), shown AS (
                SELECT day, FALSE AS is_total, ref, astpp_count, ledger_count, astpp_seconds, ledger_seconds,
                       astpp_amount, ledger_amount
                  FROM sides
                 WHERE (astpp_count, astpp_seconds, astpp_amount) <> (ledger_count, ledger_seconds, ledger_amount)
             UNION ALL
                SELECT day, TRUE, 0, sum(astpp_count), sum(ledger_count), sum(astpp_seconds), sum(ledger_seconds),
                       sum(astpp_amount), sum(ledger_amount)
                  FROM sides GROUP BY day
            ), settled AS (
                DELETE FROM astpp_reconciliation r
                 WHERE r.server_id = %(server)s AND r.source = %(source)s AND NOT r.is_total
                   AND r.day >= %(start)s::date AND r.day < %(end)s
                   AND NOT EXISTS (SELECT 1 FROM shown WHERE shown.day = r.day AND NOT shown.is_total
                                                         AND shown.ref = r.account_ref)
            ), kept AS (
                INSERT INTO astpp_reconciliation AS r (
                    server_id, company_id, source, day, is_total, account_ref, account_id, astpp_count, ledger_count,
                    count_difference, astpp_seconds, ledger_seconds, seconds_difference, astpp_amount, ledger_amount,
                    amount_difference, reason, found_date)
                SELECT %(server)s, %(company)s, %(source)s, b.day, b.is_total, b.ref, a.id, astpp_count, ledger_count,
                       astpp_count - ledger_count, astpp_seconds, ledger_seconds, astpp_seconds - ledger_seconds,
                       astpp_amount, ledger_amount, astpp_amount - ledger_amount,
                       CASE WHEN b.is_total THEN NULL
                            WHEN astpp_count > ledger_count THEN 'missing'
                            WHEN astpp_count < ledger_count THEN 'gone'
                            ELSE 'changed' END, now() AT TIME ZONE 'UTC'
                  FROM shown b
             LEFT JOIN astpp_account a ON a.server_id = %(server)s AND a.astpp_id = b.ref AND b.ref <> 0
           ON CONFLICT (server_id, source, day, is_total, account_ref) DO UPDATE
                   SET account_id = EXCLUDED.account_id,
                       astpp_count = EXCLUDED.astpp_count, ledger_count = EXCLUDED.ledger_count,
                       count_difference = EXCLUDED.count_difference,
                       astpp_seconds = EXCLUDED.astpp_seconds, ledger_seconds = EXCLUDED.ledger_seconds,
                       seconds_difference = EXCLUDED.seconds_difference,
                       astpp_amount = EXCLUDED.astpp_amount, ledger_amount = EXCLUDED.ledger_amount,
                       amount_difference = EXCLUDED.amount_difference, reason = EXCLUDED.reason,
                       found_date = CASE WHEN r.reason IS DISTINCT FROM EXCLUDED.reason OR r.found_date IS NULL
                                         THEN EXCLUDED.found_date ELSE r.found_date END
            )
            SELECT DISTINCT day FROM sides
             WHERE astpp_count > ledger_count
                OR astpp_count = ledger_count AND (astpp_seconds <> ledger_seconds OR astpp_amount <> ledger_amount)
            """,
            server=server.id,
            company=server.company_id.id,
            source=source,
            start=start,
            end=end,
        )
