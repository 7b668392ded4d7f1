from odoo import api, fields, models
from odoo.exceptions import UserError
from odoo.fields import Command

from ..astpp_guard_mixin import ours
from ..ledger.astpp_usage_entries import UsageEntry


class AstppTopup(models.Model):
    """Prepaid credit that a customer buys: invoiced first, credited in ASTPP once the invoice is paid."""

    _name = "astpp.topup"
    _description = "Top-up"
    _inherit = ["mail.thread"]
    _order = "id desc"
    _check_company_auto = True

    name = fields.Char(compute="_compute_name", store=True)
    account_id = fields.Many2one(
        "astpp.account",
        required=True,
        ondelete="restrict",
        index=True,
        check_company=True,
        domain="[('account_type', '!=', 'provider'), ('status', '=', 'active'), ('payment_mode', '=', 'prepaid')]",
        tracking=True,
    )
    server_id = fields.Many2one(related="account_id.server_id", store=True)
    company_id = fields.Many2one("res.company", compute="_compute_company_id", store=True)
    billing_company_id = fields.Many2one(related="account_id.billing_company_id")
    partner_id = fields.Many2one(related="account_id.partner_id", store=True)
    issuer_id = fields.Many2one(related="account_id.issuer_id", store=True)
    currency_id = fields.Many2one(related="server_id.currency_id")
    product_id = fields.Many2one(
        "product.product",
        required=True,
        ondelete="restrict",
        domain="[('astpp_type', '=', 'topup')]",
        default=lambda self: self.env.ref("astpp_billing.product_topup", raise_if_not_found=False),
    )
    amount = fields.Float(
        digits=(20, 6),
        compute="_compute_amount",
        store=True,
        readonly=False,
        precompute=True,
        tracking=True,
        help="What the account gains, before taxes, in the server's base currency.",
    )
    payment_journal_id = fields.Many2one(
        "account.journal",
        string="Paid Into",
        domain="[('type', 'in', ('bank', 'cash')), ('company_id', '=', billing_company_id)]",
        help="The money is there: the invoice is paid at once. Empty: the credit waits for the payment.",
    )
    move_id = fields.Many2one("account.move", string="Invoice", readonly=True, copy=False, ondelete="restrict")
    sale_line_id = fields.Many2one("sale.order.line", readonly=True, copy=False, index="btree_not_null")
    state = fields.Selection(
        [
            ("draft", "Draft"),
            ("invoiced", "Waiting for Payment"),
            ("credited", "Credited"),
            ("reversed", "Taken Back"),
            ("cancelled", "Cancelled"),
        ],
        default="draft",
        required=True,
        readonly=True,
        copy=False,
        tracking=True,
    )

    _move_uniq = models.UniqueIndex("(move_id) WHERE move_id IS NOT NULL", "This invoice is of another top-up.")
    _sale_line_uniq = models.UniqueIndex("(sale_line_id) WHERE sale_line_id IS NOT NULL")
    _amount_positive = models.Constraint("CHECK(amount > 0)", "A top-up adds an amount above zero.")

    @api.depends("account_id.company_id")
    def _compute_company_id(self):
        for topup in self:
            # While no account is chosen, the form offers accounts of the user's company.
            topup.company_id = topup.account_id.company_id or self.env.company

    @api.depends("account_id", "amount")
    def _compute_name(self):
        for topup in self:
            topup.name = self.env._("Top-up of %s", topup.account_id.number or "")

    @api.depends("product_id", "account_id")
    def _compute_amount(self):
        for topup in self.filtered(lambda t: t.product_id and t.account_id):
            topup.amount = topup.amount or topup.product_id._astpp_price(topup.account_id)[0]

    @api.ondelete(at_uninstall=False)
    def _unlink_except_invoiced(self):
        if self.filtered("move_id"):
            raise UserError(self.env._("A top-up with an invoice cannot be deleted."))

    @api.model
    def _sell(self, sale_lines):
        """Create and invoice the top-ups ordered on these sale order lines, once per line."""
        known = self.search([("sale_line_id", "in", sale_lines.ids)]).sale_line_id
        topups = self.create(
            [
                {
                    "account_id": line.order_id.astpp_account_id.id,
                    "product_id": line.product_id.id,
                    "amount": line.currency_id._convert(
                        line.price_subtotal,
                        line.order_id.astpp_account_id.server_id.currency_id,
                        line.company_id,
                        line.order_id.date_order,
                    ),
                    "sale_line_id": line.id,
                }
                for line in sale_lines - known
            ]
        )
        topups.action_confirm()

    @ours
    def action_confirm(self):
        """Invoice the top-ups, and register the payment of those that are already paid."""
        for topup in self:
            if topup.state != "draft":
                raise UserError(self.env._("%s has an invoice already.", topup.name))
            topup.check_access("write")
            if topup.account_id.payment_mode != "prepaid":
                raise UserError(
                    self.env._(
                        "Account %s is postpaid: it pays invoices afterwards and has nothing to top up.",
                        topup.account_id.display_name,
                    )
                )
            moves = self.env["account.move"].with_company(topup.billing_company_id)
            topup.move_id = moves.create(topup._prepare_move_vals())
            topup.state = "invoiced"
            topup.move_id._post(soft=False)
            if topup.payment_journal_id:
                topup._register_payment()

    def _prepare_move_vals(self):
        self.ensure_one()
        account, issuer = self.account_id, self.issuer_id
        if not issuer.journal_id:
            raise UserError(self.env._("Issuer %s has no journal.", issuer.display_name))
        today = fields.Date.context_today(self)
        line = {
            "product_id": self.product_id.id,
            "name": self.with_context(lang=self.partner_id.lang).env._(
                "%(product)s, account %(account)s", product=self.product_id.name, account=account.number
            ),
            "quantity": 1,
            "price_unit": account.currency_id.round(self.amount * account._usage_rate(issuer.company_id, today)),
        }
        # A reseller's own company has its own taxes, which come from the product.
        if account.tax_ids and account.company_id == issuer.company_id:
            line["tax_ids"] = [Command.set(account.tax_ids.ids)]
        if owed := issuer.clearing_account_id or issuer.advance_account_id:
            line["account_id"] = owed.id
        if self.sale_line_id:
            line["sale_line_ids"] = [Command.link(self.sale_line_id.id)]
        return {
            "move_type": "out_invoice",
            "company_id": issuer.company_id.id,
            "journal_id": issuer.journal_id.id,
            "partner_id": account._invoice_partner().id,
            "currency_id": account.currency_id.id,
            "invoice_date": today,
            "astpp_account_id": account.id,
            "astpp_issuer_id": issuer.id,
            "invoice_line_ids": [Command.create(line)],
        }

    def _register_payment(self):
        self.ensure_one()
        self.env["account.payment.register"].with_context(
            active_model="account.move", active_ids=self.move_id.ids
        ).create({"journal_id": self.payment_journal_id.id})._create_payments()

    def _credit(self):
        """Credit the account of a top-up whose invoice is paid; a top-up is credited only once."""
        paid = self.filtered(lambda topup: topup.state == "invoiced")
        paid.state = "credited"
        for topup in paid:
            topup._move_funds(topup.amount, f"topup/{topup.id}")

    def _take_back(self, credit_note):
        """Take back the share that a credit note credits; once all of it is credited, the top-up ends."""
        self.ensure_one()
        if self.state == "invoiced":
            self.state = "reversed"
        if self.state != "credited":
            return
        # Subtract what earlier credit notes took back; a credit note that is confirmed again takes nothing more.
        taken = (
            self.env["astpp.outbox"]
            .sudo()
            .search([("server_id", "=", self.server_id.id), ("key", "=like", f"topup-back/{self.id}/%")])
        )
        key = f"topup-back/{self.id}/{credit_note.id}"
        if key in taken.mapped("key"):
            return
        left = self.amount + sum(taken.mapped("amount"))
        amount = min(self.amount * credit_note.amount_total / self.move_id.amount_total, left)
        if self.currency_id.compare_amounts(amount, left) >= 0:
            self.state = "reversed"
        self._move_funds(-amount, key)

    def _move_funds(self, amount, key):
        """Add what the account gains to the ledger, and queue it for ASTPP."""
        account, now = self.account_id, fields.Datetime.now()
        # Marked as prepaid: the top-up has its own invoice, so no billing run may bill it.
        self.env["astpp.usage"].sudo()._add(
            [
                UsageEntry(
                    "credit", key, account.server_id.id, account.id, now, "topup", -amount, self.name, prepaid=True
                )
            ]
        )
        self.env["astpp.outbox"]._enqueue_balances([(self.account_id, amount, key, self.name)])

    @ours
    def action_cancel(self):
        """Cancel unpaid top-ups together with their invoices."""
        for topup in self.filtered(lambda t: t.state in ("draft", "invoiced")):
            if topup.move_id.state == "posted":
                topup.move_id.button_draft()
            if topup.move_id:
                topup.move_id.button_cancel()
            topup.state = "cancelled"

    def action_view_invoice(self):
        """Open the invoice."""
        self.ensure_one()
        return self.move_id.get_formview_action()
