from odoo import api, fields, models
from odoo.exceptions import UserError
from odoo.fields import Command

from ..astpp_guard_mixin import ours


class AstppOpening(models.Model):
    """What a customer owed, or had left, in ASTPP when Odoo took over: it begins the customer's balance here.

    Read from ASTPP as often as one likes, reviewed, and posted by one entry. The database lets each be on one entry only.
    """

    _name = "astpp.opening"
    _description = "Opening Item"
    _order = "account_id, date, id"

    server_id = fields.Many2one("astpp.server", required=True, readonly=True, ondelete="cascade")
    account_id = fields.Many2one("astpp.account", required=True, readonly=True, ondelete="cascade", index=True)
    partner_id = fields.Many2one(related="account_id.partner_id", string="Customer")
    issuer_id = fields.Many2one("astpp.issuer", required=True, readonly=True, ondelete="restrict", index=True)
    company_id = fields.Many2one(related="issuer_id.company_id", store=True, precompute=True)
    kind = fields.Selection(
        [("invoice", "Open Invoice"), ("funds", "Prepaid Credit")], string="Type", required=True, readonly=True
    )
    astpp_id = fields.Integer(string="ASTPP ID", aggregator=None, required=True, readonly=True)
    name = fields.Char(string="Number", required=True, readonly=True)
    date = fields.Date(readonly=True)
    date_due = fields.Date(string="Due Date", readonly=True)
    currency_id = fields.Many2one(related="server_id.currency_id")
    total_amount = fields.Monetary(string="Total", readonly=True, help="With taxes.")
    paid_amount = fields.Monetary(string="Paid", readonly=True)
    astpp_amount = fields.Monetary(string="Open in ASTPP", readonly=True, help="When it was last read.")
    amount = fields.Monetary(
        string="To Take Over", help="What the customer owes you, or what a prepaid customer has left."
    )
    left_out = fields.Boolean(help="Does not come to Odoo.")
    note = fields.Char(help="Why it was corrected or left out.")
    line_ids = fields.One2many("account.move.line", "astpp_opening_id", readonly=True)
    move_id = fields.Many2one("account.move", string="Entry", compute="_compute_state", store=True)
    state = fields.Selection(
        [("new", "To Review"), ("left_out", "Left Out"), ("entered", "On an Entry")],
        compute="_compute_state",
        store=True,
    )
    difference = fields.Monetary(
        string="Changed in ASTPP Since",
        compute="_compute_difference",
        store=True,
        help="Open in ASTPP now, less what was taken over: payments that were entered there since.",
    )

    _astpp_uniq = models.UniqueIndex("(server_id, kind, astpp_id)")

    @api.depends("line_ids.parent_state", "left_out")
    def _compute_state(self):
        for opening in self:
            line = opening.line_ids.filtered(lambda line: line.parent_state != "cancel")[:1]
            opening.move_id = line.move_id
            opening.state = "entered" if line else "left_out" if opening.left_out else "new"

    @api.depends("state", "astpp_amount", "amount")
    def _compute_difference(self):
        for opening in self:
            opening.difference = opening.astpp_amount - opening.amount if opening.state == "entered" else 0.0

    def write(self, vals):
        """Write on opening items.

        :raise UserError: when the amount of one that is on an entry is to change
        """
        if {"amount", "left_out"} & vals.keys() and (entered := self.filtered(lambda each: each.state == "entered")):
            raise UserError(
                self.env._("%(item)s is on the entry %(entry)s: change it there, or delete that draft first.",
                           item=entered[0].name, entry=entered[0].move_id.display_name)
            )  # fmt: skip
        return super().write(vals)

    def action_leave_out(self):
        """Leave these items out of the take-over."""
        self.left_out = True

    def action_take_in(self):
        """Have these items taken over after all."""
        self.left_out = False

    @ours
    def _enter(self, company, journal, account, date):
        """Create one draft entry of these items of a company; a receivable or an advance each.

        Customers of a reseller with a clearing account owe the reseller: their items are against that account.

        :param account: what all others are against
        :return: the entry
        :raise UserError: when an issuer has no account for advances
        """
        self.check_access("write")
        move = self.env["account.move"].with_company(company)
        lines, against = [], {}
        for opening in self.sorted(lambda each: (each.issuer_id.id, each.kind, each.account_id.id, each.date or date)):
            line = opening._line_vals(company, date)
            lines.append(line)
            other = opening.issuer_id.clearing_account_id or account
            key = (other, opening.issuer_id, opening.kind)
            against[key] = against.get(key, 0.0) - line["balance"]
        kinds = dict(self._fields["kind"]._description_selection(self.env))
        lines += [
            {
                "account_id": other.id,
                "name": f"{kinds[kind]}, {issuer.name}",
                "balance": company.currency_id.round(balance),
            }
            for (other, issuer, kind), balance in against.items()
        ]
        return move.create(
            {
                "move_type": "entry",
                "astpp_is_opening": True,
                "journal_id": journal.id,
                "date": date,
                "ref": self.env._("Opening balances from ASTPP"),
                "line_ids": [Command.create({"sequence": n, **line}) for n, line in enumerate(lines)],
            }
        )

    def _line_vals(self, company, date):
        """Return the values of this item's line: what the customer owes, or less what the customer has left."""
        self.ensure_one()
        is_owed = self.kind == "invoice"
        partner = self.partner_id.with_company(company)
        account = partner.property_account_receivable_id if is_owed else self.issuer_id.advance_account_id
        if not account:
            raise UserError(self.env._("Issuer %s has no account for customer advances.", self.issuer_id.display_name))
        owed = self.amount if is_owed else -self.amount
        # sudo: a reseller's own company takes over what is open on the operator's server.
        currency = self.sudo().currency_id
        return {
            "account_id": account.id,
            "partner_id": partner.commercial_partner_id.id,
            "name": self.name,
            "date_maturity": (self.date_due or date) if is_owed else False,
            "currency_id": currency.id,
            "amount_currency": owed,
            "balance": currency._convert(owed, company.currency_id, company, date),
            "astpp_opening_id": self.id,
        }
