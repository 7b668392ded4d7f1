from datetime import timedelta

from odoo import api, fields, models

from ..astpp_guard_mixin import ours

# How many failures an alert lists; the others are only counted.
LISTED = 10
# A failed account is retried after an hour; each further failure triples the wait, up to a day.
FIRST_WAIT, LONGEST_WAIT = timedelta(hours=1), timedelta(days=1)


class AstppAccount(models.Model):
    """Accounts that could not be billed: the reason, the next attempt, and the alert."""

    _inherit = "astpp.account"

    billing_error = fields.Char(
        string="Could Not Be Billed", readonly=True, copy=False, help="Why the last attempt to bill the account failed."
    )
    billing_failures = fields.Integer(
        readonly=True, copy=False, aggregator=None, help="Attempts that failed since the account was billed last."
    )
    billing_retry_date = fields.Datetime(
        string="Billed Again On",
        readonly=True,
        copy=False,
        index="btree_not_null",
        help="Before that only runs that people start take the account on.",
    )

    @ours
    def _note_billing_failure(self, reason):
        """Record why these accounts could not be billed, and when the scheduled action tries again."""
        now = fields.Datetime.now()
        for account in self:
            wait = min(FIRST_WAIT * 3 ** min(account.billing_failures, 5), LONGEST_WAIT)
            account.with_context(mail_notrack=True).write(
                {
                    "billing_error": reason[:1000],
                    "billing_failures": account.billing_failures + 1,
                    "billing_retry_date": now + wait,
                }
            )

    @ours
    def _forget_billing_failures(self):
        """Clear the failures of accounts that have been billed."""
        self.filtered("billing_retry_date").with_context(mail_notrack=True).write(
            {"billing_error": False, "billing_failures": 0, "billing_retry_date": False}
        )

    @api.model
    def _tell_billing_failures(self):
        """Raise an alert on each server that has failing accounts, and clear it on the others."""
        # sudo: accountants may have no access to servers, and the alert covers the accounts of all companies.
        failing = self.sudo().search([("billing_retry_date", "!=", False)], order="number")
        servers = self.env["astpp.server"].sudo().with_context(active_test=False).search([])  # pylint: disable=no-search-all
        by_server = failing.grouped("server_id")
        for server, accounts in by_server.items():
            lines = [f"{account.display_name}: {account.billing_error}" for account in accounts[:LISTED]]
            if len(accounts) > LISTED:
                lines.append(self.env._("and %s more", len(accounts) - LISTED))
            server._raise_alert("billing", self.env._("Accounts could not be billed"), "\n".join(lines))
        (servers - servers.browse().union(*by_server))._clear_alert("billing")
