from odoo import fields, models


class MailActivity(models.Model):
    """An activity with an alert key reports a fault; it is removed when the fault is gone."""

    _inherit = "mail.activity"

    astpp_alert = fields.Char(string="Alert", readonly=True, copy=False, help="Names what is wrong with the record.")

    _astpp_alert_idx = models.Index("(res_model, res_id, astpp_alert) WHERE astpp_alert IS NOT NULL")
