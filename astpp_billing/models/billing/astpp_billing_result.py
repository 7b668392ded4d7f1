from odoo import fields, models


class AstppBillingResult(models.Model):
    """The result of a billing run for one period of one account."""

    _name = "astpp.billing.result"
    _description = "Billing Result"
    _order = "run_id desc, state, id"
    _rec_name = "account_id"

    run_id = fields.Many2one("astpp.billing.run", required=True, ondelete="cascade", index=True)
    company_id = fields.Many2one(related="run_id.company_id", store=True)
    account_id = fields.Many2one("astpp.account", required=True, ondelete="cascade", index=True)
    partner_id = fields.Many2one(related="account_id.partner_id")
    issuer_id = fields.Many2one("astpp.issuer", readonly=True)
    period_start = fields.Datetime(readonly=True)
    period_end = fields.Datetime(readonly=True)
    state = fields.Selection(
        [("failed", "Failed"), ("invoiced", "Invoiced"), ("carried", "Carried Over"), ("nothing", "No Usage")],
        required=True,
        readonly=True,
    )
    move_id = fields.Many2one(
        "account.move", string="Invoice", readonly=True, ondelete="set null", index="btree_not_null"
    )
    move_state = fields.Selection(related="move_id.state", string="Invoice Status")
    currency_id = fields.Many2one(related="move_id.currency_id")
    amount_total = fields.Monetary(related="move_id.amount_total")
    call_count = fields.Integer(string="Calls", readonly=True)
    duration = fields.Integer(string="Duration (s)", readonly=True)
    message = fields.Char(readonly=True)

    def action_view_invoice(self):
        """Open the invoice of the result."""
        self.ensure_one()
        return self.move_id.get_formview_action()
