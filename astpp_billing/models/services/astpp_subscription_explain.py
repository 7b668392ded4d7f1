from datetime import timedelta
from decimal import Decimal

from odoo import fields, models
from odoo.tools import format_date

from ...renewal_period import day_of
from ...service_charge import owed
from ...service_terms import end_of, periods
from ..astpp_guard_mixin import ours


class AstppSubscription(models.Model):
    """Why a period costs what it does: its days and prices."""

    _inherit = "astpp.subscription"

    charge_ids = fields.One2many(
        "astpp.usage", "subscription_id", string="Charges", domain=[("source", "=", "subscription")]
    )

    def action_explain(self):
        """Explain the charge of the running period."""
        self.ensure_one()
        return self._explain(self._day(self.start_date or None))

    @ours
    def _explain(self, first_day):
        """Return the action that explains the charge of the period that began on a local day."""
        self.ensure_one()
        explain = self.env["astpp.subscription.explain"].create({"subscription_id": self.id, "first_day": first_day})
        return {
            "type": "ir.actions.act_window",
            "name": self.env._("Why This Charge?"),
            "res_model": explain._name,
            "res_id": explain.id,
            "view_mode": "form",
            "target": "new",
        }

    def _explained(self, first_day):
        """Return the values of the template ``subscription_explanation`` for the period of a local day."""
        self.ensure_one()
        pieces = self._pieces_of(first_day)
        zone = self.account_id.tz
        charges = self.charge_ids.filtered(lambda line: line.period_date == first_day).sorted(lambda c: (c.date, c.id))
        products = {product.id: product for product in self.line_ids.product_id}
        return {
            "pieces": [
                {
                    "title": f"{piece.terms.quantity} × {products[piece.terms.product].display_name}",
                    "first": piece.first,
                    "price": piece.terms.price * piece.terms.quantity,
                    "charged": self._charged_text(piece),
                    "back": self._back_text(piece) if piece.back else "",
                    "amount": piece.amount,
                }
                for piece in pieces
            ],
            "owed": sum((piece.amount for piece in pieces), Decimal(0)),
            "charges": [
                {"day": day_of(line.date, zone), "description": line.description, "amount": line.amount}
                for line in charges
            ],
            "charged": sum((Decimal(str(line.amount)) for line in charges), Decimal(0)),
            "by_astpp": self._day(self.start_date or None) == first_day and self._charged_by_astpp(),
            "money": lambda amount: self.currency_id.format(float(amount)),
        }

    def _charged_text(self, piece):
        """Say which days of a piece were charged."""
        if not piece.days:
            return self.env._("nothing before the next period: not charged by the day")
        if not piece.until:
            return self.env._("once, without end")
        values = {
            "days": piece.days,
            "whole": piece.whole,
            "last": format_date(self.env, piece.until - timedelta(days=1)),
        }
        if piece.days == piece.whole:
            return self.env._("the whole period of %(days)s days, to %(last)s", **values)
        return self.env._("%(days)s of %(whole)s days, to %(last)s", **values)

    def _back_text(self, piece):
        return self.env._("%(days)s days, from %(day)s", days=piece.back, day=format_date(self.env, piece.back_from))

    def _pieces_of(self, first_day):
        """Return the ``service_charge.Piece`` of the period that began on a local day, [] if the terms do not have it."""
        timeline = self._timeline()
        if self.start_date and self._day(self.start_date) == first_day:
            return self._pieces()
        found = timeline and [
            p for p in self._computed(lambda: list(periods(timeline, first_day))) if p.start == first_day
        ]
        return owed(self._timeline(in_force=True), found[0], end_of(timeline)) if found else []
