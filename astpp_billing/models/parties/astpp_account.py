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

    commission_based = fields.Boolean(
        tracking=True, help="The reseller sells at his parent's prices for a commission, instead of at his own prices."
    )
    available_funds = fields.Monetary(
        currency_field="usage_currency_id",
        readonly=True,
        copy=False,
        help="What ASTPP had left for the account at the last synchronisation.",
    )
    credit_limit = fields.Monetary(
        currency_field="usage_currency_id",
        tracking=True,
        help="How much a postpaid account may owe in ASTPP. Written back when the server is set so.",
    )
    usage_currency_id = fields.Many2one(related="server_id.currency_id", string="Usage Currency")

    # ASTPP may reuse the number of a deleted account.
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
        # An account closed in this transaction no longer blocks its number; the unique index must know.
        self.flush_model(["status", "number"])
        accounts = super().create(vals_list)
        accounts._begin_first_period()
        return accounts

    def write(self, vals):
        if "status" in vals:
            self._forget_final_invoices(vals["status"])
        newly_postpaid = self._newly_postpaid(vals)
        res = super().write(vals)
        newly_postpaid._begin_postpaid()
        return res
