from odoo import models
from odoo.exceptions import UserError


class AstppIssuer(models.Model):
    """See an issuer's mail and document on a real invoice before customers do."""

    _inherit = "astpp.issuer"

    def _last_invoice(self):
        """Return the issuer's last posted invoice.

        :raise UserError: when there is none
        """
        self.ensure_one()
        domain = [("astpp_issuer_id", "=", self.id), ("state", "=", "posted"), ("move_type", "=", "out_invoice")]
        if not (move := self.env["account.move"].search(domain, order="invoice_date desc, id desc", limit=1)):
            raise UserError(self.env._("%s has no confirmed invoice yet to show it on.", self.name))
        return move

    def action_preview_mail(self):
        """Open the mail of the issuer's last invoice."""
        move = self._last_invoice()
        action = self.env["ir.actions.act_window"]._for_xml_id("mail.mail_template_preview_action")
        values = {
            "default_mail_template_id": move._get_mail_template().id,
            "default_resource_ref": f"account.move,{move.id}",
        }
        return action | {"context": values}

    def action_preview_document(self):
        """Open the issuer's last invoice in its layout as it is now; the document that is kept stays as it is."""
        move = self._last_invoice()
        report = self.env["account.move.send"]._get_default_pdf_report_id(move)
        return {"type": "ir.actions.act_url", "url": f"/report/html/{report.report_name}/{move.id}", "target": "new"}
