from odoo import fields, models

from ...charge_types import SELECTION
from .astpp_usage import EXCEPTIONS

STATES = [
    ("open", "Not Billed"),
    ("held", "Held"),
    ("elsewhere", "Billed Elsewhere"),
    ("prepaid", "Paid Live"),
    ("billed", "Billed"),
    ("recognised", "Recognised"),
    ("credited", "Credited"),
    ("credit", "Credit"),
]


class AstppUsageTotal(models.Model):
    """What usage of one kind comes to, and its state: usage points to its total, the total to what bills it.

    Calls arrive by the million and are billed a few totals at a time, so billing writes no usage. A total takes
    lines while it is the current one of its key; whatever is billed, set free or cut off takes no more.
    """

    _name = "astpp.usage.total"
    _description = "Usage Total"
    _order = "last_date desc, id desc"
    _log_access = False
    _rec_name = "charge_type"

    server_id = fields.Many2one("astpp.server", required=True, readonly=True, ondelete="restrict")
    company_id = fields.Many2one("res.company", required=True, readonly=True)
    currency_id = fields.Many2one("res.currency", required=True, readonly=True)
    account_id = fields.Many2one("astpp.account", readonly=True, ondelete="restrict", help="Empty: not known yet.")
    partner_id = fields.Many2one("res.partner", string="Customer", readonly=True)
    issuer_id = fields.Many2one("astpp.issuer", readonly=True)
    charge_type = fields.Selection(SELECTION, string="Type", required=True, readonly=True)
    direction = fields.Selection([("outbound", "Outgoing"), ("inbound", "Incoming")], readonly=True)
    product_id = fields.Many2one("product.product", readonly=True)
    prepaid = fields.Boolean(readonly=True)
    elsewhere = fields.Boolean(string="Billed Elsewhere", readonly=True)
    exception = fields.Selection(EXCEPTIONS, string="Held For", readonly=True)
    until = fields.Datetime(
        string="Period Ends", required=True, readonly=True, help="The end of the period that its lines were put into."
    )
    takes_lines = fields.Boolean(string="Current", readonly=True, help="New usage of this kind is added to it.")
    state = fields.Selection(STATES, required=True, readonly=True)
    lines = fields.Integer(readonly=True, help="Number of usage lines.")
    calls = fields.Integer(readonly=True, help="Number of usage lines, failed calls left out.")
    duration = fields.Float(string="Duration (s)", digits=(20, 0), readonly=True)
    amount = fields.Float(digits=(20, 6), readonly=True, help="In the server's base currency. Credits are negative.")
    credit = fields.Float(digits=(20, 6), readonly=True, help="The part of it that is credited, as a positive amount.")
    cost = fields.Float(digits=(20, 6), readonly=True)
    first_date = fields.Datetime(readonly=True, help="No line is older.")
    last_date = fields.Datetime(readonly=True, help="No line is newer.")
    changed_date = fields.Datetime(readonly=True, help="When lines or state changed last; the nightly check reads it.")
    move_line_id = fields.Many2one("account.move.line", string="Invoice Line", ondelete="restrict", readonly=True)
    # Its line's own key guards it.
    move_id = fields.Many2one("account.move", string="Invoice", readonly=True, ondelete="restrict")

    credited_id = fields.Many2one(
        "astpp.usage.total", string="Credits", readonly=True, ondelete="restrict", help="What this total takes back."
    )
    credit_ids = fields.One2many("astpp.usage.total", "credited_id", string="Credited By", readonly=True)

    _current_uniq = models.UniqueIndex(
        "(server_id, COALESCE(account_id, 0), charge_type, until, prepaid, COALESCE(elsewhere, FALSE), COALESCE(direction, ''), "
        "COALESCE(product_id, 0), COALESCE(exception, ''), COALESCE(issuer_id, 0), COALESCE(partner_id, 0)) "
        "WHERE takes_lines"
    )
    _account_idx = models.Index("(account_id, state)")
    _issuer_idx = models.Index("(issuer_id, state)")
    _waiting_idx = models.Index("(state, account_id) WHERE state IN ('open', 'held', 'prepaid')")
    _move_line_idx = models.Index("(move_line_id) WHERE move_line_id IS NOT NULL")
    _move_idx = models.Index("(move_id) WHERE move_id IS NOT NULL")
    _credited_uniq = models.UniqueIndex(
        "(credited_id) WHERE credited_id IS NOT NULL", "This usage is credited already."
    )
    _changed_idx = models.Index("(changed_date)")
    _billed_whole = models.Constraint(
        "CHECK((move_line_id IS NULL) = (move_id IS NULL))", "Usage is billed by a line of one invoice."
    )
    _credit_named = models.Constraint(
        "CHECK((state = 'credit') = (credited_id IS NOT NULL))", "A credit names what it credits."
    )
    _billed_released = models.Constraint(
        "CHECK(exception IS NULL OR move_line_id IS NULL)", "Usage with an exception cannot be billed."
    )
    _billed_settled = models.Constraint(
        "CHECK(move_line_id IS NULL OR takes_lines IS NOT TRUE)", "Billed usage does not grow."
    )

    def action_view_usage(self):
        """Open the lines of these totals."""
        action = self.env["ir.actions.act_window"]._for_xml_id("astpp_billing.action_astpp_charge_history")
        return action | {"domain": [("total_id", "in", self.ids)], "context": {}}

    def action_view_invoice(self):
        """Open the invoice that bills the total."""
        self.ensure_one()
        return self.move_id.get_formview_action()
