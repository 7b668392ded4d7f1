from datetime import timedelta
from decimal import Decimal

from odoo import api, fields, models
from odoo.exceptions import UserError
from odoo.tools import format_date

from ...renewal_period import first_instant
from ...service_terms import Terms
from ..astpp_guard_mixin import OWN, ours
from .product_template import PERIOD_UNITS

# What is copied to the order when the terms come into force.
COPIED = ("product_id", "quantity", "recurring", "period_count", "period_unit", "free_minutes", "price")
STATUSES = [("active", "Active"), ("paused", "Paused"), ("ended", "Ended")]


class AstppSubscriptionLine(models.Model):
    """A subscription's terms from a day on. Together they are its timeline, from which all its charges follow."""

    _name = "astpp.subscription.line"
    _description = "Subscription Terms"
    _order = "date desc, id desc"
    _rec_name = "product_id"

    subscription_id = fields.Many2one("astpp.subscription", required=True, ondelete="cascade", index=True)
    company_id = fields.Many2one(related="subscription_id.company_id", store=True)
    currency_id = fields.Many2one(related="subscription_id.currency_id")
    date = fields.Date(string="From", required=True, help="The first day of these terms, in the account's time zone.")
    moment = fields.Datetime(
        compute="_compute_moment",
        store=True,
        precompute=True,
        help="When that day begins, in UTC: the queue goes by it.",
    )
    product_id = fields.Many2one("product.product", required=True, ondelete="restrict")
    quantity = fields.Integer(required=True, default=1, aggregator=None)
    price = fields.Float(digits=(20, 6), required=True, aggregator=None, help="Per period and piece, base currency.")
    price_by_hand = fields.Boolean(
        string="Agreed Price", help="Set by hand: price changes of the product leave it as it is."
    )
    period_count = fields.Integer(string="Period", required=True, default=1, aggregator=None)
    period_unit = fields.Selection(PERIOD_UNITS, required=True, default="month")
    recurring = fields.Boolean(string="Renews", default=True)
    free_minutes = fields.Integer(string="Included Minutes", aggregator=None)
    # Copied from the product: what is charged does not change with the product's settings.
    prorate = fields.Boolean(string="Charge Part Periods")
    refund = fields.Boolean(string="Refund the Unused Rest")
    status = fields.Selection(STATUSES, required=True, default="active")
    restarts = fields.Boolean(string="Begins a Period", help="A full new period begins on this day.")
    billing_day = fields.Integer(
        aggregator=None,
        help="The first period of these terms runs to this day of a month. 0: periods keep their own day.",
    )
    known_date = fields.Date(string="Said On", help="The end was said then; what begins later is charged up to it.")
    applied = fields.Boolean(readonly=True, string="In Force")
    note = fields.Char()

    _date_uniq = models.UniqueIndex("(subscription_id, date)", "An order has one set of terms for a day.")
    _planned_idx = models.Index("(moment) WHERE applied IS NOT TRUE")
    _quantity_positive = models.Constraint("CHECK(quantity > 0)", "The quantity is one or more.")

    @api.depends("date", "subscription_id.account_id.tz")
    def _compute_moment(self):
        for line in self:
            line.moment = line.date and first_instant(line.date, line.subscription_id.account_id.tz or "UTC")

    @ours
    def action_cancel(self):
        """Cancel planned terms that are not in force yet."""
        if self.filtered("applied"):
            raise UserError(self.env._("Terms in force cannot be called off. Make another change instead."))
        subscriptions = self.subscription_id
        subscriptions.check_access("write")
        for line in self:
            line.subscription_id.message_post(body=self.env._("Planned change called off: %s", line._title()))
        days = {order: set(lines.mapped("date")) for order, lines in self.grouped("subscription_id").items()}
        endings = self.filtered(lambda line: line.status == "ended").subscription_id
        # sudo: accountants may cancel planned terms, but have no right to delete terms otherwise.
        self.sudo().unlink()
        endings.write({"end_date": False, "close_reason_id": False, "close_reason": False})
        subscriptions._reschedule()
        # What had an end may have been charged up to it only.
        endings._charge_difference({subscription: subscription._day() for subscription in endings})
        subscriptions._levels_cancel(days)
        return {"type": "ir.actions.client", "tag": "soft_reload"}

    def _title(self):
        """Return the terms as a text for the chatter."""
        self.ensure_one()
        day = format_date(self.env, self.date)
        if self.status != "active":
            return f"{dict(self._fields['status']._description_selection(self.env))[self.status]}, {day}"
        price = self.subscription_id.currency_id.format(self.price)
        return f"{self.quantity} × {self.product_id.name}, {price}, {day}"

    def _terms(self):
        """Return these terms as the functions of ``service_charge`` take them."""
        self.ensure_one()
        return Terms(
            self.date,
            self.product_id.id,
            self.quantity,
            Decimal(str(self.price)),
            self.period_unit,
            self.period_count,
            self.prorate,
            self.refund,
            self.status,
            self.restarts,
            self.billing_day,
            self.known_date or None,
        )

    def _undo_pause(self):
        """Take back pauses from tomorrow on, because the order is resumed today.

        :return: the rows that are gone; those that change something else besides wait for their day again
        """
        gone = self.browse()
        for line in self.filtered(lambda line: line.applied and line.status == "paused"):
            before = line.subscription_id._line_at(line.date - timedelta(days=1))
            if all(line[name] == before[name] for name in COPIED):
                gone |= line
            else:
                line.sudo().write({"status": "active", "applied": False})
        gone.sudo().unlink()
        return gone

    def _apply(self):
        """Copy these terms to their subscriptions, those of the last day prevail, and mark them as in force."""
        last = {line.subscription_id: line for line in self.sorted("date")}
        for subscription, line in last.items():
            if changed := {name: line[name] for name in COPIED if line[name] != subscription[name]}:
                values = {name: value.id if name == "product_id" else value for name, value in changed.items()}
                # What depends on the product is among the values: it is not computed anew.
                subscription.with_context(astpp_terms=OWN).write(values | self._kept(line, values))
        self.sudo().write({"applied": True})

    def _kept(self, line, values):
        """Return what a change of the product would compute anew, and these terms keep."""
        if "product_id" not in values:
            return {}
        fee = line.subscription_id.setup_fee
        return {name: line[name] for name in COPIED if name != "product_id"} | {"setup_fee": fee}
