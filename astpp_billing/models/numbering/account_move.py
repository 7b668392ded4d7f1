import re

from odoo import api, fields, models
from odoo.fields import Domain
from odoo.tools import SQL

# Number format in the syntax of Odoo's sequence.mixin.
SERIES_FORMAT = "{prefix1}{seq:0{seq_length}d}"


class AccountMove(models.Model):
    """Issuers' number series: several series in one journal, based on Odoo's own gapless numbering.

    A series is a prefix, stored on the move when it gets its number. The stored prefix's length tells where the
    number begins, so any prefix will do, even one that ends in digits. Ordinary invoices of the journal are
    numbered as if the series did not exist.
    """

    _inherit = "account.move"

    astpp_series = fields.Char(string="Number Series", readonly=True, copy=False)
    astpp_series_year = fields.Integer(
        readonly=True, copy=False, aggregator=None, help="The year in the number; 0 when series do not begin anew."
    )
    astpp_series_start = fields.Boolean(
        readonly=True, copy=False, help="The number was the issuer's first number, so none is missing before it."
    )

    _astpp_series_idx = models.Index("(journal_id, astpp_series, sequence_number DESC) WHERE astpp_series IS NOT NULL")

    @api.model
    def _last_series_number(self, journal, series, exclude=None):
        """Return the highest number of a series in a journal, 0 when it has none.

        :param exclude: id of a move that does not count
        """
        if not journal or not series:
            return 0
        self.flush_model(["astpp_series", "sequence_number", "journal_id", "name"])
        rows = self.env.execute_query(
            SQL(
                """
                SELECT sequence_number FROM account_move
                 WHERE journal_id = %s AND astpp_series = %s AND id != %s
              ORDER BY sequence_number DESC LIMIT 1
                """,
                journal.id,
                series,
                exclude or 0,
            )
        )
        return rows[0][0] if rows else 0

    def _astpp_series_prefix(self):
        """Return the prefix that the move is or would be numbered with, None for ordinary moves."""
        return self._astpp_series_and_year()[0]

    def _astpp_series_and_year(self):
        """Return (prefix, year in it or 0) that the move is or would be numbered with, (None, 0) for ordinary moves."""
        # Leave early: most moves have neither, and this is called several times for each move.
        if len(self._ids) != 1 or not (self.astpp_series or self.astpp_issuer_id):
            return None, 0
        if not self.is_sale_document(include_receipts=True):
            return None, 0
        if self.name and self.name != "/":
            return self.astpp_series or None, self.astpp_series_year
        if not self.astpp_issuer_id:
            return None, 0
        return self.astpp_issuer_id.sudo()._series(self.move_type, self._astpp_series_date())

    def _astpp_series_date(self):
        """Return the date whose year is in the number: the invoice date, even if the accounting date differs."""
        return self.invoice_date or self.date or fields.Date.context_today(self)

    # Odoo parses numbers with five patterns, one for each way to restart the sequence. For numbers of a
    # series all five are the same: a prefix of known length, then digits.

    def _astpp_series_regex(self):
        prefix = len(self._ids) == 1 and self.astpp_series
        if prefix and _in_series(self.name, prefix):
            return rf"^(?P<prefix1>.{{{len(prefix)}}})(?P<seq>\d{{1,9}})$"
        return None

    @property
    def _sequence_monthly_regex(self):
        return self._astpp_series_regex() or super()._sequence_monthly_regex

    @property
    def _sequence_yearly_regex(self):
        return self._astpp_series_regex() or super()._sequence_yearly_regex

    @property
    def _sequence_year_range_regex(self):
        return self._astpp_series_regex() or super()._sequence_year_range_regex

    @property
    def _sequence_year_range_monthly_regex(self):
        return self._astpp_series_regex() or super()._sequence_year_range_monthly_regex

    @property
    def _sequence_fixed_regex(self):
        return self._astpp_series_regex() or super()._sequence_fixed_regex

    def _set_next_sequence(self):
        prefix, year = self._astpp_series_and_year()
        if not prefix and not self.astpp_series:
            return super()._set_next_sequence()
        # The move has no number yet and Odoo is computing its name, so write() must not be called here.
        fields_to_set = [self._fields[name] for name in ("astpp_series", "astpp_series_year", "astpp_series_start")]
        with self.env.protecting(fields_to_set, self):
            self.astpp_series = prefix
            if self.astpp_series_year != year:
                self.astpp_series_year = year
            self.astpp_series_start = bool(prefix) and self._astpp_starts_series(prefix)
        if prefix:
            self.journal_id._astpp_hold_series()
        return super()._set_next_sequence()

    def _astpp_starts_series(self, prefix):
        if self._astpp_holds_series(prefix):
            return False
        last = self._last_series_number(self.journal_id, prefix, self._origin.id)
        return not last or last < self._astpp_number_before(prefix, last)

    def _astpp_holds_series(self, prefix):
        """Tell whether this transaction has already given a number of the series.

        If so, it holds the lock of the series and Odoo continues from its cache, so that the last number
        is not looked up again for each invoice of a batch.
        """
        first = SERIES_FORMAT.format(prefix1=prefix, seq=0, seq_length=self.astpp_issuer_id.sudo().padding)
        return (first, self[self._sequence_index]) in self._get_sequence_cache()

    def _get_next_sequence_format(self):
        prefix = self._astpp_series_prefix()
        if not prefix:
            return super()._get_next_sequence_format()
        issuer = self.astpp_issuer_id.sudo()
        held = self._astpp_holds_series(prefix)
        last = 0 if held else self._last_series_number(self.journal_id, prefix, self._origin.id)
        return SERIES_FORMAT, {
            "prefix1": prefix,
            # When the series is held, Odoo continues from its cache and ignores this.
            "seq": 0 if held else self._astpp_number_before(prefix, last),
            "seq_length": issuer.padding,
        }

    def _astpp_number_before(self, prefix, last):
        issuer = self.astpp_issuer_id.sudo()
        return issuer._number_before(self.move_type, prefix, self.journal_id.sudo(), last, self._origin.id)

    def _sequence_matches_date(self):
        if self.name and self.name != "/" and self.astpp_series:
            return not self.astpp_series_year or self.astpp_series_year == self._astpp_series_date().year
        return super()._sequence_matches_date()

    @api.model
    def _deduce_sequence_number_reset(self, name):
        return "never" if self._astpp_series_prefix() else super()._deduce_sequence_number_reset(name)

    @api.depends("astpp_issuer_id", "invoice_date")
    def _compute_name_placeholder(self):
        return super()._compute_name_placeholder()

    def _get_last_sequence(self, relaxed=False, with_prefix=None):
        prefix = self._astpp_series_prefix()
        if not prefix:
            return super()._get_last_sequence(relaxed=relaxed, with_prefix=with_prefix)
        self.flush_model(["astpp_series", "sequence_number", "journal_id", "name"])
        rows = self.env.execute_query(
            SQL(
                """
                SELECT name FROM account_move
                 WHERE journal_id = %s AND astpp_series = %s AND id != %s
              ORDER BY sequence_number DESC LIMIT 1
                """,
                self.journal_id.id,
                prefix,
                self._origin.id or 0,
            )
        )
        return rows[0][0] if rows else None

    def _get_last_sequence_domain(self, relaxed=False):
        # Only called for ordinary moves: see _get_last_sequence.
        if not self.journal_id.astpp_has_series:
            return super()._get_last_sequence_domain(relaxed)
        # Ignore moves of a series when finding the last number and the reset pattern.
        where, params = super(AccountMove, self.with_context(astpp_ordinary_numbering=True))._get_last_sequence_domain(
            relaxed
        )
        return f"{where} AND astpp_series IS NULL ", params

    @api.model
    def _search(self, domain, *args, **kwargs):
        if self.env.context.get("astpp_ordinary_numbering"):
            domain = Domain(domain) & Domain("astpp_series", "=", False)
        return super()._search(domain, *args, **kwargs)

    @api.depends("astpp_series_start")
    def _compute_made_sequence_gap(self):
        result = super()._compute_made_sequence_gap()
        starts = self.filtered(lambda move: move.astpp_series_start and move.state == "posted")
        starts.made_sequence_gap = False
        return result

    def write(self, vals):
        if vals.get("journal_id") and any(move.astpp_series for move in self):
            # A draft keeps its number when it moves to another journal.
            self.env["account.journal"].browse(vals["journal_id"])._astpp_hold_series()
        if not vals.get("name") or vals["name"] == "/":
            return super().write(vals)
        # A name set by hand belongs to a series if it looks like one of its numbers; with any other
        # name the move counts as an ordinary one.
        renamed = self.filtered(lambda move: move.name != vals["name"])
        for (series, year), moves in renamed.grouped(lambda move: move._astpp_series_of(vals["name"])).items():
            own = {"astpp_series": series, "astpp_series_year": year, "astpp_series_start": False}
            super(AccountMove, moves).write({**vals, **own})
            if series:
                moves.journal_id._astpp_hold_series()
        if kept := self - renamed:
            super(AccountMove, kept).write(vals)
        return True

    def unlink(self):
        # The last number of a series becomes free again; Odoo's cache would skip it within this transaction.
        if any(move.astpp_series for move in self):
            self._get_sequence_cache().clear()
        return super().unlink()

    def _astpp_series_of(self, name):
        """Return (prefix, year or 0) of the series to which the number ``name`` belongs, (None, 0) for none."""
        known = [(self.astpp_series, self.astpp_series_year)]
        if issuer := self.astpp_issuer_id.sudo():
            known.append(issuer._series_of_name(self.move_type, name))
        return next(((prefix, year) for prefix, year in known if prefix and _in_series(name, prefix)), (None, 0))


def _in_series(name, prefix):
    """Tell whether a name consists of the prefix and one to nine digits."""
    return bool(name and name.startswith(prefix) and re.fullmatch(r"\d{1,9}", name[len(prefix) :], re.ASCII))
