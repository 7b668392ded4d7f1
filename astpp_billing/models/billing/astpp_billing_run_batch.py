import logging
from collections import defaultdict

from odoo import fields, models
from odoo.exceptions import UserError
from odoo.fields import Domain
from odoo.service.model import PG_CONCURRENCY_EXCEPTIONS_TO_RETRY

from ...charge_types import ORDER
from .astpp_billing_run import BATCH
from .astpp_billing_run_due import NO_REFILLS
from .billed_terms import BilledTerms

_logger = logging.getLogger(__name__)


class AstppBillingRun(models.Model):
    """The steps of a batch: collect usage, create invoices, link usage, post, advance the accounts' periods."""

    _inherit = "astpp.billing.run"

    def _bill_due_batch(self, limit=None):
        """Bill up to ``limit`` items of the run's list in this transaction, one period of each account.

        :return: the items of the batch, whether they could be billed or not
        """
        self.ensure_one()
        run = self.with_company(self.company_id)
        if run.scheduled and run.state == "done":
            # What failed is tried again: its invoices are of the day on which they are made.
            run.invoice_date = fields.Date.context_today(run)
        items = run._claim(limit or BATCH)
        if items and not run._try_bill(items):
            # One of them failed: bill them one by one to find out which.
            by_account = items.grouped("account_id")
            terms = [BilledTerms.of_today(account) for account in items.account_id]
            for together in run._shared(terms) if len(items) > 1 else ():
                run._try_bill(items.browse().union(*(by_account[each.account] for each in together)), alone=True)
        if run.state == "done":
            run._tell_drafts(items.move_id)
        self.invalidate_recordset()
        return items

    def _try_bill(self, items, alone=False):
        """Bill items in a savepoint, and record the reason of a failure if it cannot be narrowed down further.

        :param alone: their accounts share an invoice, so they cannot be billed separately
        :return: whether they were billed
        """
        try:
            with self.env.cr.savepoint():
                self._bill(items)
            return True
        except PG_CONCURRENCY_EXCEPTIONS_TO_RETRY:
            raise
        except Exception as error:
            # Whatever the error is, it concerns these accounts only and must not stop the others.
            self.env.invalidate_all()
            if alone or len(items) == 1:
                if not isinstance(error, UserError):
                    _logger.exception("Billing of accounts %s failed", ", ".join(items.account_id.mapped("number")))
                # sudo: items are the run's log, readonly for users.
                items.sudo()._fail(str(error))
            return False

    def _shared(self, terms):
        """Group terms that share an invoice; most groups are one account's.

        :param terms: list of ``BilledTerms``
        :return: list of such lists
        """
        shared = defaultdict(list)
        for each in terms:
            alone = None if each.partner.astpp_one_invoice else each.account
            shared[each.issuer, each.account.currency_id, each.partner, alone].append(each)
        return list(shared.values())

    def _bill(self, items):
        """Invoice the items' periods, one of each account."""
        own = items.account_id.filtered(lambda account: account.billing_company_id == self.company_id)
        periods = {item.account_id: (item.period_start, item.period_end) for item in items}
        # Refills first, because the invoice lists the payments since the last one.
        refills = self.env["account.move"]._astpp_refill_domain()
        self.env["account.move"]._astpp_book_refills(
            # sudo: the usage may belong to another company; it is restricted to the run's accounts.
            self.env["astpp.usage"].sudo().search(refills & Domain("account_id", "in", own.ids), order="id")
        )
        groups = self._collect(periods)
        moves = self._create_moves(periods, groups)
        self._link_usage(groups, moves)
        self._post(moves)
        # Of an account that another company invoices now, only that one advances the period.
        ends = own.grouped(
            lambda account: (
                periods[account][1],
                periods[account][1] != account.next_period_end
                and (account.status != "active" or account.payment_mode == "prepaid"),
            )
        )
        for (end, is_final), together in ends.items():
            # No tracking messages on accounts: the invoice and the run's results show the change.
            values = {"billed_until": end, **({"final_date": end} if is_final else {})}
            together.with_context(mail_notrack=True, astpp_billed=True).write(values)
        self._settle(items, self._summarise(periods, groups, moves))

    def _collect(self, periods, since=None):
        """Sum the accounts' unbilled usage up to the end of their periods, exactly.

        Late usage dated before the period is included. Groups of failed calls only are left out, because they would
        make empty lines. Refills are left out, because they are booked as payments.

        :param periods: {account: (start, end)}, naive UTC
        :param since: {account: naive UTC before which usage is ignored}, for previews
        :return: {account: [group, …]}, groups as returned by ``_sum_unbilled``, by ``charge_type``, ``direction``
            and ``product_id``
        """
        rows = self.env["astpp.usage"]._sum_unbilled(
            "account_id",
            {account.id: ((since or {}).get(account), end) for account, (_start, end) in periods.items()},
            by=("issuer_id", "partner_id", "charge_type", "direction", "product_id"),
            where=NO_REFILLS,
        )
        groups = defaultdict(list)
        for row in rows:
            terms = BilledTerms(
                self.env["astpp.account"].browse(row["account_id"]),
                self.env["astpp.issuer"].browse(row["issuer_id"]),
                self.env["res.partner"].browse(row["partner_id"]),
            )
            if row["calls"] and terms.issuer.sudo().company_id == self.company_id:
                groups[terms].append(row)
        for groups_of_terms in groups.values():
            groups_of_terms.sort(
                key=lambda row: (ORDER[row["charge_type"]], row["direction"] or "", row["product_id"] or 0)
            )
        return groups

    def _create_moves(self, periods, groups):
        """Create all invoices of a batch at once.

        :return: {account: account.move} of the accounts that get an invoice; several accounts may share a move
        """
        rates = {}
        bills = [
            (together, vals)
            for together in self._shared(self._terms_to_bill(periods, groups))
            if (vals := self._prepare_move_vals(together, periods, groups, rates))
        ]
        moves = self.env["account.move"]._astpp_create_bulk([vals for _together, vals in bills])
        return {terms: move for (together, _vals), move in zip(bills, moves, strict=True) for terms in together}

    def _terms_to_bill(self, periods, groups):
        """Return the terms of the batch: each account's of today, and those of before that have left usage.

        Those of today are left out where they are another company's.
        """
        current = [
            BilledTerms.of_today(account) for account in periods if account.billing_company_id == self.company_id
        ]
        return current + [terms for terms in groups if terms not in current]

    def _link_usage(self, groups, moves):
        """Link each group of usage to the invoice line created for it."""
        lines = {move: iter(move.invoice_line_ids.sorted("sequence")) for move in set(moves.values())}
        self.env["astpp.usage"]._bill(
            [(group, next(lines[move])) for terms, move in moves.items() for group in groups.get(terms, [])]
        )

    def _post(self, moves):
        """Post the invoices that are to be confirmed, and leave the others as drafts."""
        to_post, drafts = self.env["account.move"], self.env["account.move"]
        for terms, move in moves.items():
            mode = terms.account.invoice_mode or terms.issuer.invoice_mode if self.mode == "issuer" else self.mode
            if mode == "confirm":
                to_post |= move
            else:
                drafts |= move
        # A shared invoice stays a draft if one of its accounts says so.
        to_post -= drafts
        to_post._astpp_post_bulk()
        # Odoo does not track changes of records created in the same transaction, so log who created and confirmed them.
        origin = self.env._("Made and confirmed by %s", self.name), self.env._("Made by %s", self.name)
        bodies = {move.id: origin[0] if move in to_post else origin[1] for move in to_post | drafts}
        (to_post | drafts)._message_log_batch(bodies=bodies)

    def _outcome(self, terms, groups, moves):
        if terms in moves:
            return "invoiced"
        return "carried" if groups.get(terms) else "nothing"

    def _summarise(self, periods, groups, moves):
        """Return [(account, what became of its usage under some terms)], see ``_settle``; today's terms come first."""
        return [
            (
                terms.account,
                {
                    "state": self._outcome(terms, groups, moves),
                    "issuer_id": terms.issuer.id,
                    "move_id": moves[terms].id if terms in moves else None,
                    "call_count": sum(group["calls"] for group in groups.get(terms, [])),
                    "duration": sum(group["duration"] for group in groups.get(terms, [])),
                },
            )
            for terms in self._terms_to_bill(periods, groups)
        ]

    def _settle(self, items, outcomes):
        """Note what became of items: of today's terms on the item itself, of former ones beside it."""
        settled, beside = {}, []
        by_account = items.grouped("account_id")
        for account, values in outcomes:
            if account in settled:
                beside.append(
                    {
                        "run_id": self.id,
                        "account_id": account.id,
                        "period_start": by_account[account].period_start,
                        "period_end": by_account[account].period_end,
                        **values,
                    }
                )
            else:
                settled[account] = values
        nothing = {"state": "nothing", "issuer_id": None, "move_id": None, "call_count": 0, "duration": 0}
        items._settle({account: settled.get(account, nothing) for account in items.account_id})
        # sudo: results are the run's log, readonly for users.
        self.env["astpp.billing.result"].sudo().create(beside)
