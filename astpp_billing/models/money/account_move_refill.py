from odoo import api, fields, models
from odoo.fields import Command, Domain
from odoo.service.model import PG_CONCURRENCY_EXCEPTIONS_TO_RETRY

from ..astpp_guard_mixin import ours
from ..ledger.usage_state import UNBILLED

# Refills booked in one transaction.
BATCH = 200


class AccountMove(models.Model):
    """Book refills that ASTPP took from postpaid customers: payments on account, not revenue (ASTPP facts 3.2, 5.9).

    Each refill is an entry that credits the customer's receivable account and is reconciled with invoices like any
    payment. The entry bills the refill's usage line, so a refill is booked only once.
    """

    _inherit = "account.move"

    astpp_is_refill = fields.Boolean(
        string="Books a Refill", readonly=True, copy=False, help="A payment that ASTPP took of a postpaid customer."
    )

    @api.model
    def _astpp_refill_domain(self):
        """Return the domain of refills still to be booked, on accounts that Odoo invoices."""
        return UNBILLED.domain & Domain(
            [("charge_type", "=", "topup"), ("amount", "!=", 0), ("account_id.invoice_enabled", "=", True)]
        )

    @api.model
    def _cron_book_refills(self):
        """Book all waiting refills; one that cannot be booked does not stop the others."""
        progress, usage = self.env["ir.cron"], self.env["astpp.usage"]
        waiting = usage.search(self._astpp_refill_domain(), order="id").ids
        progress._commit_progress(remaining=len(waiting))
        for first in range(0, len(waiting), BATCH):
            refills = usage.browse(waiting[first : first + BATCH])
            try:
                refills._try_book_refills()
            except PG_CONCURRENCY_EXCEPTIONS_TO_RETRY:
                # Another process is booking them: the next run picks up whatever is left.
                self.env.cr.rollback()
            if not progress._commit_progress(len(refills)):
                return

    @api.model
    @ours
    def _astpp_book_refills(self, refills):
        """Create and post one entry for each of these refills, and link them.

        :param refills: ``astpp.usage`` records that match ``_astpp_refill_domain``
        :return: the entries
        :raise UserError: when there is no journal, account or rate for one of them
        """
        entries, links = self.browse(), []
        for company, together in refills.grouped(lambda usage: usage.account_id.billing_company_id).items():
            moves = self.with_company(company)
            created = moves.create([moves._astpp_refill_vals(usage) for usage in together])
            for usage, entry in zip(together, created, strict=True):
                links += zip(usage._one_by_one(), entry.line_ids.filtered("astpp_usage_amount"), strict=True)
            entries |= created
        if not links:
            return entries
        entries._post(soft=False)
        self.env["astpp.usage"]._bill_alone(links)
        return entries

    @api.model
    def _astpp_refill_vals(self, usage):
        """Return the values of a refill's entry: debit where the money is, credit the customer."""
        account, company = usage.account_id, self.env.company
        issuer, currency = account.issuer_id, account.currency_id
        partner = account.partner_id.commercial_partner_id.with_company(company)
        day = account._local_dates(usage.date, usage.date)[0]
        rate = account._usage_rate(company, day)
        amount = currency.round(usage.amount * rate)
        balance = currency._convert(amount, company.currency_id, company, day)
        journal, received = self._astpp_refill_journal(issuer, company)
        name = usage.description or self.env._("Refill of account %s", account.number)
        common = {"partner_id": partner.id, "currency_id": currency.id, "name": name}
        owed = {
            "account_id": partner.property_account_receivable_id.id,
            "amount_currency": amount,
            "balance": balance,
            "astpp_usage_amount": usage.amount,
            "astpp_usage_rate": rate,
        }
        return {
            "move_type": "entry",
            "company_id": company.id,
            "journal_id": journal.id,
            "date": day,
            "partner_id": partner.id,
            "ref": name,
            "astpp_is_refill": True,
            "astpp_account_id": account.id,
            "astpp_issuer_id": issuer.id,
            "line_ids": [
                Command.create(common | owed),
                Command.create(common | {"account_id": received.id, "amount_currency": -amount, "balance": -balance}),
            ],
        }

    @api.model
    def _astpp_refill_journal(self, issuer, company):
        """Return the journal of a refill's entry and the account to debit, where the money is.

        A reseller received the money himself: debit his payment journal's account if he has one, else the clearing
        account, which lowers what the operator owes him. If the operator received it, debit the outstanding receipts
        account, where it waits for a bank statement.

        :raise UserError: when the company has no journal or account for this
        """
        journals = self.env["account.journal"]
        # sudo: whoever bills may not be allowed to read the settings of issuers and companies.
        issuer = issuer.sudo()
        if issuer.account_id and (journal := issuer.payment_journal_id):
            return journal, journal.default_account_id
        domain = [*journals._check_company_domain(company), ("type", "=", "general")]
        journal = journals.search([*domain, ("code", "=", "ASTPP")], limit=1)
        if not journal:
            # sudo: whoever bills first may not be allowed to create journals.
            journal = journals.sudo().create(
                {
                    "name": self.env._("Payments Taken by ASTPP"),
                    "code": "ASTPP",
                    "type": "general",
                    "company_id": company.id,
                    "show_on_dashboard": False,
                }
            )
        if issuer.account_id and issuer.clearing_account_id:
            return journal, issuer.clearing_account_id
        received = journal.default_account_id
        if not received:
            payments = self.env["account.payment"].new({"company_id": company.id})
            received = payments._get_outstanding_account("inbound")
        return journal, received
