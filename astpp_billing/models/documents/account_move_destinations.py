from collections import defaultdict
from fractions import Fraction

from odoo import models

from ...charge_types import CALLS
from ...fair_split import shares, whole_units

# Destinations listed on an invoice; all others are summed up in one line.
MOST_DESTINATIONS = 40


class AccountMove(models.Model):
    """The table of an invoice's calls by destination, whose amounts add up to the invoice's lines."""

    _inherit = "account.move"

    def _astpp_destinations(self):
        """Sum the calls by direction and destination, the most expensive first.

        :return: list of dicts with ``destination``, ``direction``, ``calls``, ``minutes`` ("m:ss"), ``amount`` (invoice
            currency, taxes as on the lines) and ``rate`` (the average amount of a minute, None without minutes); the
            amounts add up to the invoice's lines for calls
        """
        self.ensure_one()
        rows = sorted(self._astpp_destination_sums().items(), key=lambda row: (-row[1][2], -row[1][0], row[0][0]))
        listed, rest = rows[:MOST_DESTINATIONS], rows[MOST_DESTINATIONS:]
        if rest:
            others = [sum(column) for column in zip(*(sums for _key, sums in rest), strict=True)]
            listed.append(((self.env._("Other destinations"), None), others))
        parts = [sums[3] for _key, sums in listed]
        directions = dict(self.env["astpp.usage"]._fields["direction"]._description_selection(self.env))
        return [
            {
                "destination": destination,
                "direction": directions.get(direction, ""),
                "calls": calls,
                "minutes": f"{seconds // 60}:{seconds % 60:02d}",
                "amount": amount,
                "rate": amount * 60 / seconds if seconds and amount else None,
            }
            for ((destination, direction), (calls, seconds, *_amounts)), amount in zip(
                listed, self._astpp_split(sum(parts), parts, 1), strict=True
            )
        ]

    def _astpp_destination_sums(self):
        """Return {(destination, direction): [calls, seconds, usage amount, share of the lines' amounts]}."""
        # sudo: customers have no access to usage; whoever may read the invoice may read the usage it bills.
        usage = self.env["astpp.usage"].sudo()
        found = usage._billed_sums(self, "charge_type", "destination", "direction")
        # Calls that lead nowhere abroad have no destination, but a type.
        types = dict(usage._fields["charge_type"]._description_selection(self.env))
        by_line = defaultdict(list)
        for row in found:
            if row["charge_type"] in CALLS and row["calls"]:
                key = row["destination"] or types[row["charge_type"]], row["direction"]
                by_line[row["move_line_id"]].append((*key, row["calls"], row["duration"], Fraction(row["amount"])))
        sums = defaultdict(lambda: [0, 0, Fraction(), Fraction()])
        for line in self.env["account.move.line"].browse(by_line):
            rows = by_line[line.id]
            total = Fraction(str(self._astpp_shown(line)))
            parts = shares(total, [amount for *_key, amount in rows], self._astpp_factor(line))
            for (destination, direction, *row), part in zip(rows, parts, strict=True):
                before = sums[destination, direction]
                before[:] = [old + new for old, new in zip(before, (*row, part), strict=True)]
        return sums

    def _astpp_factor(self, line):
        """Return the factor from a line's usage amount to its printed amount: currency rate, and taxes if included."""
        base = line.price_unit * line.quantity * (1 - line.discount / 100)
        taxes = Fraction(str(self._astpp_shown(line))) / Fraction(str(base)) if base else 1
        return self._astpp_converted() * taxes

    def _astpp_converted(self):
        """Return the factor from usage to the invoice's currency; on a credit note, credits become positive."""
        return Fraction(str(self.astpp_rate or 1)) * (-1 if self.move_type == "out_refund" else 1)

    def _astpp_split(self, total, exact, factor=None):
        """Split a total over rows by their exact amounts, in whole units of the invoice's currency.

        :param factor: approximate factor from the exact amounts to the total; the invoice's usage rate by default
        :return: list of floats that add up to the total
        """
        unit = Fraction(str(self.currency_id.rounding))
        factor = self._astpp_converted() if factor is None else factor
        return [float(part) for part in whole_units(shares(Fraction(str(total)), exact, factor), unit)]
