from datetime import datetime

from odoo import api, fields, models
from odoo.tools import SQL

from ..ledger.usage_state import NOT_HELD


class AstppAllowance(models.Model):
    """A package's included minutes in one period, and how many of them were used.

    There is a row for each period, so that the history is kept (ASTPP facts 7.5, 61). Usage is the calls that
    ASTPP charged to the package, each rounded up to full minutes as in ASTPP (ASTPP facts 2.6).
    """

    _name = "astpp.allowance"
    _description = "Included Minutes"
    _order = "period_start desc, id desc"
    _rec_name = "subscription_id"

    subscription_id = fields.Many2one("astpp.subscription", required=True, ondelete="cascade", readonly=True)
    company_id = fields.Many2one(related="subscription_id.company_id", store=True)
    account_id = fields.Many2one(related="subscription_id.account_id", store=True, index=True)
    partner_id = fields.Many2one(related="subscription_id.partner_id", store=True)
    product_id = fields.Many2one("product.product", string="Package", readonly=True, ondelete="restrict")
    period_start = fields.Datetime(required=True, readonly=True)
    period_end = fields.Datetime(readonly=True, help="Empty: without end.")
    included_minutes = fields.Integer(readonly=True)
    used_minutes = fields.Integer(compute="_compute_used")
    remaining_minutes = fields.Integer(compute="_compute_used")
    over_minutes = fields.Integer(
        string="Over-use", compute="_compute_used", help="Minutes used beyond the included ones."
    )
    used_percent = fields.Float(string="Used", compute="_compute_used", help="Percent of the included minutes.")

    _period_uniq = models.UniqueIndex("(subscription_id, period_start)", "This period has its minutes already.")

    @api.depends("period_start", "period_end", "included_minutes")
    def _compute_used(self):
        used = self._used_minutes()
        for allowance in self:
            minutes, included = used.get(allowance._origin.id, 0), allowance.included_minutes
            allowance.used_minutes = minutes
            allowance.remaining_minutes = max(0, included - minutes)
            allowance.over_minutes = max(0, minutes - included)
            allowance.used_percent = 100 * minutes / included if included else 0.0

    def _used_minutes(self):
        """Return {id: minutes of the calls covered by the package in its period, each call rounded up}.

        A call that does not name its package's order, such as one from a file, counts for the account's oldest package.
        """
        usage = self.env["astpp.usage"].sudo()
        usage.flush_model()
        self.flush_model()
        rows = self.env.execute_query(
            SQL(
                """
                SELECT w.id, sum(ceil(u.duration / 60.0))::bigint
                  FROM astpp_allowance w
                  JOIN astpp_usage u ON u.account_id = w.account_id AND u.charge_type = 'free' AND u.duration > 0
                                    AND u.date >= w.period_start AND u.date < COALESCE(w.period_end, 'infinity')
                                    AND %s
                 WHERE w.id = ANY(%s)
                   AND (u.subscription_id = w.subscription_id
                        OR u.subscription_id IS NULL
                           AND w.subscription_id = (SELECT min(o.subscription_id) FROM astpp_allowance o
                                                     WHERE o.account_id = u.account_id AND u.date >= o.period_start
                                                       AND u.date < COALESCE(o.period_end, 'infinity')))
              GROUP BY w.id
                """,
                NOT_HELD.sql,
                self._origin.ids,
            )
        )
        return {key: int(minutes) for key, minutes in rows}

    def _close(self, moment: datetime):
        """End the allowances that are running at ``moment`` (naive UTC)."""
        self.sudo().filtered(
            lambda allowance: allowance.period_start < moment
            and (not allowance.period_end or allowance.period_end > moment)
        ).period_end = moment
