from odoo import api, fields, models
from odoo.exceptions import UserError, ValidationError

from ...charge_types import SUBSCRIBED
from ...renewal_period import LONGEST, per_month
from ..astpp_guard_mixin import OWN, ours
from .product_template import PERIOD_UNITS

# What the timeline of terms says of a running order.
TERMS = {"product_id", "quantity", "price", "recurring", "period_count", "period_unit", "free_minutes"}


class AstppSubscription(models.Model):
    """An order of a package, subscription or DID, which renews each period."""

    _name = "astpp.subscription"
    _description = "ASTPP Subscription"
    _inherit = ["mail.thread", "astpp.alert.mixin", "astpp.synced.mixin"]
    _order = "next_date, id"
    _check_company_auto = True

    name = fields.Char(string="Order", required=True, copy=False, default=lambda self: self.env._("New"))
    server_id = fields.Many2one(
        "astpp.server", compute="_compute_server_id", store=True, precompute=True, readonly=True, ondelete="restrict"
    )
    company_id = fields.Many2one("res.company", compute="_compute_company_id", store=True, precompute=True)
    account_id = fields.Many2one(
        "astpp.account", required=True, ondelete="restrict", index=True, tracking=True, check_company=True
    )
    partner_id = fields.Many2one(related="account_id.partner_id", store=True, index=True)
    issuer_id = fields.Many2one(related="account_id.issuer_id", store=True)
    astpp_order_id = fields.Integer(string="ASTPP Order", aggregator=None, copy=False, readonly=True, index=True)
    sale_line_id = fields.Many2one("sale.order.line", readonly=True, copy=False, index="btree_not_null")
    sale_order_id = fields.Many2one(related="sale_line_id.order_id", store=True, index="btree_not_null")
    wholesale_id = fields.Many2one(
        "astpp.subscription",
        string="Reseller's Order",
        readonly=True,
        copy=False,
        index="btree_not_null",
        help="What the reseller pays for this order to the level above. It ends with this order.",
    )

    product_id = fields.Many2one(
        "product.product",
        required=True,
        ondelete="restrict",
        index=True,
        tracking=True,
        check_company=True,
        domain=[("astpp_type", "in", SUBSCRIBED)],
    )
    astpp_type = fields.Selection(related="product_id.astpp_type", store=True)
    did_id = fields.Many2one(
        "astpp.did", string="DID", ondelete="restrict", index="btree_not_null", check_company=True, tracking=True
    )
    quantity = fields.Integer(default=1, required=True, tracking=True)
    price = fields.Float(
        digits=(20, 6),
        compute="_compute_price",
        store=True,
        readonly=False,
        precompute=True,
        help="Per period and piece, in the server's base currency.",
        tracking=True,
        aggregator=None,
    )
    setup_fee = fields.Float(
        digits=(20, 6),
        compute="_compute_price",
        store=True,
        readonly=False,
        precompute=True,
        aggregator=None,
        help="Charged once when the order starts, per piece.",
    )
    currency_id = fields.Many2one(related="server_id.currency_id")
    recurring = fields.Boolean(compute="_compute_terms", store=True, readonly=False, precompute=True, string="Renews")
    period_count = fields.Integer(
        string="Period", compute="_compute_terms", store=True, readonly=False, precompute=True, aggregator=None
    )
    period_unit = fields.Selection(PERIOD_UNITS, compute="_compute_terms", store=True, readonly=False, precompute=True)
    free_minutes = fields.Integer(
        string="Included Minutes",
        compute="_compute_terms",
        store=True,
        readonly=False,
        precompute=True,
        help="Per period and piece; ASTPP gives the minutes of its own orders once, whatever the quantity.",
    )
    anchor_day = fields.Integer(
        readonly=True, copy=False, aggregator=None, help="The day of the month that the periods keep to."
    )
    activation_date = fields.Datetime(string="Started On", readonly=True, copy=False)
    start_date = fields.Datetime(string="Period Start", copy=False)
    next_date = fields.Datetime(
        string="Next Renewal", index=True, copy=False, help="The paid period ends then.", tracking=True
    )
    end_date = fields.Datetime(copy=False, tracking=True, help="When the order ends, or has ended.")
    state = fields.Selection(
        [("draft", "Draft"), ("active", "Active"), ("suspended", "Suspended"), ("terminated", "Terminated")],
        default="draft",
        required=True,
        tracking=True,
        copy=False,
        group_expand=True,
    )
    close_reason_id = fields.Many2one("astpp.close.reason", string="Reason", ondelete="restrict", copy=False)
    close_reason = fields.Char(string="Note on the End", copy=False)
    odoo_from = fields.Datetime(readonly=True, copy=False, help="The first period that Odoo charged began then.")
    odoo_until = fields.Datetime(readonly=True, copy=False, help="The last period that Odoo charged ends then.")
    line_ids = fields.One2many("astpp.subscription.line", "subscription_id", string="Terms", copy=False)
    paused_with_account = fields.Boolean(readonly=True, copy=False, help="Suspended because its account is.")
    allowance_ids = fields.One2many("astpp.allowance", "subscription_id", string="Included Minutes by Period")
    allowance_id = fields.Many2one("astpp.allowance", compute="_compute_allowance_id", string="Running Allowance")
    allowance_used = fields.Integer(compute="_compute_allowance_id", string="Used Minutes")
    allowance_percent = fields.Float(compute="_compute_allowance_id", string="Minutes Used")
    usage_count = fields.Integer(compute="_compute_usage_count")
    monthly_amount = fields.Float(
        string="Monthly Revenue",
        digits=(20, 2),
        compute="_compute_monthly_amount",
        store=True,
        help="What an active order comes to in an average month, in the server's base currency.",
    )

    # Fields that ASTPP decides; ``_synced_changes`` makes exceptions when Odoo renews.
    _astpp_owned = frozenset({"start_date", "next_date", "end_date", "state", "close_reason", "account_id"})
    _astpp_uniq = models.UniqueIndex("(server_id, astpp_id) WHERE astpp_id IS NOT NULL AND astpp_id != 0")
    _sale_line_uniq = models.UniqueIndex("(sale_line_id, account_id) WHERE sale_line_id IS NOT NULL")
    _due_idx = models.Index("(next_date) WHERE state = 'active'")
    _quantity_positive = models.Constraint("CHECK(quantity > 0)", "The quantity is one or more.")
    _period_range = models.Constraint("CHECK(period_count >= 0)", "A period cannot be negative.")

    @api.depends("account_id")
    def _compute_server_id(self):
        for subscription in self:
            subscription.server_id = subscription.account_id.server_id or subscription.server_id

    @api.depends("server_id.company_id")
    def _compute_company_id(self):
        for subscription in self:
            # Before an account is chosen, the form offers the accounts of the user's company.
            subscription.company_id = subscription.server_id.company_id or self.env.company

    @api.depends("product_id", "account_id")
    def _compute_price(self):
        for subscription in self.filtered(lambda s: s.product_id and s.account_id):
            price, fee = subscription.product_id._astpp_price(subscription.account_id, subscription.quantity or 1)
            subscription.price, subscription.setup_fee = price, fee

    @api.depends("product_id")
    def _compute_terms(self):
        for subscription in self.filtered("product_id"):
            product = subscription.product_id
            subscription.recurring = product.astpp_recurring
            subscription.period_count = product.astpp_period_count
            subscription.period_unit = product.astpp_period_unit or "month"
            subscription.free_minutes = product.astpp_free_minutes if product.astpp_type == "package" else 0

    @api.depends("allowance_ids.period_start")
    def _compute_allowance_id(self):
        for subscription in self:
            running = subscription.allowance_ids.sorted("period_start")[-1:]
            subscription.allowance_id = running
            subscription.allowance_used, subscription.allowance_percent = running.used_minutes, running.used_percent

    def _compute_usage_count(self):
        counts = self.env["astpp.usage"]._read_group(
            [("subscription_id", "in", self.ids)], ["subscription_id"], ["__count"]
        )
        by_subscription = dict(counts)
        for subscription in self:
            subscription.usage_count = by_subscription.get(subscription, 0)

    @api.depends("state", "recurring", "price", "quantity", "period_count", "period_unit")
    def _compute_monthly_amount(self):
        for subscription in self:
            running = subscription.state == "active" and subscription.recurring and subscription.period_unit
            subscription.monthly_amount = running and per_month(
                subscription.price * subscription.quantity, subscription.period_unit, subscription.period_count
            )

    @api.constrains("did_id", "product_id", "quantity")
    def _check_did(self):
        for subscription in self:
            if subscription.did_id and (subscription.astpp_type != "did" or subscription.quantity != 1):
                raise ValidationError(
                    self.env._(
                        "%s: a number is rented with a product of the type DID, one at a time.", subscription.name
                    )
                )

    @api.constrains("period_count", "period_unit")
    def _check_period(self):
        for subscription in self.filtered("period_unit"):
            if subscription.period_count > LONGEST[subscription.period_unit]:
                raise ValidationError(
                    self.env._(
                        "%s: a period has at most 1000 years. Use 0 for what is paid once without end.",
                        subscription.name,
                    )
                )

    @api.model_create_multi
    def create(self, vals_list):
        sequence = self.env["ir.sequence"].sudo()
        for vals in vals_list:
            if not vals.get("name"):
                vals["name"] = sequence.next_by_code("astpp.subscription") or self.env._("New")
        subscriptions = super().create(vals_list)
        self.env["astpp.subscription.line"].sudo().create(
            [each._line_vals(each._day(each.start_date or None), applied=True) for each in subscriptions]
        )
        return subscriptions

    def write(self, vals):
        # When it is ended, suspended or resumed, in Odoo or in ASTPP, earlier failures no longer matter.
        moved = self.filtered(lambda each: each.renewal_failures and each.state != vals.get("state", each.state))
        directly = self.env.context.get("astpp_terms") is not OWN
        if directly and vals.get("end_date") and "state" not in vals:
            self._renewed_by_odoo()._refuse_past_end(fields.Datetime.to_datetime(vals["end_date"]))
        res = super().write(vals)
        moved._forget_renewal_failure()
        if directly:
            if not TERMS.isdisjoint(vals):
                self._correct_terms(vals)
            if "end_date" in vals:
                mine = self._renewed_by_odoo()
                mine._set_end(vals["end_date"] and self[:1].end_date)
                mine._levels_set_end(self[:1].end_date)
        return res

    @api.ondelete(at_uninstall=False)
    def _unlink_except_charged(self):
        charged = self.env["astpp.usage"].sudo().search_count([("subscription_id", "in", self.ids)], limit=1)
        if charged or self.filtered(lambda subscription: subscription.state != "draft"):
            raise UserError(self.env._("Only drafts can be deleted. End the subscription instead."))

    def _renewed_by_odoo(self):
        """Return the subscriptions that Odoo renews: those made in Odoo, and ASTPP's if the server is set so."""
        return self.filtered(lambda s: not s.astpp_id or s.server_id.renewals_by == "odoo")

    @ours
    def action_start(self):
        """Start drafts: charge the setup fee and first period, and assign the number."""
        drafts = self.filtered(lambda subscription: subscription.state == "draft")
        if not drafts:
            raise UserError(self.env._("Only a draft can be started."))
        drafts.check_access("write")
        drafts._start_with_levels()

    @ours
    def action_suspend(self):
        """Suspend active subscriptions; nothing is charged until they are resumed.

        :raise UserError: when ASTPP renews one: it would go on renewing it, and the next synchronisation resume it here
        """
        active = self.filtered(lambda subscription: subscription.state == "active")
        if theirs := active - active._renewed_by_odoo():
            raise UserError(
                self.env._(
                    "ASTPP renews %s, and knows no suspended orders. Suspend the account, or end the order in ASTPP.",
                    ", ".join(theirs.mapped("name")),
                )
            )
        active._suspend()

    @ours
    def action_resume(self):
        """Resume suspended subscriptions with a new period from today; the time in between is not charged."""
        self.filtered(lambda subscription: subscription.state == "suspended")._resume()

    def action_view_usage(self):
        """Open the subscriptions' charges, and the calls covered by packages."""
        action = self.env["ir.actions.act_window"]._for_xml_id("astpp_billing.action_astpp_usage")
        return action | {"domain": [("subscription_id", "in", self.ids)], "context": {}}
