from odoo import fields, models


class AstppBillingPreview(models.TransientModel):
    """What a billing run would do with an account, determined without writing."""

    _name = "astpp.billing.preview"
    _description = "Billing Preview"
    _order = "run_id, outcome, account_id, period_start, id"

    run_id = fields.Many2one("astpp.billing.run", required=True, readonly=True, ondelete="cascade")
    account_id = fields.Many2one("astpp.account", required=True, readonly=True, ondelete="cascade")
    partner_id = fields.Many2one(related="account_id.partner_id")
    issuer_id = fields.Many2one(related="account_id.issuer_id")
    outcome = fields.Selection(
        [
            ("1_invoice", "Invoice"),
            ("2_refund", "Credit Note"),
            ("3_carry", "Carried Over"),
            ("4_nothing", "No Usage"),
            ("5_error", "Fails"),
            ("6_not_due", "Not Due"),
            ("7_off", "Not Invoiced"),
        ],
        required=True,
        readonly=True,
    )
    reason = fields.Char(readonly=True)
    period_start = fields.Date(string="First Day", readonly=True)
    period_end = fields.Date(string="Last Day", readonly=True)
    currency_id = fields.Many2one("res.currency", readonly=True)
    amount_untaxed = fields.Monetary(string="Untaxed Amount", readonly=True)
    amount_total = fields.Monetary(string="Total", readonly=True)
    call_count = fields.Integer(string="Calls", readonly=True)
    held_count = fields.Integer(
        string="Held Usage", readonly=True, help="Lines with an exception: not billed unless released."
    )
