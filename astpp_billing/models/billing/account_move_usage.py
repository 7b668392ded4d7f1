from odoo import fields, models
from odoo.exceptions import UserError
from odoo.tools import SQL

from ..astpp_guard_mixin import ours


class AccountMove(models.Model):
    """What happens to an invoice's usage when the invoice is cancelled, deleted or credited.

    Resetting to draft keeps the usage billed. Cancelling or deleting sets it free. A credit note keeps it billed,
    unless the accountant chose to bill it again: it is set free once posted credit notes add up to the whole invoice.
    """

    _inherit = "account.move"

    astpp_replaces_id = fields.Many2one(
        "account.move",
        string="Replaces",
        readonly=True,
        copy=False,
        index="btree_not_null",
        help="The credited invoice whose usage this one bills.",
    )

    def copy_data(self, default=None):
        """Do not copy the period to duplicates; only reversals and replacements are about the original's period."""
        vals_list = super().copy_data(default)
        if not self.env.context.get("include_business_fields"):
            for vals in vals_list:
                for name in ("astpp_period_start", "astpp_period_end", "astpp_rate"):
                    vals.pop(name, None)
        return vals_list

    def unlink(self):
        self._astpp_release_usage()
        return super().unlink()

    def button_draft(self):
        self._astpp_check_undone()
        res = super().button_draft()
        self.env["astpp.usage"]._reopen_credit(self.filtered("astpp_credits_lines"))
        return res

    def button_cancel(self):
        self.filtered(lambda move: move.state == "posted")._astpp_check_undone()
        return super().button_cancel()

    def _astpp_check_undone(self):
        """Refuse to undo a document whose usage was set free or credited: another invoice may bill it by now.

        :raise UserError: for cancelled invoices of a run, credited invoices, and their posted credit notes
        """
        billing = self.filtered(lambda move: move._astpp_bills_usage())
        if billing and (
            notes := self.env["astpp.usage.total"].search([("credited_id.move_id", "in", billing.ids)]).move_id
        ):
            raise UserError(
                self.env._(
                    "%(credit)s credits single calls or charges of %(invoice)s: cancel the credit note first.",
                    credit=", ".join(notes.mapped("display_name")),
                    invoice=", ".join(notes.reversed_entry_id.mapped("display_name")),
                )
            )
        if gone := self.filtered(lambda move: move.state == "cancel" and move.astpp_run_id):
            raise UserError(
                self.env._(
                    "The usage of %s was set free when it was cancelled and may be on another invoice by now. "
                    "Run billing for the account instead.",
                    ", ".join(move.display_name for move in gone),
                )
            )
        # If an invoice's usage is free, each of its credit notes is needed to make up the full amount.
        free = self.filtered(
            lambda move: move.astpp_usage_released
            or (move.state == "posted" and (move.astpp_releases_usage or move.reversed_entry_id.astpp_usage_released))
        )
        if free:
            raise UserError(
                self.env._(
                    "%s cannot be undone: the usage was set free by credit notes and may be on another invoice by now.",
                    ", ".join(move.display_name for move in free),
                )
            )

    def _astpp_post_credits(self):
        """Check the posted credit notes of usage invoices, and set the usage free where they are meant to."""
        credits_of_usage = self.filtered(lambda move: move.reversed_entry_id._astpp_bills_usage())
        credits_of_usage.reversed_entry_id._astpp_serialise()
        for credit in credits_of_usage:
            credit._astpp_check_credited()
        of_lines = credits_of_usage.filtered("astpp_credits_lines")
        for credit in of_lines:
            credit._astpp_confirm_credit_of_lines()
        for credit in (credits_of_usage - of_lines).filtered("astpp_releases_usage"):
            credit._astpp_release_credited()

    def _astpp_serialise(self):
        """Have transactions that take something off the same invoices conflict: the second begins anew, and sees the first.

        Locking the rows would not do: under REPEATABLE READ the second would go on with what it saw before.
        """
        self.env.cr.execute(
            SQL(
                "UPDATE account_move SET astpp_usage_released = astpp_usage_released WHERE id = ANY(%s)",
                sorted(self.ids),
            )
        )

    def _astpp_bills_usage(self):
        """Tell whether this is an invoice of a billing run, or an entry for prepaid consumption or a refill."""
        return bool(self.astpp_run_id or self.astpp_recognition_month or self.astpp_is_refill)

    def _astpp_credited_amount(self):
        """Return the total of the posted credit notes of this invoice, in its currency, taxes included."""
        self.ensure_one()
        credits_in_force = self.reversal_move_ids.filtered(lambda move: move.state == "posted")
        return self.currency_id.round(sum(credits_in_force.mapped("amount_total")))

    def _astpp_check_credited(self):
        """Refuse another credit note for an invoice that was fully credited and whose usage was set free.

        :raise UserError: if so
        """
        invoice = self.reversed_entry_id
        if invoice.astpp_usage_released:
            raise UserError(
                self.env._(
                    "%(invoice)s is credited already and its usage was set free: nothing is left of it to credit.",
                    invoice=invoice.display_name,
                )
            )

    def _astpp_release_credited(self):
        """Set the usage of the credited invoice free, now that it is fully credited.

        :raise UserError: when its posted credit notes do not add up to exactly the invoice's total
        """
        invoice = self.reversed_entry_id
        credited = invoice._astpp_credited_amount()
        if self.currency_id != invoice.currency_id or self.currency_id.compare_amounts(credited, invoice.amount_total):
            raise UserError(
                self.env._(
                    "With %(credit)s, credit notes of %(invoice)s come to %(amount)s of %(total)s: usage is billed again "
                    "only when the whole invoice is credited, no less and no more. Correct the amount, or make a credit "
                    "note that keeps the usage.",
                    credit=self.display_name,
                    invoice=invoice.display_name,
                    amount=self.currency_id.format(credited),
                    total=invoice.currency_id.format(invoice.amount_total),
                )
            )
        if not self.env.context.get("astpp_replaced"):
            invoice._astpp_release_usage()
        invoice.astpp_usage_released = True
        # Earlier credit notes that kept the usage no longer count as payments in ASTPP.
        invoice._astpp_queue_payments()

    @ours
    def _astpp_take_usage(self):
        """Take over the usage of the credited invoice that this draft replaces, line by line.

        The period stays billed. Deleting or cancelling the replacement sets the usage free as usual.
        """
        self.ensure_one()
        old = self.astpp_replaces_id
        pairs = list(zip(old._astpp_product_lines(), self._astpp_product_lines(), strict=True))
        for line, new_line in pairs:
            new_line.write({name: line[name] for name in ("astpp_usage_amount", "astpp_usage_rate")})
        self.write({"astpp_run_id": old.astpp_run_id.id, "astpp_rate": old.astpp_rate})
        self.env["astpp.usage"]._rebill(pairs)
        # sudo: results are the run's log, readonly for users; they must point to the invoice that bills the period.
        self.env["astpp.billing.result"].sudo().search([("move_id", "=", old.id)]).move_id = self

    def _astpp_product_lines(self):
        return self.line_ids.filtered(lambda line: line.display_type == "product").sorted(
            lambda line: (line.sequence, line.id)
        )

    def _astpp_release_usage(self):
        """Set the usage of these invoices free and reopen their periods for billing.

        ``billed_until`` moves back only where the invoice was the last one of its account. Credit notes of single
        lines credit them no longer.
        """
        self.env["astpp.usage"]._drop_credit(self.filtered("astpp_credits_lines").line_ids)
        billed = self.filtered(
            lambda move: move._astpp_bills_usage()
            or (move.is_purchase_document() and move.invoice_line_ids.filtered("astpp_usage_amount"))
        )
        if not billed:
            return
        self.env["astpp.usage"]._free(billed.line_ids)
        # sudo: accountants may cancel invoices, but not write the results of billing runs.
        results = self.env["astpp.billing.result"].sudo().search([("move_id", "in", billed.ids)])
        for result in results.sorted("period_end", reverse=True):
            account = result.account_id
            if account.billed_until == result.period_end:
                account.with_context(astpp_billed=True).write(
                    {"billed_until": result.period_start, "final_date": False}
                )
