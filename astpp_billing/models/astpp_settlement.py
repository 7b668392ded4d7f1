from odoo import api, fields, models
from odoo.exceptions import UserError
from odoo.fields import Command
from odoo.tools import SQL


class AstppSettlement(models.Model):
    """What the operator owes a reseller for documents issued in the reseller's name, and what the reseller owes him.

    Each document is on one settlement at most: it names its own.
    """

    _name = "astpp.settlement"
    _description = "Reseller Settlement"
    _inherit = ["mail.thread"]
    _order = "date desc, id desc"
    _check_company_auto = True

    name = fields.Char(compute="_compute_name", store=True)
    issuer_id = fields.Many2one(
        "astpp.issuer",
        ondelete="restrict",
        domain="[('account_id', '!=', False), ('clearing_account_id', '!=', False)]",
        check_company=True,
        tracking=True,
    )
    company_id = fields.Many2one("res.company", compute="_compute_company_id", store=True)
    currency_id = fields.Many2one(related="company_id.currency_id")
    date = fields.Date(string="Until", required=True, default=fields.Date.context_today, tracking=True)
    basis = fields.Selection(
        [("paid", "What customers have paid in full"), ("invoiced", "All that was invoiced")],
        required=True,
        default="paid",
        tracking=True,
    )
    move_ids = fields.One2many("account.move", "astpp_settlement_id", string="Documents", readonly=True)
    invoiced_amount = fields.Monetary(
        string="Invoiced", compute="_compute_amounts", help="With taxes, credit notes deducted."
    )
    paid_amount = fields.Monetary(string="Paid by Customers", compute="_compute_amounts")
    owed_amount = fields.Monetary(
        string="Owed to the Reseller",
        compute="_compute_amounts",
        help="What these documents booked on the clearing account.",
    )
    wholesale_amount = fields.Monetary(
        string="Owed by the Reseller",
        compute="_compute_amounts",
        help="Open invoices to the reseller himself: wholesale usage and his own services.",
    )
    net_amount = fields.Monetary(string="Net", compute="_compute_amounts")
    bill_id = fields.Many2one("account.move", string="Vendor Bill", readonly=True, copy=False)
    state = fields.Selection(
        [("draft", "Draft"), ("done", "Settled")],
        default="draft",
        required=True,
        readonly=True,
        copy=False,
        tracking=True,
    )

    @api.depends("issuer_id", "account_id")
    def _compute_company_id(self):
        for settlement in self:
            whose = settlement.issuer_id or settlement.account_id
            # Until there is either, the form offers those of the user's company.
            settlement.company_id = whose.company_id or self.env.company

    @api.depends("issuer_id", "account_id", "date")
    def _compute_name(self):
        for settlement in self:
            settlement.name = self.env._(
                "Settlement with %(reseller)s until %(date)s",
                reseller=settlement.issuer_id.name or settlement.account_id.partner_id.name or "",
                date=settlement.date,
            )

    @api.depends("move_ids", "issuer_id")
    def _compute_amounts(self):
        owed = self._owed_by_settlement()
        for settlement in self:
            moves = settlement.move_ids
            settlement.invoiced_amount = sum(moves.mapped("amount_total_signed"))
            settlement.paid_amount = settlement.invoiced_amount - sum(moves.mapped("amount_residual_signed"))
            settlement.owed_amount = owed.get(settlement._origin.id, 0.0)
            settlement.wholesale_amount = settlement._open_amount()
            settlement.net_amount = settlement.owed_amount - settlement.wholesale_amount

    def _open_amount(self):
        """Return what is open of the documents to the reseller himself."""
        self.ensure_one()
        partner = self.account_id.partner_id.commercial_partner_id
        if not partner:
            return 0.0
        open_invoices = self.env["account.move"].search(
            [
                *[("partner_id", "child_of", partner.id), ("state", "=", "posted")],
                *[("move_type", "in", ("out_invoice", "out_refund")), ("company_id", "=", self.company_id.id)],
                ("amount_residual", "!=", 0),
            ]
        )
        return sum(open_invoices.mapped("amount_residual_signed"))

    def _owed_by_settlement(self):
        """Return {id: what the documents of a settlement booked on its issuer's clearing account}."""
        self.env["account.move.line"].flush_model()
        self.env["account.move"].flush_model()
        rows = self.env.execute_query(
            SQL(
                """
                SELECT s.id, -sum(line.balance)
                  FROM astpp_settlement s
                  JOIN astpp_issuer i ON i.id = s.issuer_id
                  JOIN account_move m ON m.astpp_settlement_id = s.id AND m.state = 'posted'
                  JOIN account_move_line line ON line.move_id = m.id AND line.account_id = i.clearing_account_id
                 WHERE s.id = ANY(%s) GROUP BY 1
                """,
                self._origin.ids,
            )
        )
        return {key: float(amount) for key, amount in rows}

    @api.ondelete(at_uninstall=False)
    def _unlink_except_done(self):
        if self.filtered("bill_id"):
            raise UserError(self.env._("A settlement with a vendor bill cannot be deleted."))
        self.action_release()

    def action_collect(self):
        """Take the documents that no settlement has, up to the date."""
        self.check_access("write")
        for settlement in self.filtered(lambda s: s.state == "draft" and s.issuer_id):
            settlement.action_release()
            domain = [
                *[("astpp_issuer_id", "=", settlement.issuer_id.id), ("state", "=", "posted")],
                *[("move_type", "in", ("out_invoice", "out_refund")), ("astpp_settlement_id", "=", False)],
                ("invoice_date", "<=", settlement.date),
            ]
            if settlement.basis == "paid":
                domain.append(("payment_state", "in", ("paid", "in_payment", "reversed")))
            # The link is the settlement's; nothing else of a posted invoice is touched.
            moves = self.env["account.move"].search(domain)
            moves.sudo().astpp_settlement_id = settlement

    def action_release(self):
        """Let the documents of drafts go."""
        self.check_access("write")
        self.filtered(lambda s: s.state == "draft").move_ids.sudo().astpp_settlement_id = False

    def action_settle(self):
        """Make the reseller's vendor bill: it moves the debt from the clearing account to his payable account."""
        for settlement in self:
            if settlement.state != "draft" or not settlement.move_ids:
                raise UserError(self.env._("Collect the documents first: there is nothing to settle."))
            amount = settlement.owed_amount
            if settlement.currency_id.is_zero(amount):
                raise UserError(self.env._("Nothing is owed for these documents."))
            issuer = settlement.issuer_id
            line = {
                "name": settlement.name,
                "account_id": issuer.clearing_account_id.id,
                "quantity": 1,
                "price_unit": abs(amount),
                "tax_ids": [Command.clear()],
            }
            settlement.bill_id = self.env["account.move"].create(
                {
                    "move_type": "in_invoice" if amount > 0 else "in_refund",
                    "company_id": settlement.company_id.id,
                    "partner_id": issuer.account_id.partner_id.id,
                    "invoice_date": fields.Date.context_today(self),
                    "currency_id": settlement.currency_id.id,
                    "ref": settlement.name,
                    "invoice_line_ids": [Command.create(line)],
                }
            )
            settlement.state = "done"
        return self.action_view_bill()

    def action_view_bill(self):
        """Open the vendor bill."""
        self.ensure_one()
        return self.bill_id.get_formview_action()
