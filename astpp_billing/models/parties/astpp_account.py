from odoo import api, fields, models
from odoo.exceptions import ValidationError


class AstppAccount(models.Model):
    """A customer, reseller or provider account of an ASTPP server."""

    _name = "astpp.account"
    _description = "ASTPP Account"
    _inherit = ["mail.thread", "astpp.alert.mixin", "astpp.synced.mixin"]
    _check_company_auto = True
    _parent_store = True
    _rec_names_search = ["number", "partner_id.name"]
    _order = "number"

    number = fields.Char(string="Account Number", required=True, index=True, tracking=True)
    server_id = fields.Many2one(
        "astpp.server",
        required=True,
        ondelete="restrict",
        default=lambda self: self.env["astpp.server"].search([("company_id", "=", self.env.company.id)], limit=1),
    )
    company_id = fields.Many2one(related="server_id.company_id", store=True, index=True)
    partner_id = fields.Many2one(
        "res.partner", string="Customer", required=True, check_company=True, index=True, tracking=True
    )
    account_type = fields.Selection(
        [("customer", "Customer"), ("reseller", "Reseller"), ("provider", "Provider")],
        default="customer",
        required=True,
        tracking=True,
    )
    parent_id = fields.Many2one(
        "astpp.account",
        string="Reseller",
        domain="[('account_type', '=', 'reseller'), ('server_id', '=', server_id)]",
        ondelete="restrict",
        index=True,
        tracking=True,
    )
    parent_path = fields.Char(index=True)
    child_ids = fields.One2many("astpp.account", "parent_id", string="Accounts Below")
    status = fields.Selection(
        [("active", "Active"), ("suspended", "Suspended"), ("closed", "Closed")],
        default="active",
        required=True,
        tracking=True,
    )
    payment_mode = fields.Selection(
        [("postpaid", "Postpaid"), ("prepaid", "Prepaid")],
        default="postpaid",
        required=True,
        tracking=True,
        help="Prepaid accounts are charged live by ASTPP: their calls are never invoiced.",
    )

    # Invoicing
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
    commission_based = fields.Boolean(
        tracking=True, help="The reseller sells at his parent's prices for a commission, instead of at his own prices."
    )
    available_funds = fields.Monetary(
        currency_field="usage_currency_id",
        readonly=True,
        copy=False,
        help="What ASTPP had left for the account at the last synchronisation.",
    )
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
    usage_currency_id = fields.Many2one(related="server_id.currency_id", string="Usage Currency")
    move_ids = fields.One2many("account.move", "astpp_account_id", string="Invoices")
    invoice_count = fields.Integer(compute="_compute_invoice_count")

    # ASTPP gives the number of a deleted account to another one.
    _live_number_uniq = models.UniqueIndex(
        "(server_id, number) WHERE status != 'closed'", "Another account of this server has this number."
    )
    _astpp_id_uniq = models.UniqueIndex(
        "(server_id, astpp_id) WHERE astpp_id IS NOT NULL AND astpp_id != 0",
        "Another account of this server has this ASTPP ID.",
    )

    @api.depends("number", "partner_id.name")
    def _compute_display_name(self):
        for account in self:
            account.display_name = " – ".join(filter(None, (account.number, account.partner_id.name)))

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

    @api.constrains("parent_id", "server_id")
    def _check_parent(self):
        if self._has_cycle():
            raise ValidationError(self.env._("A reseller cannot be below itself."))
        for account in self.filtered("parent_id"):
            if account.parent_id.server_id != account.server_id:
                raise ValidationError(
                    self.env._("Account %s and its reseller belong to different ASTPP servers.", account.number)
                )
            if account.parent_id.account_type != "reseller":
                raise ValidationError(self.env._("Account %s is not a reseller.", account.parent_id.number))

    @api.model_create_multi
    def create(self, vals_list):
        for vals in vals_list:
            if vals.get("number"):
                vals["number"] = vals["number"].strip()
        for server in self.env["astpp.server"].browse(
            {vals["server_id"] for vals in vals_list if vals.get("server_id")}
        ):
            self.env["astpp.issuer"]._operator(server.company_id)
        # Who has just been closed holds his number no more.
        self.flush_model(["status", "number"])
        return super().create(vals_list)

    def _invoice_partner(self):
        """Return the contact that invoices are addressed to: the customer's invoice address, as in a sale order."""
        self.ensure_one()
        return self.partner_id.browse(self.partner_id.address_get(["invoice"])["invoice"])

    def action_create_issuer(self):
        """Make the reseller an issuer with his own name and number series, and open it."""
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
