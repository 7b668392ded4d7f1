from markupsafe import Markup

from odoo import api, fields, models
from odoo.exceptions import AccessError

# Numbers have at most nine digits, as in Odoo's own sequences.
MAX_NUMBER = 999_999_999


class AstppIssuer(models.Model):
    """An issuer of invoices: the operator, or a reseller with its own name and number series."""

    _name = "astpp.issuer"
    _description = "Invoice Issuer"
    _inherit = ["mail.thread", "astpp.synced.mixin"]
    _check_company_auto = True
    _order = "name, id"

    name = fields.Char(required=True, tracking=True, help="The name printed on the issuer's documents.")
    active = fields.Boolean(default=True)
    company_id = fields.Many2one(
        "res.company",
        required=True,
        default=lambda self: self.env.company,
        help="Whose books the invoices are in: the operator's, with a clearing account, or a company of the reseller's own.",
    )
    account_id = fields.Many2one(
        "astpp.account",
        string="Reseller",
        domain="[('account_type', '=', 'reseller')]",
        ondelete="restrict",
        index="btree_not_null",
        tracking=True,
        help="The reseller whose customers get invoices of this issuer. Empty: the operator.",
    )
    partner_id = fields.Many2one(
        "res.partner",
        string="Contact",
        compute="_compute_partner_id",
        store=True,
        readonly=False,
        precompute=True,
        check_company=True,
        help="Gives the address, tax number and logo printed on the issuer's documents.",
    )
    invoice_note = fields.Html(
        string="Invoice Footer", translate=True, help="Printed at the bottom of every page of the issuer's documents."
    )

    journal_id = fields.Many2one(
        "account.journal",
        compute="_compute_journal_id",
        store=True,
        readonly=False,
        precompute=True,
        domain="[('type', '=', 'sale'), ('company_id', '=', company_id)]",
        check_company=True,
        tracking=True,
    )

    # Invoicing
    invoice_mode = fields.Selection(
        [("draft", "Leave as drafts"), ("confirm", "Confirm")],
        string="New Invoices",
        default="confirm",
        required=True,
        tracking=True,
    )
    payment_term_id = fields.Many2one("account.payment.term", check_company=True, tracking=True)
    invoice_no_usage = fields.Boolean(
        string="Invoice Without Usage", tracking=True, help="Issue a zero invoice when a period had no usage."
    )
    negative_policy = fields.Selection(
        [("refund", "Issue a credit note"), ("carry", "Carry over to the next invoice")],
        string="Negative Totals",
        default="refund",
        required=True,
        tracking=True,
        help="What becomes of a period whose credits exceed its charges.",
    )
    clearing_account_id = fields.Many2one(
        "account.account",
        domain="[('account_type', 'in', ('liability_current', 'liability_payable', 'asset_current'))]",
        check_company=True,
        tracking=True,
        help="Books the invoice lines as owed to the reseller instead of as the company's own income.",
    )
    pricelist_id = fields.Many2one(
        "product.pricelist", check_company=True, help="The prices at which the issuer sells packages and subscriptions."
    )
    call_list = fields.Selection(
        [("none", "No list"), ("annex", "In the PDF, long ones as a file"), ("file", "As an attached file")],
        string="List of Calls",
        default="none",
        required=True,
        help="Whether customers get their single calls with the invoice.",
    )
    advance_account_id = fields.Many2one(
        "account.account",
        string="Customer Advances",
        domain="[('account_type', 'in', ('liability_current', 'liability_non_current'))]",
        check_company=True,
        tracking=True,
        help="Books top-ups as owed to the customers until they have used them. Empty: as income at once.",
    )
    invoice_count = fields.Integer(compute="_compute_invoice_count")

    _account_uniq = models.UniqueIndex("(account_id) WHERE account_id IS NOT NULL", "This reseller has an issuer.")
    _operator_uniq = models.UniqueIndex(
        "(company_id) WHERE account_id IS NULL AND active", "This company has an operator already."
    )

    @api.depends("account_id", "company_id")
    def _compute_partner_id(self):
        for issuer in self:
            default = issuer.account_id.partner_id or issuer.company_id.partner_id
            issuer.partner_id = issuer.partner_id or default

    @api.depends("account_id", "company_id")
    def _compute_journal_id(self):
        for issuer in self.filtered(lambda i: not i.journal_id):
            domain = self.env["account.journal"]._check_company_domain(issuer.company_id)
            domain += [("type", "=", "sale"), ("code", "=" if issuer.account_id else "!=", "RSL")]
            issuer.journal_id = self.env["account.journal"].search(domain, limit=1)

    def _compute_invoice_count(self):
        counts = dict(
            self.env["account.move"]._read_group(
                [("astpp_issuer_id", "in", self.ids)], ["astpp_issuer_id"], ["__count"]
            )
        )
        for issuer in self:
            issuer.invoice_count = counts.get(issuer, 0)

    @api.constrains("account_id", "company_id")
    def _check_owner(self):
        """Require write access to the reseller, and to both companies if they differ, to make a reseller an issuer."""
        for issuer in self.filtered("account_id"):
            issuer.account_id.check_access("write")
            # sudo: the companies are only compared.
            companies = issuer.company_id | issuer.account_id.sudo().company_id
            if not self.env.su and companies - self.env.user.company_ids:
                raise AccessError(
                    self.env._("Only who works for both companies can let %s invoice in one of them.", issuer.name)
                )

    @api.model_create_multi
    def create(self, vals_list):
        for vals in vals_list:
            if vals.get("account_id") and not vals.get("journal_id"):
                company = self.env["res.company"].browse(vals.get("company_id")) or self.env.company
                vals["journal_id"] = self._reseller_journal(company).id
        return super().create(vals_list)

    def _reseller_journal(self, company):
        """Return the company's shared journal of reseller sales, made on first use.

        A single journal for all resellers keeps the accounting dashboard short; each reseller has its own
        number series in it.
        """
        journals = self.env["account.journal"]
        domain = [*journals._check_company_domain(company), ("type", "=", "sale")]
        journal = journals.search([*domain, ("code", "=", "RSL")], limit=1)
        if journal:
            return journal
        template = journals.search([*domain, ("default_account_id", "!=", False)], limit=1)
        if not template:
            return journals
        # sudo: users who may configure issuers need the journal, but may not have the right to create one.
        return journals.sudo().create(
            {
                "name": self.env._("Reseller Sales"),
                "code": "RSL",
                "type": "sale",
                "company_id": company.id,
                "default_account_id": template.default_account_id.id,
                "show_on_dashboard": False,
            }
        )

    @api.model
    def _operator(self, company):
        """Return the issuer that represents the company itself, created on first use."""
        # sudo: the accountant who adds the first account may not have the right to create issuers.
        return company.sudo().astpp_operator_ids[:1] or self.sudo().create(
            {"name": company.name, "company_id": company.id, "prefix": "INV_"}
        )

    def action_view_invoices(self):
        """Open the invoices of the issuer."""
        self.ensure_one()
        action = self.env["ir.actions.act_window"]._for_xml_id("astpp_billing.action_astpp_invoice")
        return action | {"domain": [("astpp_issuer_id", "=", self.id)]}

    def _address_block(self):
        """Return name, address and tax ID as HTML for the header of the issuer's documents."""
        self.ensure_one()
        lines = [self.name, *self.partner_id._display_address(without_company=True).splitlines()]
        if self.partner_id.vat:
            label = self.partner_id.country_id.vat_label or self.env._("Tax ID")
            lines.append(f"{label}: {self.partner_id.vat}")
        return Markup("<br/>").join(line for line in lines if line.strip())
