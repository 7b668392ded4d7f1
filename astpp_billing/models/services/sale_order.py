from odoo import api, fields, models
from odoo.exceptions import UserError, ValidationError

from ...charge_types import SUBSCRIBED


class SaleOrder(models.Model):
    """Sale orders of ASTPP products, which create subscriptions and top-ups when confirmed."""

    _inherit = "sale.order"

    astpp_account_id = fields.Many2one(
        "astpp.account",
        string="ASTPP Account",
        compute="_compute_astpp_account_id",
        store=True,
        readonly=False,
        precompute=True,
        check_company=True,
        index="btree_not_null",
        domain="[('partner_id', 'child_of', commercial_partner_id), ('status', '=', 'active')]",
        help="The account that packages, subscriptions, numbers and top-ups are for.",
    )
    commercial_partner_id = fields.Many2one(related="partner_id.commercial_partner_id")
    astpp_subscription_count = fields.Integer(compute="_compute_astpp_subscription_count")

    @api.depends("partner_id", "company_id")
    def _compute_astpp_account_id(self):
        # sudo: salespeople have no access to accounts, except through their orders.
        accounts = self.env["astpp.account"].sudo()
        for order in self:
            partner = order.partner_id.commercial_partner_id
            if order.astpp_account_id.sudo().partner_id.commercial_partner_id == partner:
                continue
            domain = [("partner_id.commercial_partner_id", "=", partner.id), ("status", "=", "active")]
            found = (
                accounts.search([*domain, ("company_id", "=", order.company_id.id)], limit=2) if partner else accounts
            )
            order.astpp_account_id = found if len(found) == 1 else False

    @api.depends("astpp_account_id")
    def _compute_pricelist_id(self):
        res = super()._compute_pricelist_id()
        for order in self.filtered(lambda order: order.state == "draft"):
            if pricelist := order.astpp_account_id.sudo().issuer_id.pricelist_id:
                order.pricelist_id = pricelist
        return res

    def _compute_astpp_subscription_count(self):
        counts = dict(
            self.env["astpp.subscription"]
            .sudo()
            ._read_group([("sale_order_id", "in", self.ids)], ["sale_order_id"], ["__count"])
        )
        for order in self:
            order.astpp_subscription_count = counts.get(order.sudo(), 0)

    def _astpp_lines(self):
        """Return the lines that become subscriptions or top-ups."""
        kinds = (*SUBSCRIBED, "topup")
        return self.order_line.filtered(lambda line: line.product_id.astpp_type in kinds and not line.display_type)

    def _confirmation_error_message(self):
        if message := super()._confirmation_error_message():
            return message
        lines = self._astpp_lines()
        if lines and not self.astpp_account_id:
            return self.env._("Choose the ASTPP account that %s is for.", lines[0].product_id.display_name)
        for line in lines:
            if line.product_uom_qty != int(line.product_uom_qty) or line.product_uom_qty < 1:
                return self.env._("%s is ordered by the piece.", line.product_id.display_name)
        return False

    @api.constrains("partner_id", "astpp_account_id")
    def _check_astpp_account(self):
        for order in self.filtered("astpp_account_id"):
            # sudo: salespeople have no access to accounts.
            owner = order.astpp_account_id.sudo().partner_id.commercial_partner_id
            if owner != order.partner_id.commercial_partner_id:
                raise ValidationError(
                    self.env._("The ASTPP account of %(order)s belongs to another customer.", order=order.name)
                )

    def _astpp_issuer(self):
        """Return the issuer that sells, sudoed: whoever may read the order may know the seller."""
        self.ensure_one()
        return self.sudo().astpp_account_id.issuer_id

    def _astpp_report_company(self):
        """Return the company printed in the document's header; for a reseller it has the reseller's brand."""
        return self._astpp_issuer()._report_company(self.company_id.sudo())

    def _action_confirm(self):
        res = super()._action_confirm()
        # sudo: salespeople may confirm orders, but only accountants have access to subscriptions.
        for order in self.sudo():
            order._astpp_lines()._astpp_fulfil()
        return res

    def _action_cancel(self):
        # sudo: as above.
        subscriptions = self.env["astpp.subscription"].sudo().search([("sale_order_id", "in", self.ids)])
        topups = self.env["astpp.topup"].sudo().search([("sale_line_id.order_id", "in", self.ids)])
        if paid := topups.filtered(lambda topup: topup.state == "credited"):
            raise UserError(self.env._("The top-up %s is paid. Credit its invoice instead.", paid[0].display_name))
        topups.action_cancel()
        subscriptions._terminate(self.env["astpp.close.reason"]._own("request"))
        return super()._action_cancel()

    def action_view_astpp_subscriptions(self):
        """Open the subscriptions that the orders became."""
        action = self.env["ir.actions.act_window"]._for_xml_id("astpp_billing.action_astpp_subscription")
        return action | {"domain": [("sale_order_id", "in", self.ids)], "context": {}}
