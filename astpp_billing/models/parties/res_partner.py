from odoo import fields, models


class ResPartner(models.Model):
    """A customer, who may own several ASTPP accounts."""

    _inherit = "res.partner"

    astpp_one_invoice = fields.Boolean(
        string="One Invoice for All Accounts",
        help="Accounts of this customer that are due at the same time, with one issuer and currency, share an invoice.",
    )
    astpp_mail_invoices = fields.Boolean(
        string="Send Invoices by Mail", default=True, help="New invoices of ASTPP accounts, and receipts of payments."
    )
    astpp_mail_reminders = fields.Boolean(
        string="Remind of Open Invoices", default=True, help="Before invoices are due, and when they are overdue."
    )
    astpp_mail_services = fields.Boolean(
        string="Mail about Services", default=True, help="Renewals, suspensions and ends of orders."
    )
    astpp_subscription_count = fields.Integer(
        string="Subscriptions",
        compute="_compute_astpp_subscription_count",
        groups="account.group_account_invoice,account.group_account_readonly",
    )

    def _compute_astpp_subscription_count(self):
        counts = dict(
            self.env["astpp.subscription"]._read_group(
                [("partner_id", "in", self.ids), ("state", "!=", "terminated")], ["partner_id"], ["__count"]
            )
        )
        for partner in self:
            partner.astpp_subscription_count = counts.get(partner._origin, 0)

    def action_view_astpp_subscriptions(self):
        """Open the customers' subscriptions."""
        action = self.env["ir.actions.act_window"]._for_xml_id("astpp_billing.action_astpp_subscription")
        return action | {"domain": [("partner_id", "in", self.ids)], "context": {}}
