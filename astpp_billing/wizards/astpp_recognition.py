from dateutil.relativedelta import relativedelta

from odoo import fields, models
from odoo.exceptions import UserError

from ..models.astpp_guard_mixin import ours


class AstppRecognition(models.TransientModel):
    """Recognise as income what prepaid customers used in a month, out of customer advances."""

    _name = "astpp.recognition"
    _description = "Recognise Prepaid Consumption"

    month = fields.Date(
        required=True,
        default=lambda self: fields.Date.context_today(self) - relativedelta(months=1, day=1),
        help="Any day of the month; what came late from months before is taken along.",
    )
    issuer_ids = fields.Many2many("astpp.issuer", string="Issuers", help="Empty: all that book advances.")

    @ours
    def action_recognise(self):
        """Create one entry per issuer and show the entries."""
        self.ensure_one()
        self.env["account.move"].check_access("create")
        until = self.month + relativedelta(months=1, day=1)
        issuers = self.issuer_ids or self.env["astpp.issuer"].search(
            [("company_id", "=", self.env.company.id), ("advance_account_id", "!=", False)]
        )
        if not issuers:
            raise UserError(self.env._("No issuer has an account for customer advances."))
        known = self.env["account.move"].search(
            [
                *[("astpp_issuer_id", "in", issuers.ids), ("astpp_recognition_month", "=", until)],
                *[("state", "!=", "cancel"), ("astpp_usage_released", "!=", True)],
            ]
        )
        entries = known
        for issuer in issuers - known.astpp_issuer_id:
            entries |= self.env["account.move"]._astpp_recognise(issuer, until)
        if not entries:
            raise UserError(self.env._("Prepaid customers used nothing until then that is not booked."))
        return {
            "type": "ir.actions.act_window",
            "name": self.env._("Prepaid Consumption"),
            "res_model": "account.move",
            "view_mode": "list,form",
            "domain": [("id", "in", entries.ids)],
        }
