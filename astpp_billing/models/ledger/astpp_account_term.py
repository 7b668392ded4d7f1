from markupsafe import Markup

from odoo import api, models
from odoo.exceptions import UserError
from odoo.tools import SQL, format_datetime

from ..parties.astpp_account_term import BEGINNING


class AstppAccountTerm(models.Model):
    """Corrected terms: unbilled usage follows, and the account's own fields are those of the last terms."""

    _inherit = "astpp.account.term"

    @api.model_create_multi
    def create(self, vals_list):
        terms = super().create(vals_list)
        terms._corrected(terms.account_id)
        return terms

    def write(self, vals):
        res = super().write(vals)
        self._corrected(self.account_id)
        return res

    def unlink(self):
        accounts = self.account_id
        res = super().unlink()
        self._corrected(accounts.exists())
        return res

    @api.ondelete(at_uninstall=False)
    def _unlink_except_first(self):
        for account, terms in self.grouped("account_id").items():
            if account.exists() and not account.term_ids - terms:
                raise UserError(self.env._("Account %s needs terms.", account.display_name))

    def _begin(self):
        """Be valid from the beginning."""
        self.env.cr.execute(SQL("UPDATE astpp_account_term SET date_from = %s WHERE id = %s", BEGINNING, self.id))
        self.invalidate_recordset(["date_from"])

    def _as_text(self):
        """Return these terms of one account as a message for its chatter."""
        modes = dict(self._fields["payment_mode"]._description_selection(self.env))
        rows = Markup().join(
            Markup("<li>%s</li>")
            % ", ".join(
                filter(
                    None,
                    (
                        format_datetime(self.env, term.date_from, tz="UTC")
                        if term.date_from != BEGINNING
                        else self.env._("From the beginning"),
                        term.issuer_id.name,
                        term.partner_id.display_name,
                        modes[term.payment_mode],
                        term.elsewhere and self.env._("billed elsewhere"),
                    ),
                )
            )
            for term in self
        )
        return Markup("%s<ul>%s</ul>") % (self.env._("Terms were corrected. By date (UTC), they are now:"), rows)

    @api.model
    def _corrected(self, accounts):
        """Have usage follow corrected terms. What is billed keeps the terms that it was billed by."""
        for account in accounts:
            terms = account.term_ids.sorted("date_from")
            if terms[:1].date_from != BEGINNING:
                # Usage of whichever date has terms.
                terms[:1]._begin()
            last = terms[-1:]
            account.with_context(astpp_terms_kept=True).write(
                {
                    name: last[name].id if name.endswith("_id") else last[name]
                    for name in ("parent_id", "partner_id", "payment_mode")
                    if account[name] != last[name]
                }
            )
            account._message_log(body=terms._as_text())
        return self.env["astpp.usage"]._reterm(accounts)
