import logging
from collections import defaultdict
from decimal import Decimal

from odoo import models
from odoo.exceptions import UserError
from odoo.fields import Command
from odoo.service.model import PG_CONCURRENCY_EXCEPTIONS_TO_RETRY
from odoo.tools import SQL

from .astpp_billing_run import BATCH
from .astpp_usage import CALL_TYPES, CHARGE_TYPES

_logger = logging.getLogger(__name__)

TYPE_ORDER = {charge_type: position for position, (charge_type, _label) in enumerate(CHARGE_TYPES)}


class AstppBillingRun(models.Model):
    """The steps of one batch: collect, create, link, post, advance."""

    _inherit = "astpp.billing.run"

    def _bill_due_batch(self, limit=BATCH):
        """Bill one period of up to ``limit`` due accounts inside this transaction.

        :return: the accounts that were taken on, whether they could be billed or not
        """
        self.ensure_one()
        run = self.with_company(self.company_id)
        accounts = run._claim_due(limit)
        if accounts and not run._try_bill(accounts):
            # One of them fails: bill them one by one to find out which.
            for account in accounts:
                run._try_bill(account)
        self.invalidate_recordset()
        return accounts

    def _try_bill(self, accounts):
        """Bill the accounts in a savepoint; note the reason if a single one fails.

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
            if len(accounts) == 1:
                if not isinstance(error, UserError):
                    _logger.exception("Billing of account %s failed", accounts.number)
                self._create_results({accounts: {"state": "failed", "message": str(error)}})
            return False

    def _bill(self, accounts):
        """Invoice the running period of each account."""
        periods = {account: (account.billed_until, account.next_period_end) for account in accounts}
        groups = self._collect(periods)
        moves = self._create_moves(periods, groups)
        self._link_usage(periods, groups, moves)
        self._post(moves)
        for account, (_start, end) in periods.items():
            # The invoice and the run's result say it: no message for each account.
            account.with_context(mail_notrack=True).billed_until = end
        self._create_results(self._summarise(periods, groups, moves))

    def _collect(self, periods):
        """Sum what the accounts have unbilled before the end of their period, exactly.

        Usage that arrived late, dated before the period, is taken along. A group of failed
        calls only is left out: it would be a line about nothing.

        :param periods: {account: (start, end)}, naive UTC
        :return: {account: [group, …]}, group a dict with ``charge_type``, ``direction``,
            ``product_id``, ``calls``, ``duration`` (s) and ``amount`` (Decimal, base currency)
        """
        self.env["astpp.usage"].flush_model()
        rows = self.env.execute_query_dict(
            SQL(
                """
                SELECT u.account_id, u.charge_type, u.direction, u.product_id,
                       count(*) AS lines,
                       count(*) FILTER (WHERE u.duration > 0 OR u.amount <> 0) AS calls,
                       COALESCE(sum(u.duration), 0)::bigint AS duration,
                       COALESCE(sum(u.amount), 0) AS amount
                  FROM unnest(%(accounts)s, %(ends)s::timestamp[]) AS due(account_id, period_end)
                  JOIN astpp_usage u ON u.account_id = due.account_id AND u.date < due.period_end
                 WHERE u.move_line_id IS NULL AND u.exception IS NULL
              GROUP BY u.account_id, u.charge_type, u.direction, u.product_id
                HAVING count(*) FILTER (WHERE u.duration > 0 OR u.amount <> 0) > 0
                """,
                accounts=[account.id for account in periods],
                ends=[end for _start, end in periods.values()],
            )
        )
        groups = defaultdict(list)
        for row in rows:
            row["amount"] = Decimal(str(row["amount"]))
            groups[self.env["astpp.account"].browse(row["account_id"])].append(row)
        for account_groups in groups.values():
            account_groups.sort(
                key=lambda row: (TYPE_ORDER[row["charge_type"]], row["direction"] or "", row["product_id"] or 0)
            )
        return groups

    def _create_moves(self, periods, groups):
        """Create the invoices of a batch at once.

        :return: {account: account.move}
        """
        billed = [account for account in periods if groups.get(account) or account.issuer_id.invoice_no_usage]
        vals_list = [self._prepare_move_vals(account, *periods[account], groups.get(account, [])) for account in billed]
        moves = self.env["account.move"]._astpp_create_bulk(vals_list)
        return dict(zip(billed, moves, strict=True))

    def _prepare_move_vals(self, account, start, end, groups):
        """Return the values of one invoice (a credit note when its total is negative)."""
        issuer = account.issuer_id
        if not issuer.journal_id:
            raise UserError(
                self.env._("Issuer %s has no journal. Choose a sales journal on its form.", issuer.display_name)
            )
        lang = account.partner_id.lang or self.env.lang
        amounts = [self._invoice_amount(account, group["amount"]) for group in groups]
        sign = -1 if sum(amounts) < 0 else 1
        vals = {
            "move_type": "out_refund" if sign < 0 else "out_invoice",
            "company_id": self.company_id.id,
            "journal_id": issuer.journal_id.id,
            "partner_id": account.partner_id.id,
            "currency_id": account.currency_id.id,
            "invoice_date": self.invoice_date,
            "astpp_account_id": account.id,
            "astpp_issuer_id": issuer.id,
            "astpp_run_id": self.id,
            "astpp_period_start": start,
            "astpp_period_end": end,
            "invoice_line_ids": [
                Command.create(self.with_context(lang=lang)._prepare_line_vals(account, group, sign * amount, position))
                for position, (group, amount) in enumerate(zip(groups, amounts, strict=True))
            ],
        }
        if issuer.payment_term_id:
            vals["invoice_payment_term_id"] = issuer.payment_term_id.id
        return vals

    def _prepare_line_vals(self, account, group, amount, position):
        """Return the values of the invoice line that bills one group of usage."""
        server = account.server_id
        default = server.call_product_id if group["charge_type"] in CALL_TYPES else server.charge_product_id
        product = self.env["product.product"].browse(group["product_id"]) or default
        vals = {
            "sequence": 10 + position,
            "product_id": product.id,
            "name": self._line_name(group),
            "quantity": 1,
            "price_unit": amount,
        }
        if account.tax_ids:
            vals["tax_ids"] = [Command.set(account.tax_ids.ids)]
        if account.issuer_id.clearing_account_id:
            vals["account_id"] = account.issuer_id.clearing_account_id.id
        return vals

    def _line_name(self, group):
        """Describe a group of usage in the language of the context."""
        usage = self.env["astpp.usage"]
        label = dict(usage._fields["charge_type"]._description_selection(self.env))[group["charge_type"]]
        if group["charge_type"] not in CALL_TYPES:
            return label
        return self.env._(
            "%(direction)s %(type)s: %(calls)s calls, %(minutes)s:%(seconds)02d minutes",
            direction=dict(usage._fields["direction"]._description_selection(self.env)).get(group["direction"], ""),
            type=label,
            calls=group["calls"],
            minutes=group["duration"] // 60,
            seconds=group["duration"] % 60,
        )

    def _invoice_amount(self, account, amount):
        """Convert an exact sum to the invoice currency and round it once.

        :param amount: Decimal in the server's base currency
        :raise UserError: when Odoo has no rate for a currency: 1.0 would be a silent error
        """
        base, currency, company = account.server_id.currency_id, account.currency_id, self.company_id
        if base != currency:
            for foreign in (base | currency) - company.currency_id:
                rates = foreign.rate_ids.filtered(
                    lambda rate: rate.name <= self.invoice_date
                    and rate.company_id in (company.root_id, company.browse())
                )
                if not rates:
                    raise UserError(
                        self.env._(
                            "There is no rate of %(currency)s on %(date)s.",
                            currency=foreign.name,
                            date=self.invoice_date,
                        )
                    )
        return base._convert(float(amount), currency, company, self.invoice_date)

    def _link_usage(self, periods, groups, moves):
        """Point every usage line to the invoice line that bills it, in one statement.

        The snapshot is that of the sums, so the same lines are meant; the count proves it.
        """
        links, expected = [], 0
        for account, move in moves.items():
            lines = move.invoice_line_ids.sorted("sequence")
            for group, line in zip(groups.get(account, []), lines, strict=True):
                key = (account.id, group["charge_type"], group["direction"], group["product_id"])
                links.append((*key, periods[account][1], line.id, move.id))
                expected += group["lines"]
        if not links:
            return
        self.env.cr.execute(
            SQL(
                """
                UPDATE astpp_usage u
                   SET move_line_id = link.line_id, move_id = link.move_id
                  FROM unnest(%s::int[], %s::text[], %s::text[], %s::int[], %s::timestamp[], %s::int[], %s::int[])
                    AS link(account_id, charge_type, direction, product_id, period_end, line_id, move_id)
                 WHERE u.account_id = link.account_id
                   AND u.charge_type = link.charge_type
                   AND u.direction IS NOT DISTINCT FROM link.direction
                   AND u.product_id IS NOT DISTINCT FROM link.product_id
                   AND u.date < link.period_end
                   AND u.move_line_id IS NULL
                   AND u.exception IS NULL
                """,
                *(list(column) for column in zip(*links, strict=True)),
            )
        )
        if self.env.cr.rowcount != expected:
            raise AssertionError(f"{self.env.cr.rowcount} usage lines linked, {expected} summed")
        self.env["astpp.usage"].invalidate_model(["move_line_id", "move_id"])

    def _post(self, moves):
        """Post the invoices whose mode is to confirm."""
        to_post = self.env["account.move"]
        for account, move in moves.items():
            mode = account.invoice_mode or account.issuer_id.invoice_mode if self.mode == "issuer" else self.mode
            if mode == "confirm":
                to_post |= move
        # Not soft: an invoice dated tomorrow in the customer's zone is meant to be posted now.
        to_post._post(soft=False)

    def _summarise(self, periods, groups, moves):
        """Return {account: values of its result}."""
        return {
            account: {
                "state": "invoiced" if account in moves else "nothing",
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
