from odoo import api, fields, models
from odoo.exceptions import UserError

MODULE = "astpp_billing"


class AstppCloseReason(models.Model):
    """Reasons for the end of subscriptions, for the churn report."""

    _name = "astpp.close.reason"
    _description = "Close Reason"
    _order = "sequence, id"

    name = fields.Char(required=True, translate=True)
    sequence = fields.Integer(default=10)
    active = fields.Boolean(default=True)

    @api.model
    def _own(self, reason):
        """Return one of the addon's own reasons, which methods set; created again if somebody deleted it.

        :param reason: request, one_time, product, account or funds
        """
        name = f"close_reason_{reason}"
        if known := self.env.ref(f"{MODULE}.{name}", raise_if_not_found=False):
            return known
        texts = {
            "request": self.env._("Wished by the customer"),
            "one_time": self.env._("Bought for one period only"),
            "product": self.env._("Product no longer offered"),
            "account": self.env._("Account closed"),
            "funds": self.env._("Prepaid funds too low at renewal"),
        }
        # sudo: users who end subscriptions may not have the right to create reasons.
        made = self.sudo().create({"name": texts[reason]})
        self.env["ir.model.data"].sudo()._update_xmlids(
            [{"xml_id": f"{MODULE}.{name}", "record": made, "noupdate": True}]
        )
        return made.sudo(False)

    @api.ondelete(at_uninstall=False)
    def _unlink_except_own(self):
        # sudo: ordinary users cannot read ir.model.data.
        data = self.env["ir.model.data"].sudo()
        domain = [("module", "=", MODULE), ("model", "=", self._name), ("res_id", "in", self.ids)]
        if own := self.browse(data.search(domain, limit=1).mapped("res_id")):
            raise UserError(
                self.env._("“%s” is given when subscriptions end by themselves. Archive it instead.", own.name)
            )
