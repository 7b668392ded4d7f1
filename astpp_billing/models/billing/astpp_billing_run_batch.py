import logging
from collections import defaultdict

from odoo import models
from odoo.exceptions import UserError
from odoo.fields import Domain
from odoo.service.model import PG_CONCURRENCY_EXCEPTIONS_TO_RETRY

from ...charge_types import ORDER
from .astpp_billing_run import BATCH
from .astpp_billing_run_due import NO_REFILLS

_logger = logging.getLogger(__name__)


class AstppBillingRun(models.Model):
    """The steps of one batch: collect, create, link, post, advance."""

    _inherit = "astpp.billing.run"

    def _bill_due_batch(self, limit=None):
        """Bill one period of up to ``limit`` due accounts inside this transaction.

        :return: the accounts that were taken on, whether they could be billed or not
        """
        self.ensure_one()
        run = self.with_company(self.company_id)
        accounts = run._claim_due(limit or BATCH)
        if accounts and not run._try_bill(accounts):
            # One of them fails: bill them one by one to find out which.
            for together in run._shared(accounts) if len(accounts) > 1 else ():
                run._try_bill(together, alone=True)
        self.invalidate_recordset()
        return accounts

    def _try_bill(self, accounts, alone=False):
        """Bill the accounts in a savepoint; note the reason when they share an invoice.

        :return: whether they were billed
        """
        try:
            with self.env.cr.savepoint():
                self._bill(accounts)
            return True
        except PG_CONCURRENCY_EXCEPTIONS_TO_RETRY:
            raise
        except Exception as error:
            # Whatever it is, it is this account's alone and must not stop the others.
            self.env.invalidate_all()
            if alone or len(accounts) == 1:
                if not isinstance(error, UserError):
                    _logger.exception("Billing of accounts %s failed", ", ".join(accounts.mapped("number")))
                self._create_results({account: {"state": "failed", "message": str(error)} for account in accounts})
                accounts._note_billing_failure(str(error))
            return False

    def _shared(self, accounts):
        """Split accounts into those that share an invoice; most are alone.

        :return: list of recordsets
        """
        return list(
            accounts.grouped(
                lambda account: (
                    account.issuer_id,
                    account.currency_id,
                    account.partner_id,
                    not account.partner_id.astpp_one_invoice and account,
                )
            ).values()
        )

    def _bill(self, accounts):
        """Invoice the running period of each account."""
        periods = {account: account._billing_period() for account in accounts}
        # Before the invoice, which says what was paid since the last one.
        refills = self.env["account.move"]._astpp_refill_domain()
        self.env["account.move"]._astpp_book_refills(
            # sudo: whoever bills need not see other companies' usage; the accounts are the run's.
            self.env["astpp.usage"].sudo().search(refills & Domain("account_id", "in", accounts.ids), order="id")
        )
        groups = self._collect(periods)
        moves = self._create_moves(periods, groups)
        self._link_usage(groups, moves)
        self._post(moves)
        ends = accounts.grouped(lambda account: (periods[account][1], periods[account][1] != account.next_period_end))
        for (end, early), together in ends.items():
            # The invoice and the run's result say it: no message for each account.
            values = {"billed_until": end, **({"final_date": end} if early else {})}
            together.with_context(mail_notrack=True).write(values)
        accounts._forget_billing_failures()
        self._create_results(self._summarise(periods, groups, moves))

    def _collect(self, periods, since=None):
        """Sum what the accounts have unbilled before the end of their period, exactly.

        Usage that arrived late, dated before the period, is taken along. A group of failed calls only is left out: it
        would be a line about nothing. Refills are payments: they are booked as such.

        :param periods: {account: (start, end)}, naive UTC
        :param since: {account: moment} before which usage is left out, for previews
        :return: {account: [group, …]}, groups as ``_sum_unbilled`` returns them, by ``charge_type``, ``direction``
            and ``product_id``
        """
        rows = self.env["astpp.usage"]._sum_unbilled(
            "account_id",
            {account.id: ((since or {}).get(account), end) for account, (_start, end) in periods.items()},
            by=("charge_type", "direction", "product_id"),
            where=NO_REFILLS,
        )
        groups = defaultdict(list)
        for row in rows:
            if row["calls"]:
                groups[self.env["astpp.account"].browse(row["account_id"])].append(row)
        for account_groups in groups.values():
            account_groups.sort(
                key=lambda row: (ORDER[row["charge_type"]], row["direction"] or "", row["product_id"] or 0)
            )
        return groups

    def _create_moves(self, periods, groups):
        """Create the invoices of a batch at once.

        :return: {account: account.move}, those of a shared invoice in one move; accounts that get
            none are left out
        """
        rates = {}
        bills = [
            (accounts, vals)
            for accounts in self._shared(self.env["astpp.account"].union(*periods))
            if (vals := self._prepare_move_vals(accounts, periods, groups, rates))
        ]
        moves = self.env["account.move"]._astpp_create_bulk([vals for _accounts, vals in bills])
        return {account: move for (accounts, _vals), move in zip(bills, moves, strict=True) for account in accounts}

    def _link_usage(self, groups, moves):
        """Bill each group of usage by the invoice line that was made of it."""
        lines = {move: iter(move.invoice_line_ids.sorted("sequence")) for move in set(moves.values())}
        self.env["astpp.usage"]._bill(
            [(group, next(lines[move])) for account, move in moves.items() for group in groups.get(account, [])]
        )

    def _post(self, moves):
        """Post the invoices whose mode is to confirm."""
        to_post, drafts = self.env["account.move"], self.env["account.move"]
        for account, move in moves.items():
            mode = account.invoice_mode or account.issuer_id.invoice_mode if self.mode == "issuer" else self.mode
            if mode == "confirm":
                to_post |= move
            else:
                drafts |= move
        # An invoice that several accounts share waits if one of them says so.
        to_post -= drafts
        to_post._astpp_post_bulk()
        # Odoo tracks no change of what was made in the same transaction: the chatter says who did it.
        origin = self.env._("Made and confirmed by %s", self.name), self.env._("Made by %s", self.name)
        bodies = {move.id: origin[0] if move in to_post else origin[1] for move in to_post | drafts}
        (to_post | drafts)._message_log_batch(bodies=bodies)

    def _outcome(self, account, groups, moves):
        if account in moves:
            return "invoiced"
        return "carried" if groups.get(account) else "nothing"

    def _summarise(self, periods, groups, moves):
        """Return {account: values of its result}."""
        return {
            account: {
                "state": self._outcome(account, groups, moves),
                "move_id": moves[account].id if account in moves else False,
                "call_count": sum(group["calls"] for group in groups.get(account, [])),
                "duration": sum(group["duration"] for group in groups.get(account, [])),
                "period_start": start,
                "period_end": end,
            }
            for account, (start, end) in periods.items()
        }

    def _create_results(self, values):
        """Record what became of each account: {account: values}."""
        # Results are the run's own log, nobody writes them by hand.
        self.env["astpp.billing.result"].sudo().create(
            [
                {
                    "run_id": self.id,
                    "account_id": account.id,
                    "issuer_id": account.issuer_id.id,
                    "period_start": account.billed_until,
                    "period_end": account.next_period_end,
                    **vals,
                }
                for account, vals in values.items()
            ]
        )
