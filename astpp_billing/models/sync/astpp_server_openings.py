from odoo import fields, models
from odoo.exceptions import UserError

from ...connector.database import ConnectorError
from ..astpp_guard_mixin import ours


class AstppServer(models.Model):
    """Take over what is open in ASTPP: invoices that are not paid, and what prepaid customers have left."""

    _inherit = "astpp.server"

    opening_date = fields.Datetime(string="Opening Items Read", readonly=True, copy=False)

    @ours
    def action_read_openings(self):
        """Read the opening items from ASTPP, and show them for review.

        :raise UserError: when the accounts are not here yet, or ASTPP does not answer
        """
        self.ensure_one()
        self.check_access("write")
        if not self.sync_date:
            raise UserError(self.env._("Synchronise first: opening items belong to accounts."))
        try:
            # sudo: items of resellers with a company of their own are that company's.
            left_out = self.env["astpp.opening"].sudo()._read_from(self)
        except ConnectorError as error:
            raise UserError(str(error)) from None
        self.opening_date = fields.Datetime.now()
        action = self.env["ir.actions.act_window"]._for_xml_id("astpp_billing.action_astpp_opening")
        if not left_out.count:
            return action
        return {
            "type": "ir.actions.client",
            "tag": "display_notification",
            "params": {
                "type": "warning",
                "sticky": True,
                "title": self.env._("%s items are left out", left_out.count),
                "message": "\n".join(left_out.reasons[:10]),
                "next": action,
            },
        }
