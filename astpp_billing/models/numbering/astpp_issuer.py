import re

from odoo import api, fields, models
from odoo.exceptions import ValidationError
from odoo.tools import SQL
from odoo.tools.sql import escape_psql

from ..parties.astpp_issuer import MAX_NUMBER

# Placeholder in prefixes for the four-digit year of the invoice date.
YEAR = "{year}"
YEARS = range(1900, 2200)
# Stands for any digit when prefixes are compared; not printable, so no prefix contains it.
ANY_DIGIT = "\0"


class AstppIssuer(models.Model):
    """An issuer's number series: where they start, and which prefixes can share a journal."""

    _inherit = "astpp.issuer"

    prefix = fields.Char(
        string="Number Prefix",
        required=True,
        tracking=True,
        help="Printed before the number, any characters: a new prefix starts a new series at the first number. "
        "{year} stands for the year of the invoice's date: each year is a series that begins at 1.",
    )
    refund_prefix = fields.Char(
        string="Credit Note Prefix",
        tracking=True,
        help="A series of its own for credit notes. Empty: they share the invoices' series.",
    )
    first_number = fields.Integer(
        default=1,
        required=True,
        tracking=True,
        help="The next number is at least this one. Raising it skips the numbers in between. With the year in the "
        "prefix it is the first year's.",
    )
    padding = fields.Integer(string="Digits", default=5, required=True, tracking=True)
    next_number = fields.Char(compute="_compute_next_number")

    _number_range = models.Constraint(
        f"CHECK(first_number BETWEEN 1 AND {MAX_NUMBER} AND padding BETWEEN 1 AND 9)",
        f"The first number is 1 to {MAX_NUMBER}, and numbers have 1 to 9 digits.",
    )

    @api.depends("prefix", "first_number", "padding", "journal_id")
    def _compute_next_number(self):
        today = fields.Date.context_today(self)
        for issuer in self:
            issuer.next_number = issuer._next_number("out_invoice", today)

    def _next_number(self, move_type, date):
        """Return the full number of the next invoice or credit note of a date."""
        self.ensure_one()
        series = self._series(move_type, date)[0]
        last = self.env["account.move"]._last_series_number(self.journal_id, series)
        return f"{series}{self._number_before(move_type, series, self.journal_id, last) + 1:0{self.padding}d}"

    def _series(self, move_type, date):
        """Return the series in which an invoice or credit note of a date is numbered.

        :return: (prefix with the year filled in, the year or 0 if the prefix has none)
        """
        self.ensure_one()
        prefix = self._prefix_of(move_type)
        return prefix.replace(YEAR, f"{date.year:04d}"), date.year if YEAR in prefix else 0

    def _series_of_name(self, move_type, name):
        """Return the series to which a name could belong, like ``_series``, with the year taken from the name."""
        self.ensure_one()
        prefix, place = self._prefix_of(move_type), self._prefix_of(move_type).find(YEAR)
        year = name[place : place + 4] if place >= 0 else ""
        if re.fullmatch(r"\d{4}", year, re.ASCII):
            return prefix.replace(YEAR, year), int(year)
        return prefix, 0

    def _prefix_of(self, move_type):
        return (move_type == "out_refund" and self.refund_prefix) or self.prefix or ""

    def _number_before(self, move_type, series, journal, last, exclude=None):
        """Return the number after which a series continues.

        :param last: the highest number of the series, 0 for a new one
        :param exclude: id of a move to ignore
        """
        self.ensure_one()
        if last and journal.restrict_mode_hash_table:
            # A skipped number would break the journal's hash chain.
            return last
        first = self.first_number
        if first > 1 and last < first - 1 and self._is_later_year(move_type, series, journal, exclude):
            first = 1
        return max(last, first - 1)

    def _is_later_year(self, move_type, series, journal, exclude=None):
        """Tell whether another year's series of the same prefix has numbers already."""
        others = [other for other in self._years_series(self._prefix_of(move_type)) if other != series]
        self.env["account.move"].flush_model(["astpp_series", "journal_id"])
        return bool(
            others
            and journal
            and self.env.execute_query(
                SQL(
                    "SELECT 1 FROM account_move WHERE journal_id = %s AND astpp_series = ANY(%s) AND id != %s LIMIT 1",
                    journal.id,
                    others,
                    exclude or 0,
                )
            )
        )

    @api.model
    def _years_series(self, prefix):
        """Return the series of a prefix for all years, or an empty list if it contains no year."""
        return [prefix.replace(YEAR, f"{year:04d}") for year in YEARS] if YEAR in prefix else []

    @api.constrains("first_number")
    def _check_first_number(self):
        today = fields.Date.context_today(self)
        for issuer in self.filtered(lambda each: each.journal_id.restrict_mode_hash_table):
            for move_type in ("out_invoice", "out_refund") if issuer.refund_prefix else ("out_invoice",):
                series, year = issuer._series(move_type, today)
                last = self.env["account.move"]._last_series_number(issuer.journal_id, series)
                first_year = not year or not issuer._is_later_year(move_type, series, issuer.journal_id)
                if last and first_year and issuer.first_number > last + 1:
                    raise ValidationError(
                        self.env._(
                            "The journal %(journal)s secures its entries, so no number can be skipped: %(next)s comes "
                            "next. Take a first number that is not above it, or begin a new series with another prefix.",
                            journal=issuer.journal_id.display_name,
                            next=issuer._next_number(move_type, today),
                        )
                    )

    @api.constrains("prefix", "refund_prefix", "padding", "journal_id", "active")
    def _check_prefix(self):
        for issuer in self:
            for prefix in filter(None, (issuer.prefix, issuer.refund_prefix)):
                if not prefix.isprintable() or prefix != prefix.strip():
                    raise ValidationError(
                        self.env._("The prefix “%s” may have no line breaks and no blanks at its ends.", prefix)
                    )
                if clash := issuer._clashing_series(prefix):
                    if self.env.context.get("astpp_portal"):
                        # Do not disclose other issuers' prefixes to a reseller.
                        raise ValidationError(self.env._("Choose another prefix than “%s”.", prefix))
                    raise ValidationError(
                        self.env._(
                            "With %(digits)s digits, the prefix “%(prefix)s” would give the same numbers as “%(other)s” "
                            "in the journal %(journal)s. Choose another prefix, as many digits, or another journal.",
                            digits=issuer.padding,
                            prefix=prefix,
                            other=clash,
                            journal=issuer.journal_id.display_name,
                        )
                    )

    def _clashing_series(self, prefix):
        """Return a prefix or invoice number in this journal that could produce the same number as ``prefix``.

        Prefixes such as R1 and R10 can coexist as long as what follows R1 in the numbers of R10 has more
        digits than R1's padding.
        """
        self.ensure_one()
        others = self.sudo().search([("journal_id", "=", self.journal_id.id), ("id", "!=", self.id)])
        used = [
            (other, issuer.padding) for issuer in others for other in (issuer.prefix, issuer.refund_prefix) if other
        ]
        mine = _pattern(prefix)
        for other, _digits in used:
            if len(_pattern(other)) == len(mine) and _starts_like(mine, _pattern(other)):
                return other
        own = [(other, self.padding) for other in (self.prefix, self.refund_prefix) if other]
        for other, digits in [*used, *own, *self._given_series()]:
            theirs = _pattern(other)
            (short, most), (long, least) = sorted(
                [(mine, self.padding), (theirs, digits)], key=lambda pair: len(pair[0])
            )
            rest = long[len(short) :]
            if rest and _starts_like(long, short) and _are_digits(rest) and len(rest) + least <= most:
                return other
        return self._ordinary_name_like(mine)

    def _given_series(self):
        """Return [(series, smallest number of digits)] of the numbers already used in the journal."""
        if not self.journal_id:
            return []
        self.env["account.move"].flush_model(["astpp_series", "journal_id", "name"])
        return self.env.execute_query(
            SQL(
                """
                SELECT astpp_series, min(length(name) - length(astpp_series)) FROM account_move
                 WHERE journal_id = %s AND astpp_series IS NOT NULL AND starts_with(name, astpp_series)
              GROUP BY astpp_series
                """,
                self.journal_id.id,
            )
        )

    def _ordinary_name_like(self, pattern):
        """Return the number of an ordinary invoice in the journal that matches a pattern and digits, or None."""
        like = escape_psql(pattern).replace(ANY_DIGIT, "_")
        domain = [("journal_id", "=", self.journal_id.id), ("astpp_series", "=", False), ("name", "=like", f"{like}%")]
        moves = self.env["account.move"].sudo()
        for name in moves.search_fetch(domain, ["name"], limit=1000).mapped("name"):
            if _starts_like(name, pattern) and name[len(pattern) :].isdecimal():
                return name
        return None

    def write(self, vals):
        res = super().write(vals)
        if {"prefix", "refund_prefix", "first_number", "padding"} & vals.keys():
            # Odoo caches the last number of each series for the rest of the transaction.
            self.env["account.move"]._get_sequence_cache().clear()
        return res


def _pattern(prefix):
    """Return a prefix with four ``ANY_DIGIT`` in place of the year."""
    return prefix.replace(YEAR, ANY_DIGIT * 4)


def _are_digits(text):
    return all(character == ANY_DIGIT or character.isdecimal() for character in text)


def _starts_like(text, start):
    """Tell whether a pattern or name could begin with the pattern ``start``."""
    return len(text) >= len(start) and all(
        one == other or (ANY_DIGIT in (one, other) and _are_digits(one + other))
        for one, other in zip(text, start, strict=False)
    )
