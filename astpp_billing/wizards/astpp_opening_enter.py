from odoo import api, fields, models
from odoo.exceptions import UserError

from ..models.astpp_guard_mixin import ours


class AstppOpeningEnter(models.TransientModel):
    """Make the entry that begins customers' balances with what was open in ASTPP."""

    _name = "astpp.opening.enter"
    _description = "Enter Opening Items"
    _check_company_auto = True

    opening_ids = fields.Many2many(
        "astpp.opening",
        string="Items",
        required=True,
        default=lambda self: (
            self.env.context.get("active_ids") if self.env.context.get("active_model") == "astpp.opening" else None
        ),
    )
    count = fields.Integer(string="Items to Enter", compute="_compute_sums")
    company_id = fields.Many2one("res.company", compute="_compute_company_id")
    date = fields.Date(
        required=True,
        default=fields.Date.context_today,
        help="The day from which on the customers owe it in your books: usually the day before Odoo bills.",
    )
    journal_id = fields.Many2one(
        "account.journal",
        compute="_compute_journal_id",
        store=True,
        readonly=False,
        precompute=True,
        required=True,
        domain="[('type', '=', 'general'), ('company_id', '=', company_id)]",
        check_company=True,
    )
    account_id = fields.Many2one(
        "account.account",
        string="Opening Account",
        compute="_compute_journal_id",
        store=True,
        readonly=False,
        precompute=True,
        required=True,
        check_company=True,
        help="What the items are against. Items of resellers with a clearing account are against that account.",
    )
    summary = fields.Char(compute="_compute_sums")

    @api.depends("opening_ids")
    def _compute_company_id(self):
        for wizard in self:
            wizard.company_id = wizard.opening_ids.company_id[:1] or self.env.company

    @api.depends("opening_ids")
    def _compute_sums(self):
        kinds = dict(self.env["astpp.opening"]._fields["kind"]._description_selection(self.env))
        for wizard in self:
            items = wizard._items()
            wizard.count = len(items)
            wizard.summary = "; ".join(
                self.env._(
                    "%(kind)s: %(count)s, %(amount)s",
                    kind=kinds[kind],
                    count=len(some),
                    amount=currency.format(sum(some.mapped("amount"))),
                )
                for (kind, currency), some in items.grouped(lambda each: (each.kind, each.currency_id)).items()
            )

    @api.depends("company_id")
    def _compute_journal_id(self):
        for wizard in self:
            company = wizard.company_id
            domain = [*self.env["account.journal"]._check_company_domain(company), ("type", "=", "general")]
            wizard.journal_id = wizard.journal_id or self.env["account.journal"].search(domain, limit=1)
            wizard.account_id = wizard.account_id or company.get_unaffected_earnings_account()

    def _items(self):
        """Return the items that can be entered: to be reviewed still, and not zero."""
        return self.opening_ids.filtered(lambda each: each.state == "new" and each.amount)

    @ours
    def action_enter(self):
        """Create the draft entry and open it.

        :raise UserError: when nothing is left to enter, or the items are of several companies
        """
        self.ensure_one()
        items = self._items()
        if not items:
            raise UserError(self.env._("None of these items is to be taken over."))
        if len(items.company_id) > 1:
            raise UserError(self.env._("These items are in the books of several companies: enter them one by one."))
        move = items._enter(self.company_id, self.journal_id, self.account_id, self.date)
        return {
            "type": "ir.actions.act_window",
            "name": self.env._("Opening Entry"),
            "res_model": "account.move",
            "view_mode": "form",
            "res_id": move.id,
        }
