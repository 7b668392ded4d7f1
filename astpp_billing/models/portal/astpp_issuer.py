import base64
from datetime import timedelta

from odoo import api, fields, models
from odoo.exceptions import UserError
from odoo.fields import Domain
from odoo.tools import SQL
from odoo.tools.mimetypes import guess_mimetype

from ..numbering.astpp_issuer import YEAR


class AstppIssuer(models.Model):
    """What resellers see of their own business on the portal."""

    _inherit = "astpp.issuer"

    @api.model
    def _portal_issuers(self):
        """Return the issuers of the portal user's resellers, sudoed."""
        resellers = self.env["astpp.account"]._portal_resellers()
        return self.sudo().search([("account_id", "in", resellers.ids)])

    def _portal_invoice_domain(self):
        """Return the domain of the documents issued in these issuers' names."""
        return Domain("astpp_issuer_id", "in", self.ids) & Domain("move_type", "in", ("out_invoice", "out_refund"))

    def _foreign_prefix(self, prefix):
        """Return the prefix if other issuers have invoice numbers with it, else None."""
        self.ensure_one()
        series = self._years_series(prefix) or [prefix]
        self.env["account.move"].flush_model(["astpp_series", "journal_id", "astpp_issuer_id"])
        found = self.env.execute_query(
            SQL(
                """
                SELECT 1 FROM account_move
                 WHERE journal_id = %s AND astpp_series = ANY(%s) AND astpp_issuer_id IS DISTINCT FROM %s LIMIT 1
                """,
                self.journal_id.id,
                series,
                self.id,
            )
        )
        return prefix if found else None

    def _previewed_number(self, values):
        """Return the number of the next invoice if the issuer had these settings.

        In a series that another issuer uses, it is the first number: the real one would reveal how many invoices the
        other one has issued.

        :param values: dict of ``prefix``, ``first_number`` and ``padding``
        """
        self.ensure_one()
        if not self._foreign_prefix(values["prefix"]):
            return self.new(values, origin=self).next_number
        series = values["prefix"].replace(YEAR, f"{fields.Date.context_today(self).year:04d}")
        return f"{series}{max(values['first_number'], 1):0{max(values['padding'], 1)}d}"

    def _portal_figures(self, accounts_domain):
        """Return the dashboard's figures: {open, overdue, drafts, renewals, customers, currency}.

        Amounts are in the company's currency.

        :param accounts_domain: domain of the accounts below the resellers
        """
        moves = self.env["account.move"]
        domain = self._portal_invoice_domain()
        [(open_amount,)] = moves._read_group(
            domain & Domain("state", "=", "posted"), [], ["amount_residual_signed:sum"]
        )
        late = [("invoice_date_due", "<", fields.Date.today()), ("amount_residual", ">", 0), ("state", "=", "posted")]
        renewals = self.env["astpp.subscription"].search_count(
            [
                *[("issuer_id", "in", self.ids), ("state", "=", "active")],
                ("next_date", "<=", fields.Datetime.now() + timedelta(days=7)),
            ]
        )
        return {
            "open": open_amount or 0.0,
            "overdue": moves.search_count(domain & Domain(late)),
            "drafts": moves.search_count(domain & Domain("state", "=", "draft")),
            "renewals": renewals,
            "customers": self.env["astpp.account"].search_count(accounts_domain & Domain("status", "!=", "closed")),
            "currency": self.company_id[:1].currency_id,
        }

    def _portal_days(self):
        """Return [(day, lines, amount in the server's currency)] of the last 30 days in UTC, oldest first."""
        today = fields.Date.today()
        return self.env["astpp.usage"]._daily_sums(self, today - timedelta(days=29), today)

    def _register_received(self, move, amount):
        """Register a payment of an invoice that the issuer received directly.

        The payment is in the invoice's currency, whatever the journal's, unless the journal's account is restricted to
        another currency: then the amount is converted at the rate of the day.

        :param amount: in the invoice's currency
        """
        self.ensure_one()
        # sudo: resellers have no access to payments; the caller has checked that they may register this one.
        wizards = self.env["account.payment.register"].sudo()
        wizard = wizards.with_context(active_model="account.move", active_ids=move.ids).create(
            {"journal_id": self.payment_journal_id.id, "currency_id": move.currency_id.id, "amount": amount}
        )
        own = wizard.payment_method_line_id.payment_account_id.currency_id
        if own and own not in (move.currency_id, wizard.company_currency_id):
            wizard.write(
                {
                    "currency_id": own.id,
                    "amount": move.currency_id._convert(amount, own, move.company_id, wizard.payment_date),
                }
            )
        return wizard._create_payments()

    def _set_logo(self, content):
        """Set the logo on the issuer's contact.

        :param content: bytes of the image
        :raise UserError: when it is not a PNG or JPEG of at most 1 MB
        """
        self.ensure_one()
        if guess_mimetype(content) not in ("image/png", "image/jpeg") or len(content) > 1 << 20:
            raise UserError(self.env._("The logo must be a PNG or JPEG picture of at most 1 MB."))
        self.partner_id.image_1920 = base64.b64encode(content)
