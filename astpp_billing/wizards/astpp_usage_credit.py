from odoo import api, fields, models
from odoo.exceptions import AccessError


class AstppUsageCredit(models.TransientModel):
    """Credit single calls and charges that are on posted invoices."""

    _name = "astpp.usage.credit"
    _description = "Credit Usage"

    dispute_id = fields.Many2one("astpp.dispute")
    usage_ids = fields.Many2many(
        "astpp.usage",
        required=True,
        default=lambda self: (
            self.env.context.get("active_ids") if self.env.context.get("active_model") == "astpp.usage" else None
        ),
    )
    usage_count = fields.Integer(string="Lines", compute="_compute_sums")
    move_ids = fields.Many2many("account.move", string="Invoices", compute="_compute_sums")
    amount = fields.Float(
        string="Amount Without Taxes", digits=(20, 6), compute="_compute_sums", help="In the server's base currency."
    )
    date = fields.Date(string="Credit Note Date", required=True, default=fields.Date.context_today)
    reason = fields.Char(required=True, help="The customer reads it on the credit note.")
    again = fields.Selection(
        [("no", "Not billed again"), ("yes", "Billed again on the next invoice")],
        string="Afterwards",
        default="no",
        required=True,
    )

    @api.depends("usage_ids")
    def _compute_sums(self):
        for wizard in self:
            wizard.usage_count = len(wizard.usage_ids)
            wizard.move_ids = wizard.usage_ids.move_id
            wizard.amount = sum(wizard.usage_ids.mapped("amount"))

    def action_credit(self):
        """Create the draft credit notes, one for each invoice, and open them."""
        self.ensure_one()
        if not self.env.user.has_group("account.group_account_invoice"):
            raise AccessError(self.env._("Only accountants can credit usage."))
        usage = self.usage_ids
        usage.check_access("read")
        credit = self.env["account.move"]._astpp_credit_lines(usage, self.date, self.reason, self.again == "yes")
        if self.dispute_id:
            self.dispute_id.check_access("write")
            self.dispute_id._credited(credit)
        action = {
            "type": "ir.actions.act_window",
            "name": self.env._("Credit Notes"),
            "res_model": "account.move",
            "domain": [("id", "in", credit.ids)],
            "view_mode": "list,form",
        }
        if len(credit) == 1:
            action |= {"view_mode": "form", "res_id": credit.id}
        return action
