import re

from odoo import api, fields, models
from odoo.exceptions import ValidationError
from odoo.tools import email_normalize, formataddr


class AstppIssuer(models.Model):
    """An issuer's branding: name, logo and colour on documents and pages, sender and reply address of mails."""

    _inherit = "astpp.issuer"

    brand_color = fields.Char(
        string="Colour", tracking=True, help="Of headings on a reseller's documents and pages, such as #875A7B."
    )
    sender_name = fields.Char(tracking=True, help="Who mails come from. Empty: the issuer's name.")
    reply_to = fields.Char(
        string="Reply-To Address", tracking=True, help="Address to which customers reply. Empty: the contact's e-mail."
    )
    logo = fields.Image(related="partner_id.image_1920", readonly=False)

    @api.constrains("brand_color", "sender_name", "reply_to")
    def _check_brand(self):
        for issuer in self:
            if issuer.brand_color and not re.fullmatch(r"#[0-9a-fA-F]{6}", issuer.brand_color):
                raise ValidationError(
                    self.env._("“%s” is no colour: write six hexadecimal digits, such as #875A7B.", issuer.brand_color)
                )
            if issuer.reply_to and not email_normalize(issuer.reply_to):
                raise ValidationError(self.env._("“%s” is no e-mail address.", issuer.reply_to))
            if re.search(r"[\x00-\x1f]", issuer.sender_name or ""):
                raise ValidationError(self.env._("The sender's name has characters that do not print."))

    def _brand(self):
        """Return {name, logo, color} for web pages; the logo as base64 or False."""
        self.ensure_one()
        partner = self.sudo().partner_id
        return {"name": self.name, "logo": partner.image_256, "color": self.brand_color or "inherit"}

    def _email_from(self):
        """Return the sender of the issuer's mails, or "" when there is no issuer or no address."""
        if not self:
            return ""
        self.ensure_one()
        # Never fall back to the operator's address for a reseller: its customers must not see it.
        address = self.partner_id.email or (not self.account_id and self.company_id.email)
        return formataddr((self.sender_name or self.name, address)) if address else ""

    def _reply_to(self):
        """Return the reply address of the issuer's mails."""
        return self and (self.reply_to or self._email_from())

    def _report_company(self, company):
        """Return the company whose name and address are printed in the header of the issuer's documents.

        For a reseller this is an unsaved copy of the company with the reseller's brand, because the
        layouts of Odoo's reports take everything from a company.
        """
        if not self.account_id:
            return company
        self.ensure_one()
        partner = self.partner_id
        return company.new(
            {
                "name": self.name,
                "partner_id": partner.id,
                "logo": partner.image_1920 or False,
                "report_header": False,
                "company_details": self._address_block(),
                "report_footer": self.invoice_note,
                "vat": partner.vat,
            },
            origin=company,
        )
