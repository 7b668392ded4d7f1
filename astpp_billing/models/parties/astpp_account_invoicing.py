from odoo import api, fields, models


class AstppAccount(models.Model):
    """How an account is invoiced: issuer, currency, taxes and mode; and its invoices."""

    _inherit = "astpp.account"

    issuer_id = fields.Many2one(
        "astpp.issuer",
        string="Invoiced By",
        compute="_compute_issuer_id",
        store=True,
        recursive=True,
        index=True,
        help="The nearest reseller above that has an issuer of its own, else the operator.",
    )
    billing_company_id = fields.Many2one(
        related="issuer_id.company_id",
        string="Invoicing Company",
        store=True,
        index=True,
        help="In whose books the account's invoices are: the issuer's.",
    )
    own_issuer_ids = fields.One2many("astpp.issuer", "account_id")
    invoice_enabled = fields.Boolean(string="Invoice This Account", default=True, tracking=True)
    invoice_mode = fields.Selection(
        [("draft", "Leave as drafts"), ("confirm", "Confirm")],
        string="New Invoices",
        tracking=True,
        help="Empty: as the issuer says.",
    )
    call_list = fields.Selection(
        [
            ("issuer", "As the issuer says"),
            ("none", "No list"),
            ("annex", "In the PDF"),
            ("file", "As an attached file"),
        ],
        string="List of Calls",
        default="issuer",
        required=True,
    )
    one_invoice = fields.Boolean(related="partner_id.astpp_one_invoice", readonly=False)
    currency_id = fields.Many2one(
        "res.currency",
        string="Invoice Currency",
        required=True,
        compute="_compute_currency_id",
        store=True,
        readonly=False,
        precompute=True,
        tracking=True,
    )
    tax_ids = fields.Many2many(
        "account.tax",
        string="Taxes",
        domain="[('type_tax_use', '=', 'sale'), ('company_id', '=', company_id)]",
        check_company=True,
        help="Replace the taxes of the products on this account's invoices. Empty: the products' taxes.",
    )
    move_ids = fields.One2many("account.move", "astpp_account_id", string="Invoices")
    invoice_count = fields.Integer(compute="_compute_invoice_count")

    @api.depends("server_id")
    def _compute_currency_id(self):
        for account in self:
            account.currency_id = account.currency_id or account.server_id.currency_id

    @api.depends("parent_id.issuer_id", "parent_id.own_issuer_ids.active", "company_id")
    def _compute_issuer_id(self):
        for account in self:
            own = account.parent_id.own_issuer_ids.filtered("active")[:1]
            issuer = own or account.parent_id.issuer_id
            if not issuer and account.company_id:
                issuer = self.env["astpp.issuer"]._operator(account.company_id)
            account.issuer_id = issuer

    def _compute_invoice_count(self):
        counts = dict(
            self.env["account.move"]._read_group(
                [("astpp_account_id", "in", self.ids), ("move_type", "!=", "entry")], ["astpp_account_id"], ["__count"]
            )
        )
        for account in self:
            account.invoice_count = counts.get(account, 0)

    def _invoice_partner(self, customer=None):
        """Return the contact that invoices are addressed to: the customer's invoice address, as in a sale order.

        :param customer: ``res.partner``, that of an account that has another one by now
        """
        self.ensure_one()
        customer = customer or self.partner_id
        return customer.browse(customer.address_get(["invoice"])["invoice"])

    def _usage_rate(self, company, date):
        """Return the conversion rate from usage currency to invoice currency on a day, by the company's rates.

        :raise UserError: when Odoo has no rate for a currency
        """
        self.ensure_one()
        return self.server_id._usage_rate(self.currency_id, company, date)

    def action_create_issuer(self):
        """Create an issuer with its own name and number series for the reseller, or open the existing one."""
        self.ensure_one()
        issuer = self.own_issuer_ids or self.env["astpp.issuer"].create(
            {
                "name": self.partner_id.name,
                "account_id": self.id,
                "company_id": self.company_id.id,
                "prefix": f"{self.number}-",
            }
        )
        return {
            "type": "ir.actions.act_window",
            "res_model": "astpp.issuer",
            "res_id": issuer.id,
            "view_mode": "form",
        }

    def action_view_invoices(self):
        """Open the invoices of the accounts."""
        action = self.env["ir.actions.act_window"]._for_xml_id("astpp_billing.action_astpp_invoice")
        domain = [("astpp_account_id", "in", self.ids), ("move_type", "!=", "entry")]
        return action | {"domain": domain, "context": {}}
