from odoo import api, fields, models
from odoo.exceptions import UserError


class AstppServer(models.Model):
    """An ASTPP installation; each account and each usage line belongs to one."""

    _name = "astpp.server"
    _description = "ASTPP Server"
    _inherit = ["mail.thread", "astpp.alert.mixin"]
    _check_company_auto = True

    name = fields.Char(required=True, tracking=True)
    active = fields.Boolean(default=True)
    company_id = fields.Many2one("res.company", required=True, default=lambda self: self.env.company)
    currency_id = fields.Many2one(
        "res.currency",
        string="Base Currency",
        required=True,
        compute="_compute_currency_id",
        store=True,
        readonly=False,
        precompute=True,
        tracking=True,
        help="The base currency of the ASTPP system: all rated amounts are in it.",
    )
    call_product_id = fields.Many2one(
        "product.product",
        string="Product for Calls",
        required=True,
        default=lambda self: self.env.ref("astpp_billing.product_calls", raise_if_not_found=False),
        domain="[('type', '=', 'service')]",
        check_company=True,
        help="Gives the income account and the taxes of the invoice lines for calls.",
    )
    charge_product_id = fields.Many2one(
        "product.product",
        string="Product for Other Charges",
        required=True,
        default=lambda self: self.env.ref("astpp_billing.product_charges", raise_if_not_found=False),
        domain="[('type', '=', 'service')]",
        check_company=True,
        help="Gives income account and taxes of charges and credits that belong to no product.",
    )
    did_quarantine_days = fields.Integer(
        string="Quarantine of Numbers",
        default=30,
        help="Days that a number rests after it was released, before somebody else can get it.",
    )
    account_ids = fields.One2many("astpp.account", "server_id", string="Accounts")
    account_count = fields.Integer(compute="_compute_account_count")

    _name_company_uniq = models.Constraint(
        "UNIQUE(name, company_id)", "Another ASTPP server of this company has this name."
    )

    @api.depends("company_id")
    def _compute_currency_id(self):
        for server in self:
            server.currency_id = server.currency_id or server.company_id.currency_id

    def _compute_account_count(self):
        counts = dict(
            self.env["astpp.account"]._read_group([("server_id", "in", self.ids)], ["server_id"], ["__count"])
        )
        for server in self:
            server.account_count = counts.get(server, 0)

    @api.ondelete(at_uninstall=False)
    def _unlink_except_used(self):
        if self.env["astpp.usage"].sudo().search_count([("server_id", "in", self.ids)], limit=1):
            raise UserError(self.env._("It has usage. Archive it instead."))

    def _usage_rate(self, currency, company, date):
        """Return the conversion rate from the server's base currency to ``currency`` on a day, by the company's rates.

        :param currency: ``res.currency``
        :raise UserError: when a rate is missing, where Odoo would silently use 1.0
        """
        self.ensure_one()
        # sudo: users of another company that invoices for this server may have no access to it; rates are no secret.
        base, rates = self.sudo().currency_id, self.env["res.currency.rate"].sudo()
        if base == currency:
            return 1.0
        for foreign in (base | currency) - company.currency_id:
            known = [("currency_id", "=", foreign.id), ("name", "<=", date)]
            if not rates.search_count([*known, ("company_id", "in", (company.root_id.id, False))], limit=1):
                raise UserError(
                    self.env._("There is no rate of %(currency)s on %(date)s.", currency=foreign.name, date=date)
                )
        return self.env["res.currency"]._get_conversion_rate(base, currency, company, date)

    def action_view_accounts(self):
        """Open the server's accounts."""
        self.ensure_one()
        action = self.env["ir.actions.act_window"]._for_xml_id("astpp_billing.action_astpp_account")
        return action | {"domain": [("server_id", "=", self.id)], "context": {"default_server_id": self.id}}
