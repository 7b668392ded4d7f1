from odoo import api, fields, models
from odoo.exceptions import ValidationError

from ...charge_types import SUBSCRIBED
from ...renewal_period import LONGEST

PERIOD_UNITS = [("day", "Days"), ("month", "Months"), ("year", "Years")]


class ProductTemplate(models.Model):
    """Products as sold by ASTPP."""

    _inherit = "product.template"

    astpp_type = fields.Selection(
        [
            ("package", "Package"),
            ("subscription", "Subscription"),
            ("topup", "Top-up"),
            ("did", "DID"),
            ("call", "Call Charge"),
        ],
        string="ASTPP Product Type",
    )
    astpp_server_id = fields.Many2one("astpp.server", string="ASTPP Server", ondelete="restrict", copy=False)
    astpp_product_id = fields.Integer(string="ASTPP Product ID", aggregator=None, copy=False)
    astpp_recurring = fields.Boolean(string="Renews")
    astpp_period_count = fields.Integer(
        string="Period", default=1, help="How many days, months or years are paid at a time. 0: without end."
    )
    astpp_period_unit = fields.Selection(PERIOD_UNITS, string="Period Unit", default="month")
    astpp_setup_fee = fields.Float(string="Setup Fee", digits="Product Price", help="Charged once, per piece.")
    astpp_free_minutes = fields.Integer(
        string="Included Minutes",
        help="Per period and piece; ASTPP gives the minutes of its own orders once, whatever the quantity.",
    )
    astpp_direction = fields.Selection(
        [("inbound", "Incoming"), ("outbound", "Outgoing"), ("both", "Both")], string="Covers Calls"
    )
    astpp_destination_ids = fields.One2many(
        "astpp.destination",
        "product_tmpl_id",
        string="Destinations",
        copy=True,
        groups="product.group_product_manager,account.group_account_invoice,account.group_account_readonly",
        help="Empty: calls to anywhere.",
    )
    astpp_prorate = fields.Boolean(
        string="Charge Part Periods",
        help="A change inside a paid period is charged by the day from then on, and a last period up to the known end; the "
        "first period of a monthly product runs to the account's billing day. Else a change costs nothing before the next "
        "period.",
    )
    astpp_refund_unused = fields.Boolean(
        string="Refund the Unused Rest",
        help="Days of a paid period that are not used, after a change, a pause or the end, are given back.",
    )
    astpp_release_without_funds = fields.Boolean(
        string="End Without Funds", help="Ends at renewal when prepaid funds are short; else the balance goes negative."
    )
    astpp_can_purchase = fields.Boolean(string="May Be Bought")
    astpp_can_resell = fields.Boolean(string="May Be Resold")
    astpp_commission = fields.Float(
        string="Commission (%)", help="Of the price, for commission-based resellers, with each charge."
    )
    astpp_snapshot = fields.Json(copy=False, readonly=True, help="What ASTPP said last.")
    astpp_subscription_count = fields.Integer(
        string="Subscriptions",
        compute="_compute_astpp_subscription_count",
        groups="account.group_account_invoice,account.group_account_readonly",
    )

    _astpp_product_uniq = models.UniqueIndex(
        "(astpp_server_id, astpp_product_id) WHERE astpp_server_id IS NOT NULL",
        "This product of ASTPP is in Odoo already.",
    )

    def _compute_astpp_subscription_count(self):
        counts = self.env["astpp.subscription"]._read_group(
            [("product_id.product_tmpl_id", "in", self.ids), ("state", "!=", "terminated")], ["product_id"], ["__count"]
        )
        for template in self:
            template.astpp_subscription_count = sum(
                count for product, count in counts if product.product_tmpl_id == template._origin
            )

    @api.constrains("astpp_type", "astpp_period_count", "astpp_free_minutes", "astpp_setup_fee", "astpp_commission")
    def _check_astpp_period(self):
        for template in self.filtered("astpp_type"):
            numbers = (template.astpp_period_count, template.astpp_free_minutes, template.astpp_setup_fee)
            if min(numbers) < 0 or not 0 <= template.astpp_commission <= 100:
                raise ValidationError(
                    self.env._(
                        "%s: period, minutes and setup fee cannot be negative, and a commission is 0 to 100 percent.",
                        template.display_name,
                    )
                )

    @api.constrains("astpp_period_count", "astpp_period_unit")
    def _check_astpp_period_length(self):
        for template in self.filtered("astpp_period_unit"):
            if template.astpp_period_count > LONGEST[template.astpp_period_unit]:
                raise ValidationError(
                    self.env._(
                        "%s: a period has at most 1000 years. Use 0 for what is paid once without end.",
                        template.display_name,
                    )
                )

    @api.onchange("astpp_type")
    def _onchange_astpp_type(self):
        if self.astpp_type:
            self.type = "service"
            self.astpp_recurring = self.astpp_type in SUBSCRIBED
            self.astpp_can_purchase = True

    def action_view_astpp_subscriptions(self):
        """Open the subscriptions of the products."""
        action = self.env["ir.actions.act_window"]._for_xml_id("astpp_billing.action_astpp_subscription")
        return action | {"domain": [("product_id.product_tmpl_id", "in", self.ids)], "context": {}}
