from datetime import datetime, time

from odoo import fields, models
from odoo.exceptions import UserError

from ..ledger.usage_state import HELD

# A preview shows at most so many periods of an account: five years of months.
PERIODS = 60


class AstppBillingRun(models.Model):
    """Previewing what a run would invoice, without creating anything."""

    _inherit = "astpp.billing.run"

    def action_preview(self):
        """Show what the run would invoice, and why other accounts would get no invoice."""
        self.ensure_one()
        self.check_access("read")
        # sudo: preview rows are a transient copy for users who may read the run.
        previews = self.env["astpp.billing.preview"].sudo()
        previews.search([("run_id", "=", self.id)]).unlink()
        previews.create(self.with_company(self.company_id)._preview())
        action = self.env["ir.actions.act_window"]._for_xml_id("astpp_billing.action_astpp_billing_preview")
        return action | {"domain": [("run_id", "=", self.id)]}

    def _preview(self):
        """Return the values of the preview's rows, one for each period of each account in scope."""
        accounts = self.env["astpp.account"]
        scope = accounts.search(self._scope_domain(), order="issuer_id, partner_id, id")
        until = self._preview_until()
        due = accounts.search(self._due_domain(until))
        rows = self._preview_due(due, until)
        seen = {row["account_id"] for row in rows}
        rows += [self._preview_left_out(account) for account in scope if account.id not in seen]
        held = dict(
            self.env["astpp.usage"]._read_group(
                [*HELD.domain, ("account_id", "in", scope.ids)], ["account_id"], ["__count"]
            )
        )
        by_id = {account.id: count for account, count in held.items()}
        return [{"run_id": self.id, "held_count": by_id.get(row["account_id"], 0), **row} for row in rows]

    def _preview_until(self):
        """Return the moment by which periods end that a preview shows: *Due By* is over then in all time zones."""
        return max(fields.Datetime.now(), datetime.combine(self.date, time.max))

    def _preview_due(self, due, until=None):
        """Return a row for each period of the accounts that are due, see ``_periods``."""
        rows, rates, since = [], {}, None
        by_account = self._periods(due, until)
        for turn in range(PERIODS):
            periods = {account: ends[turn] for account, ends in by_account.items() if turn < len(ends)}
            if not periods:
                break
            groups = self._collect(periods, since)
            for together in self._shared(self._terms_to_bill(periods, groups)):
                rows += self._preview_bill(together, periods, groups, rates)
            since = {account: end for account, (_start, end) in periods.items()}
        return rows

    def _preview_bill(self, together, periods, groups, rates):
        """Return the rows of terms that share an invoice; only the first row has the amounts."""

        now = fields.Datetime.now()
        running = self.env._("So far: the period has not ended yet")

        def row(terms, outcome, **values):
            account = terms.account
            first, last = account._local_dates(*periods[account])
            return {
                "account_id": account.id,
                "outcome": outcome,
                "period_start": first,
                "period_end": last,
                "currency_id": account.currency_id.id,
                "call_count": sum(group["calls"] for group in groups.get(terms, [])),
                **({"reason": running} if periods[account][1] > now else {}),
                **values,
            }

        try:
            vals = self._prepare_move_vals(together, periods, groups, rates)
            amounts = vals and self.env["account.move"]._astpp_amounts(vals)
        except UserError as error:
            return [row(terms, "5_error", reason=str(error)) for terms in together]
        if not vals:
            return [row(terms, "3_carry" if groups.get(terms) else "4_nothing") for terms in together]
        outcome = "2_refund" if vals["move_type"] == "out_refund" else "1_invoice"
        first, *others = together
        reason = self.env._("On the invoice of account %s", first.account.number)
        return [row(first, outcome, **amounts)] + [row(terms, outcome, reason=reason) for terms in others]

    def _preview_left_out(self, account):
        """Return the row of an account that is not due, with the reason why."""
        if account.payment_mode == "prepaid":
            outcome, reason = "7_off", self.env._("Prepaid: ASTPP charges it live")
        elif not account.invoice_enabled:
            outcome, reason = "7_off", self.env._("“Invoice this account” is off")
        elif account.status != "active":
            outcome, reason = "7_off", self.env._("Suspended or closed, and nothing is left to invoice")
        elif account.next_invoice_date:
            outcome = "6_not_due"
            reason = self.env._("The period ends on %s", fields.Date.to_string(account.next_invoice_date))
        else:
            outcome, reason = "6_not_due", self.env._("The account has no billing period")
        running = account.billed_until and account.next_period_end
        first, last = account._local_dates(account.billed_until, running) if running else (False, False)
        return {
            "account_id": account.id,
            "outcome": outcome,
            "reason": reason,
            "period_start": first,
            "period_end": last,
            "currency_id": account.currency_id.id,
        }
