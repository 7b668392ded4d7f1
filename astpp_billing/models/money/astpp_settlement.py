from collections import defaultdict

from odoo import api, fields, models
from odoo.exceptions import UserError, ValidationError
from odoo.fields import Command, Domain
from odoo.tools import SQL

from ..astpp_guard_mixin import ours


class AstppSettlement(models.Model):
    """What the operator owes a reseller for documents issued in the reseller's name, less what the reseller owes.

    A document belongs to one settlement at most: the one in its own field.
    """

    _name = "astpp.settlement"
    _description = "Reseller Settlement"
    _inherit = ["mail.thread"]
    _order = "date desc, id desc"
    _check_company_auto = True

    name = fields.Char(compute="_compute_name", store=True)
    kind = fields.Selection(
        [("issuer", "Documents in the reseller's name"), ("commission", "Commissions")],
        string="Settles",
        required=True,
        default="issuer",
        tracking=True,
    )
    issuer_id = fields.Many2one(
        "astpp.issuer",
        ondelete="restrict",
        domain="[('account_id', '!=', False), ('clearing_account_id', '!=', False)]",
        check_company=True,
        tracking=True,
    )
    account_id = fields.Many2one(
        "astpp.account",
        string="Reseller",
        compute="_compute_account_id",
        store=True,
        readonly=False,
        precompute=True,
        ondelete="restrict",
        domain="[('account_type', '=', 'reseller'), ('commission_based', '=', True)]",
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

    @api.depends("issuer_id")
    def _compute_account_id(self):
        for settlement in self:
            settlement.account_id = settlement.issuer_id.account_id or settlement.account_id

    @api.depends("issuer_id", "account_id")
    def _compute_company_id(self):
        for settlement in self:
            whose = settlement.issuer_id or settlement.account_id
            # While neither is chosen, the form offers records of the user's company.
            settlement.company_id = whose.company_id or self.env.company

    @api.depends("issuer_id", "account_id", "date")
    def _compute_name(self):
        for settlement in self:
            settlement.name = self.env._(
                "Settlement with %(reseller)s until %(date)s",
                reseller=settlement.issuer_id.name or settlement.account_id.partner_id.name or "",
                date=settlement.date,
            )

    @api.constrains("kind", "issuer_id", "account_id")
    def _check_who(self):
        for settlement in self:
            if settlement.kind == "issuer" and not settlement.issuer_id:
                raise ValidationError(self.env._("Choose the issuer whose documents are settled."))
            if settlement.kind == "commission" and not settlement.account_id.commission_based:
                raise ValidationError(self.env._("Choose a reseller who works for a commission."))

    @api.depends("kind", "issuer_id", "move_ids", "account_id", "date", "usage_amount")
    def _compute_amounts(self):
        commissions = self._of_commissions()
        (self - commissions)._set_document_amounts()
        commissions._set_commission_amounts()

    def _of_commissions(self):
        return self.filtered(lambda settlement: settlement.kind == "commission")

    def _set_document_amounts(self):
        owed = self._owed_by_account()
        for settlement in self:
            moves = settlement.move_ids.filtered(lambda move: move.is_invoice())
            settlement.invoiced_amount = sum(moves.mapped("amount_total_signed"))
            settlement.paid_amount = settlement.invoiced_amount - sum(moves.mapped("amount_residual_signed"))
            settlement.owed_amount = float(sum(owed[settlement._origin.id].values()))
            settlement.wholesale_amount = settlement._open_amount()
            settlement.net_amount = settlement.owed_amount - settlement.wholesale_amount

    def _open_amount(self):
        """Return the open amount of documents addressed to the reseller itself."""
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

    def _owed_by_account(self):
        """Return {settlement id: {clearing account id: Decimal amount that the settlement's documents booked on it}}.

        Earlier clearing accounts of the issuer count too: older documents were booked on them.
        """
        for model in ("account.move.line", "account.move", "astpp.issuer"):
            self.env[model].flush_model()
        rows = self.env.execute_query(
            SQL(
                """
                SELECT s.id, line.account_id, -sum(line.balance)
                  FROM astpp_settlement s
                  JOIN astpp_issuer i ON i.id = s.issuer_id
                  JOIN account_move m ON m.astpp_settlement_id = s.id AND m.state = 'posted'
                  JOIN account_move_line line ON line.move_id = m.id
                 WHERE s.id = ANY(%s)
                   AND (line.account_id = i.clearing_account_id
                        OR line.account_id IN (SELECT h.account_account_id FROM astpp_issuer_clearing_history h
                                                WHERE h.astpp_issuer_id = i.id))
              GROUP BY 1, 2 ORDER BY 1, 2
                """,
                self._origin.ids,
            )
        )
        owed = defaultdict(dict)
        for key, account_id, amount in rows:
            owed[key][account_id] = amount
        return owed

    @api.ondelete(at_uninstall=False)
    def _unlink_except_done(self):
        if self.filtered(lambda settlement: settlement.bill_id or settlement.state == "done"):
            raise UserError(self.env._("A settlement with a vendor bill cannot be deleted."))
        self.action_release()

    @ours
    def action_collect(self):
        """Add the documents up to the settlement's date that are on no settlement yet."""
        self.check_access("write")
        for settlement in self.filtered(lambda s: s.state == "draft" and s.issuer_id):
            settlement.action_release()
            documents = Domain("move_type", "in", ("out_invoice", "out_refund"))
            documents &= Domain("invoice_date", "<=", settlement.date)
            if settlement.basis == "paid":
                documents &= Domain("payment_state", "in", ("paid", "in_payment", "reversed"))
            # Refills that the reseller received himself lower what the operator owes him.
            refills = Domain("astpp_is_refill", "=", True) & Domain("date", "<=", settlement.date)
            free = Domain("astpp_issuer_id", "=", settlement.issuer_id.id) & Domain("state", "=", "posted")
            free &= Domain("astpp_settlement_id", "=", False)
            # sudo: only the link to the settlement is written on posted documents, nothing else.
            moves = self.env["account.move"].search(free & (documents | refills))
            moves.sudo().astpp_settlement_id = settlement

    @ours
    def action_release(self):
        """Remove the documents from draft settlements."""
        self.check_access("write")
        self.filtered(lambda s: s.state == "draft").move_ids.sudo().astpp_settlement_id = False

    @ours
    def action_settle(self):
        """Create and open the reseller's vendor bill, for commissions or for documents in the reseller's name."""
        commissions = self._of_commissions()
        for settlement in commissions:
            settlement._settle_commission()
        documents = self - commissions
        documents._settle_documents()
        return (documents or commissions).action_view_bill()

    def _settle_documents(self):
        """Create vendor bills that move what is owed from clearing accounts to the resellers' payable accounts."""
        for settlement in self:
            if settlement.state != "draft" or not settlement.move_ids:
                raise UserError(self.env._("Collect the documents first: there is nothing to settle."))
            amount = settlement.owed_amount
            if settlement.currency_id.is_zero(amount):
                raise UserError(self.env._("Nothing is owed for these documents."))
            sign = 1 if amount > 0 else -1
            lines = [
                {
                    "name": settlement.name,
                    "account_id": account_id,
                    "quantity": 1,
                    "price_unit": settlement.currency_id.round(float(sign * owed)),
                    "tax_ids": [Command.clear()],
                }
                for account_id, owed in self._owed_by_account()[settlement.id].items()
                if not settlement.currency_id.is_zero(float(owed))
            ]
            settlement._make_bill(sign, lines)

    def _make_bill(self, sign, lines, **values):
        """Create the vendor bill, or a vendor refund when the reseller owes, and set the settlement to done.

        :param lines: values of the bill's lines
        """
        self.ensure_one()
        self.bill_id = self.env["account.move"].create(
            {
                "move_type": "in_invoice" if sign > 0 else "in_refund",
                "company_id": self.company_id.id,
                "partner_id": self.account_id.partner_id.id,
                "invoice_date": fields.Date.context_today(self),
                "currency_id": self.currency_id.id,
                "ref": self.name,
                "astpp_bills_settlement": True,
                "invoice_line_ids": [Command.create(line) for line in lines],
                **values,
            }
        )
        self.state = "done"

    def _reopen(self):
        """Return to draft after the vendor bill was cancelled or deleted, so that it can be settled again."""
        for settlement in self:
            settlement.message_post(
                body=settlement.env._(
                    "The vendor bill %s is cancelled: the settlement is a draft again.", settlement.bill_id.display_name
                )
            )
        self.write({"state": "draft", "bill_id": False})

    def action_view_bill(self):
        """Open the vendor bill."""
        self.ensure_one()
        return self.bill_id.get_formview_action()
