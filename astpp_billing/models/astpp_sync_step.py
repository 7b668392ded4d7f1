from odoo import fields, models

STEPS = [
    ("accounts", "Accounts"),
    ("issuers", "Issuers"),
    ("products", "Products and Prices"),
    ("dids", "DIDs"),
    ("orders", "Orders"),
    ("cdr", "Calls"),
    ("reseller_cdr", "Resellers' Calls"),
    ("charges", "Charges"),
    ("coupons", "Refill Coupons"),
    ("payments", "Payments"),
    ("reconciliation", "Reconciliation"),
]


class AstppSyncStep(models.Model):
    """Progress and last outcome of one part of a server's synchronisation."""

    _name = "astpp.sync.step"
    _description = "Synchronisation Step"
    _order = "server_id, sequence"
    _rec_name = "step"

    server_id = fields.Many2one("astpp.server", required=True, ondelete="cascade", index=True)
    company_id = fields.Many2one(related="server_id.company_id", store=True)
    sequence = fields.Integer()
    step = fields.Selection(STEPS, required=True)
    state = fields.Selection(
        [("waiting", "Waiting"), ("running", "Running"), ("done", "Done"), ("failed", "Failed")],
        default="waiting",
        required=True,
    )
    read_count = fields.Integer(string="Rows Read")
    remaining_count = fields.Integer(string="Rows Left")
    added_count = fields.Integer(string="Added")
    changed_count = fields.Integer(string="Changed")
    seconds = fields.Float(string="Duration", digits=(16, 1), help="Seconds.")
    rate = fields.Integer(string="Rows per Second", compute="_compute_rate")
    message = fields.Text()
    date = fields.Datetime(string="Last Run")

    _step_uniq = models.Constraint("UNIQUE(server_id, step)", "A server has each step once.")

    def _compute_rate(self):
        for step in self:
            step.rate = int(step.read_count / step.seconds) if step.seconds else 0
