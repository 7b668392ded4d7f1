from odoo import api, fields, models
from odoo.exceptions import UserError

from ..charge_types import SUBSCRIBED
from ..models.astpp_guard_mixin import ours


class AstppSubscriptionChange(models.TransientModel):
    """Change a subscription's product, quantity or price from a date on."""

    _name = "astpp.subscription.change"
    _description = "Change a Subscription"

    subscription_id = fields.Many2one(
        "astpp.subscription", required=True, default=lambda self: self.env.context.get("active_id")
    )
    currency_id = fields.Many2one(related="subscription_id.currency_id")
    company_id = fields.Many2one(related="subscription_id.company_id")
    when = fields.Selection(
        [("renewal", "With the next renewal"), ("date", "On a day"), ("now", "Now")],
        required=True,
        default="renewal",
        help="Now: a product that is not charged by the day begins a full new period today. On a day, it waits for the "
        "next period with its charge.",
    )
    date = fields.Date(string="From", default=lambda self: self._default_date())
    product_id = fields.Many2one(
        "product.product",
        required=True,
        compute="_compute_terms",
        store=True,
        readonly=False,
        precompute=True,
        domain=[("astpp_type", "in", SUBSCRIBED)],
    )
    quantity = fields.Integer(required=True, compute="_compute_terms", store=True, readonly=False, precompute=True)
    price = fields.Float(
        digits=(20, 6),
        compute="_compute_price",
        store=True,
        readonly=False,
        help="Per period and piece, base currency.",
    )
    note = fields.Char()
    day = fields.Date(string="First Day", compute="_compute_costs")
    cost = fields.Float(
        string="Charged on That Day", digits=(20, 6), compute="_compute_costs", help="Negative: given back. Before tax."
    )
    renewal_day = fields.Date(string="Next Renewal", compute="_compute_costs")
    renewal_cost = fields.Float(string="Charged Then", digits=(20, 6), compute="_compute_costs")
    replaces = fields.Char(compute="_compute_costs", help="What is planned for that day and would be replaced.")
    problem = fields.Char(compute="_compute_costs")

    @api.model
    def _default_date(self):
        subscription = self.env["astpp.subscription"].browse(self.env.context.get("active_id"))
        return subscription._day() if subscription.exists() else False

    @api.depends("subscription_id")
    def _compute_terms(self):
        for change in self:
            change.product_id = change.subscription_id.product_id
            change.quantity = change.subscription_id.quantity

    @api.depends("product_id", "quantity")
    def _compute_price(self):
        for change in self:
            subscription = change.subscription_id
            same = change.product_id == subscription.product_id
            change.price = (
                subscription.price
                if same or not change.product_id
                else change.product_id._astpp_price(subscription.account_id, change.quantity)[0]
            )

    @api.depends("subscription_id", "when", "date", "product_id", "quantity", "price")
    def _compute_costs(self):
        self.update(
            {"day": False, "cost": 0, "renewal_day": False, "renewal_cost": 0, "replaces": False, "problem": False}
        )
        for change in self:
            subscription, day = change.subscription_id._origin, change._first_day()
            if not day or not change.product_id or change.quantity < 1 or not subscription.start_date:
                continue
            try:
                subscription._refuse_past(day, replaces=True)
                planned = change._planned(day)
                cost, renewal_day, renewal_cost = subscription._forecast(planned)
            except UserError as error:
                change.problem = str(error)
                continue
            there = subscription.line_ids.filtered(lambda line, day=day: line.date == day)
            change.update(
                {
                    **{"day": day, "cost": float(cost), "replaces": there._title() if there else False},
                    **{"renewal_day": renewal_day, "renewal_cost": float(renewal_cost)},
                }
            )

    def _first_day(self):
        """Return the local day of the new terms, or False."""
        self.ensure_one()
        subscription = self.subscription_id
        if self.when == "date":
            return self.date
        if self.when == "now" or not subscription.next_date:
            return subscription._day()
        return subscription._day(subscription.next_date)

    def _restarts(self):
        """Tell whether the terms begin a period of their own: those that are not charged by the day, said *now*."""
        return self.when == "now" and not self.product_id.astpp_prorate

    def _planned(self, day):
        """Return the terms as ``service_terms.Terms``."""
        values = self.subscription_id._changed_terms(day, self.product_id, self.quantity, self.price)
        values |= {"restarts": self._restarts()}
        return self.env["astpp.subscription.line"].new(self.subscription_id._line_vals(day, **values))._terms()

    @ours
    def action_change(self):
        """Plan the change, or make it at once if its date is today."""
        self.ensure_one()
        subscription = self.subscription_id
        subscription.check_access("write")
        if not (day := self._first_day()):
            raise UserError(self.env._("Say from which day on."))
        subscription._plan_change(
            subscription._instant(day), self.product_id, self.quantity, self.price, self.note, self._restarts()
        )
        return {"type": "ir.actions.act_window_close"}
